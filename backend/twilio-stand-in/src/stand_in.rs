//! The stand-in as a test holds it: address, credentials, codes, faults.

use std::sync::Arc;

use stand_in::{Clock, Fault, Faults, Requests, Server};

use crate::error::TwilioError;
use crate::routes::{Forced, Verify};
use crate::settings::Settings;
use crate::verification::{Status, Verification};

/// Matches a Start. An Update has the same path with an id after it.
const START: &str = "/Verifications$";
const CHECK: &str = "/VerificationCheck$";

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

    /// What stands in place of `https://verify.twilio.com`. No slash at the end.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// What a backend is told to use it.
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

    /// The code that a number was sent, while its verification lives.
    pub fn code_for(&self, phone: &str) -> Option<String> {
        self.under_way(phone).map(|one| one.code)
    }

    pub fn sid_for(&self, phone: &str) -> Option<String> {
        self.under_way(phone).map(|one| one.sid)
    }

    fn under_way(&self, phone: &str) -> Option<Verification> {
        let state = self.verify.current();
        let mut under_way = state.verifications.iter();
        under_way.find(|one| one.to == phone).cloned()
    }

    /// A code of the right length that is not the number's.
    pub fn wrong_code_for(&self, phone: &str) -> String {
        let length = self.verify.settings.code_length;
        let zeros = "0".repeat(length);
        if self.code_for(phone).as_ref() == Some(&zeros) {
            return "1".repeat(length);
        }
        zeros
    }

    /// How many codes a number was sent, ever.
    pub fn sends(&self, phone: &str) -> usize {
        let state = self.verify.current();
        state.sent.iter().filter(|(to, _)| to == phone).count()
    }

    /// How many codes were sent to all numbers, ever.
    pub fn total_sends(&self) -> usize {
        self.verify.current().sent.len()
    }

    /// How many checks got as far as being looked at, right or wrong.
    pub fn checks(&self) -> usize {
        self.verify.current().checks
    }

    pub fn refuse_start(&self, error: TwilioError) {
        self.spoil_start(Fault::Answer(error.answer()));
    }

    pub fn refuse_check(&self, error: TwilioError) {
        self.spoil_check(Fault::Answer(error.answer()));
    }

    pub fn spoil_start(&self, fault: Fault) {
        self.faults().next(START, fault);
    }

    pub fn spoil_check(&self, fault: Fault) {
        self.faults().next(CHECK, fault);
    }

    /// The next Check of a verification under way answers this status, whatever the code.
    pub fn force_check(&self, status: Status) {
        self.force(status, None);
    }

    /// The next Check is approved, and says it was for this other number.
    pub fn approve_another(&self, to: &str) {
        self.force(Status::Approved, Some(to.to_owned()));
    }

    fn force(&self, status: Status, to: Option<String>) {
        self.verify
            .current()
            .next_checks
            .push(Forced { status, to });
    }
}
