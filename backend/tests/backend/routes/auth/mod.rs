//! `/auth/…` from the wire.

mod bad_input;
mod browser;
mod cookies;
mod known;
mod sign_in;
mod step_up;
