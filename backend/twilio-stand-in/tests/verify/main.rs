//! The rules of Verify, as a client meets them.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod client;
mod faults;
mod rules;
