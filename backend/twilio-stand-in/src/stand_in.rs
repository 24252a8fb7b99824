//! The interface for tests: address, credentials, codes and faults of a running stand-in.

use std::sync::Arc;

use stand_in::{Clock, Fault, Faults, Requests, Server};

use crate::error::TwilioError;
use crate::routes::{ForcedCheck, Verify};
use crate::settings::Settings;
use crate::verification::{Status, Verification};

/// The pattern of requests that start a verification. `$` excludes the updates of a verification, whose path goes on
/// with its id.
const START: &str = "/Verifications$";
/// The pattern of requests that check a code.
const CHECK: &str = "/VerificationCheck$";

/// A running stand-in. It stops when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    verify: Arc<Verify>,
    server: Server,
}

impl StandIn {
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let (server, verify) =
            Server::start(settings.port, |url| Verify::new(settings, url)).await?;
        Ok(Self { verify, server })
    }

    /// The URL that replaces `https://verify.twilio.com`. No slash at the end.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// The environment variables with which a backend uses the stand-in.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        let settings = self.settings();
        [
            ("TWILIO_BASE_URL", self.url()),
            ("TWILIO_ACCOUNT_SID", settings.account_sid.clone()),
            ("TWILIO_AUTH_TOKEN", settings.auth_token.clone()),
            ("TWILIO_VERIFY_SERVICE_SID", settings.service_sid.clone()),
        ]
    }

    pub fn settings(&self) -> &Settings {
        &self.verify.settings
    }

    pub fn clock(&self) -> &Clock {
        &self.verify.clock
    }

    pub fn requests(&self) -> &Requests {
        &self.server.requests
    }

    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The code that was sent to a number, as long as the verification has not ended.
    pub fn code_for(&self, phone: &str) -> Option<String> {
        self.verification(phone)
            .map(|verification| verification.code)
    }

    /// The id of a number's verification, as long as the verification has not ended.
    pub fn sid_for(&self, phone: &str) -> Option<String> {
        self.verification(phone)
            .map(|verification| verification.sid)
    }

    fn verification(&self, phone: &str) -> Option<Verification> {
        let state = self.verify.remove_expired();
        let mut verifications = state.verifications.iter();
        verifications
            .find(|verification| verification.to == phone)
            .cloned()
    }

    /// A code of the right length that differs from the one sent to the number.
    pub fn wrong_code_for(&self, phone: &str) -> String {
        let length = self.verify.settings.code_length;
        let zeros = "0".repeat(length);
        if self.code_for(phone).as_ref() == Some(&zeros) {
            return "1".repeat(length);
        }
        zeros
    }

    /// How many times a code was sent to a number since the stand-in was started.
    pub fn sends(&self, phone: &str) -> usize {
        let state = self.verify.remove_expired();
        state.sent.iter().filter(|(to, _)| to == phone).count()
    }

    /// How many times a code was sent to any number since the stand-in was started.
    pub fn total_sends(&self) -> usize {
        self.verify.remove_expired().sent.len()
    }

    /// How many well-formed codes were checked, right or wrong.
    pub fn checks(&self) -> usize {
        self.verify.remove_expired().checks
    }

    /// Makes the next Start answer this error.
    pub fn refuse_start(&self, error: TwilioError) {
        self.spoil_start(Fault::Answer(error.answer()));
    }

    /// Makes the next Check answer this error.
    pub fn refuse_check(&self, error: TwilioError) {
        self.spoil_check(Fault::Answer(error.answer()));
    }

    /// Schedules a fault for the next Start.
    pub fn spoil_start(&self, fault: Fault) {
        self.faults().next(START, fault);
    }

    /// Schedules a fault for the next Check.
    pub fn spoil_check(&self, fault: Fault) {
        self.faults().next(CHECK, fault);
    }

    /// Makes the next Check answer this status, for a right and for a wrong code.
    pub fn force_check(&self, status: Status) {
        self.force_next_check(status, None);
    }

    /// Makes the next Check answer "approved" for the number `to` instead of the verification's number.
    pub fn approve_another(&self, to: &str) {
        self.force_next_check(Status::Approved, Some(to.to_owned()));
    }

    fn force_next_check(&self, status: Status, to: Option<String>) {
        self.verify
            .remove_expired()
            .next_checks
            .push(ForcedCheck { status, to });
    }
}
