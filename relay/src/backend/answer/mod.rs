//! Decides what an answer means for its post, or for a pull.
//!
//! With `auth = hmac`, only an answer that the backend has signed can mark a post as delivered or park it.
//! After an unsigned answer, the post is sent again.

use std::time::Duration;

use serde::Deserialize;
use shared_protocol::{
    Answer, AnswerRefusal, Problem, ProblemCode, SignatureReason, SignatureRefusal, TOLERANCE_SECS,
};

use super::trouble::Trouble;

/// An answer as it arrived.
pub struct Received {
    pub status: u16,
    /// `Ok` if the answer's signature holds. Answers to bearer requests have no signature and count as
    /// trusted, because they arrive over https or loopback.
    pub trust: Result<(), AnswerRefusal>,
    /// The seconds of the header `Retry-After`.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// The version and environment in a trusted answer; empty where the answer names none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Backend {
    #[serde(default)]
    pub version: String,
    /// `development` or `production`.
    #[serde(default)]
    pub environment: String,
}

/// What a failure affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One post, and the later posts of its lane.
    Lane,
    /// All posts.
    Backend,
}

/// What happens to a post after its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerDecision {
    /// The backend has stored the message.
    Delivered {
        /// The backend's id of the message.
        message_id: Option<String>,
        /// `id_conflict` if the backend has stored other bytes under the same identity.
        note: Option<&'static str>,
        /// Whether the replies to the chat are cancelled that were not sent yet.
        cancels_replies: bool,
    },
    /// The backend will never accept the message. The other posts of its lane are sent.
    Park(Trouble),
    /// The post is signed again with a later timestamp and sent at once.
    SignAgain,
    /// The post is sent again later.
    Retry {
        scope: Scope,
        /// How long the backend asks to wait.
        after: Option<Duration>,
        trouble: Trouble,
    },
    /// No post can be delivered until the owner acts. One post is sent every minute as a probe.
    Pause(Trouble),
}

/// The decision about an answer, and the backend that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssessedAnswer {
    pub decision: AnswerDecision,
    /// `None` if the answer is not the backend's own.
    pub backend: Option<Backend>,
}

/// Assesses an answer at `now`, Unix seconds. `expected` is the environment that the owner configured.
pub fn assess(received: &Received, expected: Option<&str>, now: i64) -> AssessedAnswer {
    let problem = serde_json::from_slice::<Problem>(&received.body).ok();
    // The backend cannot sign an answer to a request whose signature it refuses. So an unsigned 401 is
    // believed: it only pauses the relay for a minute at a time.
    if received.status == 401 {
        return without_backend(decide_unauthorized(problem.as_ref(), now));
    }
    if let Err(refusal) = received.trust {
        return without_backend(decide_untrusted(received.status, refusal));
    }
    let backend = serde_json::from_slice::<Backend>(&received.body).unwrap_or_default();
    if let Some(expected) = expected
        && !backend.environment.is_empty()
        && backend.environment != expected
    {
        let found = backend.environment.clone();
        return AssessedAnswer {
            decision: AnswerDecision::Pause(Trouble::WrongEnvironment { found }),
            backend: Some(backend),
        };
    }
    let decision = match (received.status, problem) {
        (200, _) => decide_success(received),
        (status, Some(problem)) => decide_problem(status, &problem, received.retry_after),
        (status, None) => not_an_answer(status),
    };
    // With bearer, the page of a proxy counts as trusted, but it is not the backend's own answer.
    let is_own = !matches!(
        decision,
        AnswerDecision::Retry {
            trouble: Trouble::NotAnAnswer { .. },
            ..
        }
    );
    AssessedAnswer {
        decision,
        backend: is_own.then_some(backend),
    }
}

/// The assessment of a request that got no answer.
pub fn unanswered(trouble: Trouble) -> AssessedAnswer {
    without_backend(retry(Scope::Backend, None, trouble))
}

fn without_backend(decision: AnswerDecision) -> AssessedAnswer {
    AssessedAnswer {
        decision,
        backend: None,
    }
}

fn retry(scope: Scope, after: Option<Duration>, trouble: Trouble) -> AnswerDecision {
    AnswerDecision::Retry {
        scope,
        after,
        trouble,
    }
}

fn decide_unauthorized(problem: Option<&Problem>, now: i64) -> AnswerDecision {
    let reason = problem.and_then(|problem| problem.reason);
    let server_time = problem.and_then(|problem| problem.server_time);
    match (reason, server_time) {
        (Some(SignatureReason::Replayed), _) => AnswerDecision::SignAgain,
        (Some(SignatureReason::StaleTimestamp), Some(theirs)) => {
            AnswerDecision::Pause(Trouble::ClockOff {
                skew_secs: now.saturating_sub(theirs),
            })
        }
        (reason, _) => AnswerDecision::Pause(Trouble::Unauthorized { reason }),
    }
}

fn decide_untrusted(status: u16, refusal: AnswerRefusal) -> AnswerDecision {
    let trouble = match refusal {
        _ if (300..400).contains(&status) => Trouble::Redirected { status },
        AnswerRefusal::Unsigned | AnswerRefusal::OtherRequest => Trouble::NotTheBackend { status },
        AnswerRefusal::Signature(SignatureRefusal::Stale { skew_secs }) => {
            debug_assert!(skew_secs.abs() > TOLERANCE_SECS);
            // The answer's skew is the backend's clock minus this Mac's; that of the trouble, the reverse.
            Trouble::ClockOff {
                skew_secs: -skew_secs,
            }
        }
        AnswerRefusal::Signature(_) => Trouble::BadSignature { status },
    };
    retry(Scope::Backend, None, trouble)
}

fn not_an_answer(status: u16) -> AnswerDecision {
    let scope = if status >= 500 {
        Scope::Backend
    } else {
        Scope::Lane
    };
    retry(scope, None, Trouble::NotAnAnswer { status })
}

fn decide_success(received: &Received) -> AnswerDecision {
    match serde_json::from_slice::<Answer>(&received.body) {
        Ok(answer) => AnswerDecision::Delivered {
            message_id: Some(answer.message_id),
            note: None,
            cancels_replies: answer.cancel_replies,
        },
        Err(_) => not_an_answer(received.status),
    }
}

fn decide_problem(status: u16, problem: &Problem, header_wait: Option<Duration>) -> AnswerDecision {
    let code = problem.code;
    let body_wait = problem.retry_after.map(|s| Duration::from_secs(s.into()));
    let after = header_wait.or(body_wait);
    match (status, code) {
        (409, ProblemCode::IdConflict) => AnswerDecision::Delivered {
            message_id: problem.message_id.clone(),
            note: Some(ProblemCode::IdConflict.as_str()),
            cancels_replies: false,
        },
        (409, ProblemCode::RelayElsewhere) => AnswerDecision::Pause(Trouble::Elsewhere),
        // The failure concerns this message alone, so the other lanes go on.
        (_, ProblemCode::AnswerPending) | (500..=599, ProblemCode::Internal) | (408 | 425, _) => {
            retry(Scope::Lane, after, Trouble::Later { code })
        }
        (429 | 500..=599, _) => retry(Scope::Backend, after, Trouble::Later { code }),
        (400..=499, _) => AnswerDecision::Park(Trouble::Refused { code }),
        _ => not_an_answer(status),
    }
}

#[cfg(test)]
mod tests;
