//! Sessions under attack: lost answers, replicas that die, people who log out meanwhile, stolen tokens.
//!
//! Nearly everything runs on both stores, with two replicas on each; with Supabase, against the
//! stand-in, whose clock goes with the replicas'.

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
