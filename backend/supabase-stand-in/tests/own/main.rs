//! Tests of what has no recording of the real server: gateway, faults, races, and direct access to users.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod client;
mod faults;
mod gateway;
mod people;
mod rules;
