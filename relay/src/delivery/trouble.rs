//! Everything that keeps a post from being delivered, in words for the owner and as a code.
//!
//! The code goes into the outbox and the heartbeat, the text into the log. Neither ever holds text of
//! a message, a secret or a URL's query.

use shared_protocol::{ProblemCode, SignatureReason};

/// Why something was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("the backend cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the backend did not answer in time")]
    Timeout,
    /// The connection ended within the answer, or the answer had no end.
    #[error("the backend's answer was cut off or too long")]
    BrokenAnswer,
    /// Somebody answered who does not hold the secret.
    #[error(
        "something other than the backend answered (status {status}, not signed): a proxy, a captive \
         portal, or a wrong backend_url"
    )]
    NotTheBackend {
        /// Its status.
        status: u16,
    },
    /// Redirects are not followed.
    #[error(
        "backend_url redirects elsewhere (status {status}); set it to the address that answers"
    )]
    Redirected {
        /// Its status.
        status: u16,
    },
    /// The answer's signature does not hold.
    #[error(
        "an answer's signature does not hold (status {status}): a proxy that changes bodies, another \
         secret, or a clock that is off"
    )]
    BadSignature {
        /// Its status.
        status: u16,
    },
    /// The backend's own answer, but not one that this relay understands.
    #[error("the backend gave an answer that this relay does not understand (status {status})")]
    NotAnAnswer {
        /// Its status.
        status: u16,
    },
    /// 401.
    #[error(
        "the backend refuses this relay's secret ({}); set the same RELAY_WEBHOOK_SECRET on both sides",
        reason.map_or("no reason given", SignatureReason::as_str)
    )]
    Unauthorized {
        /// Why, if it says so.
        reason: Option<SignatureReason>,
    },
    /// 401 because of the clock.
    #[error(
        "this Mac's clock is {skew_secs} s off the backend's; switch on \"Set time automatically\""
    )]
    ClockOff {
        /// Own clock minus the backend's.
        skew_secs: i64,
    },
    /// The id and timestamp were seen before.
    #[error("the backend has seen this very request before")]
    Replayed,
    /// The backend asks to come back later.
    #[error("the backend asks to try again later ({code})")]
    Later {
        /// Why.
        code: ProblemCode,
    },
    /// The backend refuses this message for good.
    #[error(
        "the backend refuses a message ({code}); see `archety-relay outbox list --state parked`"
    )]
    Refused {
        /// Why.
        code: ProblemCode,
    },
    /// Another installation holds this relay's name.
    #[error(
        "another installation runs under this relay's name (a cloned Mac?); stop one of the two, or \
         give this one its own relay_name and secret"
    )]
    Elsewhere,
    /// The backend is not the one that the owner expects.
    #[error("the backend runs as `{found}`, not as expect_env says; nothing is sent to it")]
    WrongEnvironment {
        /// Its environment.
        found: String,
    },
    /// The relay's own state cannot be written.
    #[error("the relay's state cannot be written")]
    State,
}

impl Trouble {
    /// The code of this trouble.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::BrokenAnswer => "broken_answer",
            Self::NotTheBackend { .. } => "not_the_backend",
            Self::Redirected { .. } => "redirected",
            Self::BadSignature { .. } => "bad_answer_signature",
            Self::NotAnAnswer { .. } => "not_an_answer",
            Self::Unauthorized { .. } => "unauthorized",
            Self::ClockOff { .. } => "clock_off",
            Self::Replayed => "replayed",
            Self::Later { code } | Self::Refused { code } => code.as_str(),
            Self::Elsewhere => "relay_elsewhere",
            Self::WrongEnvironment { .. } => "wrong_environment",
            Self::State => "state",
        }
    }
}
