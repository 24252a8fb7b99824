//! A stand-in for Twilio Verify v2: starts verifications and checks their codes.
//!
//! The stand-in follows the rules that a client can notice: a verification keeps its code and id for
//! ten minutes, allows five sends and five checks, and is removed once it is approved, canceled or expired,
//! or its last check was wrong. No message is sent; a test reads the code with [`StandIn::code_for`].
//!
//! A request that Twilio refuses has to be refused with the same status and error number. The answers
//! follow Twilio's published API reference; none was recorded from the real service.

#![allow(
    missing_docs,
    reason = "only tests of this project use the library: a doc line is written where the name does not suffice"
)]

mod answers;
mod error;
mod routes;
mod settings;
mod stand_in;
mod verification;

pub use ::stand_in::{Answer, Clock, Fault, Faults, LoggedRequest, Requests};
pub use error::TwilioError;
pub use settings::{Announce, Settings};
pub use stand_in::StandIn;
pub use verification::Status;
