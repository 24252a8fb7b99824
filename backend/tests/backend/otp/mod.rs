//! Codes: asked for, sent, joined, tried, approved, and never paid for twice.

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
