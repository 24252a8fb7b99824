//! Sessions: lost answers, killed replicas, concurrent log-outs and stolen tokens.
//!
//! Most tests run on both stores with two replicas each. The stand-in for Supabase has a clock that
//! advances with the clocks of the replicas.

mod support;
mod switched;

mod account_deletion;
mod approval;
mod former_accounts;
mod keys;
mod killed_replicas;
mod lifetimes;
mod log_out;
mod log_out_jobs;
mod provider;
mod rotation;
mod secrets;
mod single_flight;
mod verification;
