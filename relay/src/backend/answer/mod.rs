//! What an answer means for the post that it answers.
//!
//! Pure. The rule behind all others: only the backend's own word settles anything. What is not signed
//! by the holder of the secret can delay a message, never park it, and never count as its receipt.

use std::time::Duration;

use serde::Deserialize;
use shared_protocol::{
    Answer, AnswerRefusal, Problem, ProblemCode, Refusal, SignatureReason, TOLERANCE_SECS,
};

use super::trouble::Trouble;

/// An answer as it arrived. With bearer, `trust` is `Ok` once it came over https or loopback.
pub struct Received {
    /// HTTP status.
    pub status: u16,
    /// Whether it is the backend's word.
    pub trust: Result<(), AnswerRefusal>,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<Duration>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// Which backend gave a trusted answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Backend {
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// `development` or `production`.
    #[serde(default)]
    pub environment: String,
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This post; its lane waits behind it.
    Lane,
    /// The backend as a whole.
    Backend,
}

/// What to do about a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend has it.
    Delivered {
        /// The backend's id of it.
        message_id: Option<String>,
        /// `id_conflict` if the backend has it with other bytes.
        note: Option<&'static str>,
    },
    /// The backend will never take it; others of its chat go on.
    Park(Trouble),
    /// Sign it again with a later timestamp and send it at once.
    SignAgain,
    /// Try again later.
    Retry {
        /// How far the failure reaches.
        scope: Scope,
        /// How long the backend asks to wait.
        after: Option<Duration>,
        /// Why.
        trouble: Trouble,
    },
    /// Nothing can be delivered until the owner acts; probe now and then.
    Pause(Trouble),
}

/// A verdict, and which backend spoke if one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What to do.
    pub verdict: Verdict,
    /// Set if the answer is the backend's own word.
    pub backend: Option<Backend>,
}

/// Judges an answer at `now`, Unix seconds. `expected` is the environment that the owner named.
pub fn judge(received: &Received, expected: Option<&str>, now: i64) -> Judgement {
    let problem = serde_json::from_slice::<Problem>(&received.body).ok();
    // Before a signature holds the backend cannot sign either, so a 401 is believed as it is: it
    // stops the relay for a minute at a time and loses nothing.
    if received.status == 401 {
        return alone(unauthorized(problem.as_ref(), now));
    }
    if let Err(refusal) = received.trust {
        return alone(untrusted(received.status, refusal));
    }
    let backend = serde_json::from_slice::<Backend>(&received.body).unwrap_or_default();
    if let Some(expected) = expected
        && !backend.environment.is_empty()
        && backend.environment != expected
    {
        let found = backend.environment.clone();
        return Judgement {
            verdict: Verdict::Pause(Trouble::WrongEnvironment { found }),
            backend: Some(backend),
        };
    }
    let verdict = match (received.status, problem) {
        (200, _) => accepted(received),
        (status, Some(problem)) => refused(status, &problem, received.retry_after),
        (status, None) => not_an_answer(status),
    };
    // Over bearer, a proxy's page is trusted as far as its transport; it is not the backend's word.
    let own_word = !matches!(
        verdict,
        Verdict::Retry {
            trouble: Trouble::NotAnAnswer { .. },
            ..
        }
    );
    Judgement {
        verdict,
        backend: own_word.then_some(backend),
    }
}

/// A failure before there was any answer.
pub fn unanswered(trouble: Trouble) -> Judgement {
    alone(retry(Scope::Backend, None, trouble))
}

fn alone(verdict: Verdict) -> Judgement {
    Judgement {
        verdict,
        backend: None,
    }
}

fn retry(scope: Scope, after: Option<Duration>, trouble: Trouble) -> Verdict {
    Verdict::Retry {
        scope,
        after,
        trouble,
    }
}

fn unauthorized(problem: Option<&Problem>, now: i64) -> Verdict {
    let reason = problem.and_then(|problem| problem.reason);
    let server_time = problem.and_then(|problem| problem.server_time);
    match (reason, server_time) {
        (Some(SignatureReason::Replayed), _) => Verdict::SignAgain,
        (Some(SignatureReason::StaleTimestamp), Some(theirs)) => {
            Verdict::Pause(Trouble::ClockOff {
                skew_secs: now.saturating_sub(theirs),
            })
        }
        (reason, _) => Verdict::Pause(Trouble::Unauthorized { reason }),
    }
}

fn untrusted(status: u16, refusal: AnswerRefusal) -> Verdict {
    let trouble = match refusal {
        _ if (300..400).contains(&status) => Trouble::Redirected { status },
        AnswerRefusal::Unsigned | AnswerRefusal::OtherRequest => Trouble::NotTheBackend { status },
        AnswerRefusal::Signature(Refusal::Stale { skew_secs }) => {
            debug_assert!(skew_secs.abs() > TOLERANCE_SECS);
            Trouble::ClockOff {
                skew_secs: -skew_secs,
            }
        }
        AnswerRefusal::Signature(_) => Trouble::BadSignature { status },
    };
    retry(Scope::Backend, None, trouble)
}

fn not_an_answer(status: u16) -> Verdict {
    let scope = if status >= 500 {
        Scope::Backend
    } else {
        Scope::Lane
    };
    retry(scope, None, Trouble::NotAnAnswer { status })
}

fn accepted(received: &Received) -> Verdict {
    match serde_json::from_slice::<Answer>(&received.body) {
        Ok(answer) => Verdict::Delivered {
            message_id: Some(answer.message_id),
            note: None,
        },
        Err(_) => not_an_answer(received.status),
    }
}

fn refused(status: u16, problem: &Problem, header: Option<Duration>) -> Verdict {
    let code = problem.code;
    let in_body = problem.retry_after.map(|s| Duration::from_secs(s.into()));
    let after = header.or(in_body);
    match (status, code) {
        (409, ProblemCode::IdConflict) => Verdict::Delivered {
            message_id: problem.message_id.clone(),
            note: Some(ProblemCode::IdConflict.as_str()),
        },
        (409, ProblemCode::RelayElsewhere) => Verdict::Pause(Trouble::Elsewhere),
        // Only this message's turn has not come, or a bug lies in this one message: it must not stop
        // the others.
        (_, ProblemCode::AnswerPending) | (500..=599, ProblemCode::Internal) | (408 | 425, _) => {
            retry(Scope::Lane, after, Trouble::Later { code })
        }
        (429 | 500..=599, _) => retry(Scope::Backend, after, Trouble::Later { code }),
        (400..=499, _) => Verdict::Park(Trouble::Refused { code }),
        _ => not_an_answer(status),
    }
}

#[cfg(test)]
mod tests;
