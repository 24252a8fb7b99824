//! The rules of Twilio Verify that a client can notice.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod client;
mod faults;
mod rules;
