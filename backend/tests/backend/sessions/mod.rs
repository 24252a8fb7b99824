//! Sessions: lost answers, killed replicas, concurrent log-outs and stolen tokens.
//!
//! Most tests run on both stores with two replicas each. Supabase is played by the stand-in, whose clock
//! advances with the clocks of the replicas.

mod support;
mod switched;

mod account_deletion;
mod approval;
mod dying;
mod former_accounts;
mod keys;
mod lifetimes;
mod log_out;
mod provider;
mod rotation;
mod secrets;
mod single_flight;
mod verification;
mod work;
