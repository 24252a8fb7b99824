//! Every reason why a post cannot be delivered or a pull fails, with a text for the owner and a code.
//!
//! Both are logged and written into the state for the command `status`; the outbox has the code beside the post
//! that failed. Neither contains text of a message, a secret or the path of a URL.

use shared_protocol::{ProblemCode, SignatureReason};

/// A reason why a post cannot be delivered or a pull fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("the backend cannot be reached at {backend}: {cause}")]
    Unreachable { backend: String, cause: String },
    #[error("the backend at {backend} did not answer in time")]
    Timeout { backend: String },
    /// The connection was closed in the middle of the answer, or the answer was too long.
    #[error("the backend's answer was cut off or too long")]
    BrokenAnswer,
    /// The answer is not signed, or is signed as the answer to another request.
    #[error("{}", not_the_backend(*status))]
    NotTheBackend { status: u16 },
    #[error(
        "backend_url redirects elsewhere (status {status}); set it to the address that answers"
    )]
    Redirected { status: u16 },
    #[error(
        "an answer's signature does not hold (status {status}): a proxy changes the answers, or the \
         backend has another secret"
    )]
    BadSignature { status: u16 },
    /// The answer has an unknown form. With `auth = bearer`, it may be a proxy's page.
    #[error("the answer has a form that this relay does not understand (status {status})")]
    NotAnAnswer { status: u16 },
    #[error("{}", unauthorized(*reason))]
    Unauthorized { reason: Option<SignatureReason> },
    #[error(
        "this Mac's clock is {skew_secs} s off the backend's; switch on \"Set time automatically\""
    )]
    ClockOff {
        /// This Mac's clock minus the backend's.
        skew_secs: i64,
    },
    /// The backend has seen a request with the same id and the same timestamp before.
    #[error("the backend has seen this very request before")]
    Replayed,
    #[error("the backend asks to try again later ({code})")]
    Later { code: ProblemCode },
    #[error(
        "the backend refuses a message ({code}); see `archety-relay outbox list --state parked`"
    )]
    Refused { code: ProblemCode },
    #[error(
        "another installation has this relay's name (a cloned Mac?); stop one of the two, give this one \
         its own relay_name and secret, or take the name with `archety-relay move --in`"
    )]
    Elsewhere,
    /// The owner has moved the relay to another Mac.
    #[error(
        "this Mac has given the relay's name up, so it relays and sends nothing; `archety-relay move --in` \
         takes the name back"
    )]
    MovedAway,
    #[error(
        "the backend runs as `{found}`, not as expect_env says, so this relay sends it no messages; set \
         backend_url to the right one, or expect_env to `{found}`"
    )]
    WrongEnvironment { found: String },
    #[error("this relay has a bug that keeps it from sending a message; the log says where")]
    Panicked,
    #[error("the relay's state cannot be written: is its disk full?")]
    State,
}

impl Trouble {
    /// The code under which the outbox, the log and `status` name the trouble.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::BrokenAnswer => "broken_answer",
            Self::NotTheBackend { .. } => "not_the_backend",
            Self::Redirected { .. } => "redirected",
            Self::BadSignature { .. } => "bad_answer_signature",
            Self::NotAnAnswer { .. } => "not_an_answer",
            Self::Unauthorized {
                reason: Some(SignatureReason::HmacRefused),
            } => SignatureReason::HmacRefused.as_str(),
            Self::Unauthorized {
                reason: Some(SignatureReason::BearerRefused),
            } => SignatureReason::BearerRefused.as_str(),
            Self::Unauthorized { .. } => "unauthorized",
            Self::ClockOff { .. } => "clock_off",
            Self::Replayed => "replayed",
            Self::Later { code } | Self::Refused { code } => code.as_str(),
            Self::Elsewhere => "relay_elsewhere",
            Self::MovedAway => "moved_away",
            Self::WrongEnvironment { .. } => "wrong_environment",
            Self::Panicked => "relay_panicked",
            Self::State => "state",
        }
    }
}

/// The text for an answer that is not signed for the request. During a deploy, the platform in front of the
/// backend gives such an answer, with one of the statuses 502 to 504.
fn not_the_backend(status: u16) -> String {
    match status {
        502..=504 => format!(
            "the platform in front of the backend answers that the backend is away (status {status}), as \
             during a deploy; the relay tries again"
        ),
        _ => format!(
            "something other than the backend answered (status {status}, not signed for this request): a \
             proxy, a captive portal, or a wrong backend_url"
        ),
    }
}

