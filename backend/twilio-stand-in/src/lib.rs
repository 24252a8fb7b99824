//! A stand-in for Twilio Verify v2: starts verifications, knows their codes, checks them.
//!
//! It keeps the rules that a client runs into: the same code and id for ten minutes, five sends, five
//! checks, and a verification that is gone once it was approved, used up or has lapsed. No message is
//! sent; a test asks for the code ([`StandIn::code_for`]).
//!
//! What must stay true: what Twilio refuses is refused here with the same status and code. The
//! answers follow Twilio's published description of the interface; nothing here was recorded.

#![allow(
    missing_docs,
    reason = "the library serves this project's tests alone: a doc line has to say what a name does not"
)]

mod answers;
mod error;
mod routes;
mod settings;
mod stand_in;
mod verification;

pub use ::stand_in::{Answer, Clock, Fault, Faults, Requests, Seen};
pub use error::TwilioError;
pub use settings::{Announce, Settings};
pub use stand_in::StandIn;
pub use verification::Status;
