//! What no recording shows: the gateway, the faults, the races, and the handles that a test holds.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod client;
mod faults;
mod gateway;
mod people;
mod rules;