/// The reason of a 401, and what the owner can do about it.
fn unauthorized(reason: Option<SignatureReason>) -> &'static str {
    match reason {
        Some(SignatureReason::HmacRefused) => {
            "the backend takes no signatures (hmac_refused): it runs with RELAY_AUTH=bearer; set \
             RELAY_AUTH=both there, or auth = \"bearer\" here"
        }
        Some(SignatureReason::BearerRefused) => {
            "the backend takes no bearer secret from this relay (bearer_refused): set auth = \"hmac\" \
             here, its default; if this relay cannot sign, set RELAY_AUTH=both there and run \
             `archety-backend relay allow-bearer NAME`"
        }
        Some(SignatureReason::MissingCredentials) => {
            "the backend saw neither a signature nor a secret (missing_credentials): a proxy on the way \
             removes the webhook-* or Authorization headers; let it pass them on"
        }
        Some(SignatureReason::MalformedHeader) => {
            "the backend cannot read the webhook-* headers (malformed_header): a proxy on the way \
             changes or doubles them; let it pass them on"
        }
        // The prefix of a request's id names its purpose, and the relay sends it to the route of that purpose. A
        // proxy that rewrites paths may bring it to another route.
        Some(SignatureReason::WrongPurpose) => {
            "the request came to a route for another purpose (wrong_purpose): set backend_url to the \
             backend's address without any route, or correct the proxy on the way"
        }
        Some(SignatureReason::StaleTimestamp) => {
            "the backend's clock and this Mac's are more than five minutes apart (stale_timestamp); \
             switch on \"Set time automatically\""
        }
        Some(SignatureReason::Mismatch) => {
            "the backend knows another secret (mismatch); set the same RELAY_WEBHOOK_SECRET on both \
             sides"
        }
        Some(SignatureReason::WrongBearer) => {
            "the backend knows another secret (wrong_bearer); set the same RELAY_WEBHOOK_SECRET on both \
             sides"
        }
        Some(SignatureReason::Replayed) => {
            "the backend has seen this very request before (replayed)"
        }
        Some(SignatureReason::Unknown) | None => {
            "the backend refuses this relay, and gives no reason that this version knows; set the same \
             RELAY_WEBHOOK_SECRET on both sides, and see that backend_url is the backend's own address"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_and_code(reason: Option<SignatureReason>) -> (String, &'static str) {
        let trouble = Trouble::Unauthorized { reason };
        (trouble.to_string(), trouble.code())
    }

    #[test]
    fn each_refusal_names_its_reason_and_remedy() {
        let (text, code) = text_and_code(Some(SignatureReason::HmacRefused));
        assert_eq!(code, "hmac_refused");
        assert!(
            text.contains("RELAY_AUTH=both") && text.contains("auth = \"bearer\""),
            "{text}"
        );
        let (text, code) = text_and_code(Some(SignatureReason::BearerRefused));
        assert_eq!(code, "bearer_refused");
        assert!(
            text.contains("auth = \"hmac\"") && text.contains("allow-bearer"),
            "{text}"
        );
        for reason in SignatureReason::ALL {
            let (text, code) = text_and_code(Some(*reason));
            assert!(text.contains(reason.as_str()), "{text}");
            let with_other_secret = [SignatureReason::Mismatch, SignatureReason::WrongBearer];
            assert_eq!(
                text.contains("the same RELAY_WEBHOOK_SECRET"),
                with_other_secret.contains(reason),
                "only a wrong secret is mended by setting the secret: {text}"
            );
            let with_own_code = [SignatureReason::HmacRefused, SignatureReason::BearerRefused];
            assert_eq!(
                code == reason.as_str(),
                with_own_code.contains(reason),
                "{code}"
            );
        }
    }

    #[test]
    fn a_deploy_is_not_taken_for_a_captive_portal() {
        for status in [502, 503, 504] {
            let text = Trouble::NotTheBackend { status }.to_string();
            assert!(
                text.contains("is away") && !text.contains("captive"),
                "{text}"
            );
        }
        for status in [200, 302, 404, 500, 511] {
            let text = Trouble::NotTheBackend { status }.to_string();
            assert!(text.contains("captive portal"), "{text}");
        }
    }
}
