//! A verification: one phone number, its code, and the sends and checks so far.

use time::OffsetDateTime;

use crate::settings::{Settings, sid};

/// The state of a verification in Twilio's words. Only [`Approved`](Self::Approved) means success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The code was sent; no check had the right code yet.
    Pending,
    /// A check had the right code.
    Approved,
    Canceled,
    MaxAttemptsReached,
    Deleted,
    Failed,
    Expired,
}

impl Status {
    /// The word for the status in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Canceled => "canceled",
            Self::MaxAttemptsReached => "max_attempts_reached",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// One sending of the code.
#[derive(Debug, Clone)]
pub(crate) struct CodeSend {
    pub(crate) at: OffsetDateTime,
    pub(crate) channel: String,
    pub(crate) attempt_sid: String,
}

/// A verification that has not ended. Ended ones are removed, and requests for them answer 404.
#[derive(Debug, Clone)]
pub(crate) struct Verification {
    pub(crate) sid: String,
    pub(crate) to: String,
    pub(crate) code: String,
    pub(crate) sends: Vec<CodeSend>,
    pub(crate) checks: usize,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}

impl Verification {
    pub(crate) fn new(to: String, code: String, now: OffsetDateTime) -> Self {
        Self {
            sid: sid("VE"),
            to,
            code,
            sends: Vec::new(),
            checks: 0,
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn is_expired(&self, settings: &Settings, now: OffsetDateTime) -> bool {
        now >= self.created_at + settings.ttl
    }

    /// Records that the code was sent.
    pub(crate) fn record_send(&mut self, channel: &str, now: OffsetDateTime) {
        self.updated_at = now;
        self.sends.push(CodeSend {
            at: now,
            channel: channel.to_owned(),
            attempt_sid: sid("VL"),
        });
    }

    /// The channel of the last send.
    pub(crate) fn channel(&self) -> &str {
        self.sends.last().map_or("sms", |send| &send.channel)
    }
}
