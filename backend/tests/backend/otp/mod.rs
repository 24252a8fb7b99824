//! One-time codes: challenges, limits, and the providers that send codes.

mod breaker;
mod challenges;
mod known_devices;
mod networks;
mod refusals;
mod resends;
mod sends;
mod supabase;
mod support;
mod twilio;
mod upkeep;
