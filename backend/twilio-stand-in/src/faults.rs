//! Where a fault goes and what it is: patterns for [`Faults`](crate::Faults), and Twilio's own errors.

use stand_in::Fault;

use crate::error::TwilioError;

/// Matches a Start. An Update has the same path with an id after it.
pub const START: &str = "/Verifications$";
pub const CHECK: &str = "/VerificationCheck$";

/// One of Twilio's errors, without processing the request.
pub fn refuse(error: TwilioError) -> Fault {
    Fault::Answer(error.answer())
}
