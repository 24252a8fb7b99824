//! Posts messages one after the other and returns the outcome of each.
//!
//! Unlike the relay's sender, the poster gives up after a few attempts, since a person watches it and can run it
//! again. It signs with the relay's secret. Every message is marked as a rehearsal in its body and has an id made
//! with the rehearsal's relay name, so that it does not become the relay's newest message in the backend.

use std::time::{Duration, Instant};

use archety_relay::backend::answer::{AnswerDecision, Scope, assess, unanswered};
use archety_relay::backend::client::{Client, Request};
use archety_relay::clock::Clock;
use archety_relay::delivery::timestamps::Timestamps;
use bytes::Bytes;
use shared_protocol::{Answer, AnswerStatus, MESSAGE_ROUTE, Message, MessageIdentity, RelayName};
use tokio::time::MissedTickBehavior;

/// The backend may hold its response for up to 55 s, while it waits for a text to send back to the person.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Most attempts for one message. It is sent again only if the backend asks for that.
const MAX_ATTEMPTS: u32 = 4;
/// The longest pause that the backend may ask for. The message counts as failed after a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The result of posting one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PostOutcome {
    Accepted,
    /// The backend had stored the message before.
    Duplicate,
    /// The message was refused, or was not stored by the last attempt. The code gives the reason.
    Failed(String),
}

/// A message that was posted.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) outcome: PostOutcome,
    /// The duration of the last attempt.
    pub(crate) latency: Duration,
    /// The error, if it concerns all further messages as well.
    pub(crate) stop: Option<String>,
}

pub(crate) struct Poster<'a> {
    pub(crate) client: &'a Client,
    /// The relay name under which the backend keeps the rehearsals.
    pub(crate) rehearsal_name: &'a RelayName,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timestamps: Timestamps,
}

impl Poster<'_> {
    /// Posts `messages` in order, at most `per_second` of them a second, and calls `done` after each. Stops after
    /// an error that concerns all further messages as well.
    pub(crate) async fn post_all(
        &mut self,
        messages: &[Message],
        per_second: Option<f64>,
        mut done: impl FnMut(&Posted),
    ) -> Vec<Posted> {
        let mut pace = per_second.map(|rate| {
            let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let mut results = Vec::with_capacity(messages.len());
        for (seq, message) in (0..).zip(messages) {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let posted = self.post(seq, message).await;
            done(&posted);
            let is_last = posted.stop.is_some();
            results.push(posted);
            if is_last {
                break;
            }
        }
        results
    }

    /// Posts one message, up to [`MAX_ATTEMPTS`] times. `seq` is its place among the messages.
    async fn post(&mut self, seq: i64, message: &Message) -> Posted {
        let id = MessageIdentity {
            relay: self.rehearsal_name,
            message_guid: message.message_guid.as_deref().unwrap_or_default(),
            event: message.event,
            revision: message.revision,
        }
        .webhook_id();
        let body =
            serde_json::to_vec(message).expect("a message has only string keys and finite numbers");
        let mut request = Request {
            id,
            timestamp: 0,
            body: Bytes::from(body),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            request.timestamp = self.timestamps.next(seq, self.clock.now().as_secs());
            let started = Instant::now();
            let decision = self.attempt(&request).await;
            let latency = started.elapsed();
            let (outcome, stop) = match decision {
                Ok(outcome) => (outcome, None),
                Err(AnswerDecision::SignAgain) if attempts < MAX_ATTEMPTS => continue,
                Err(AnswerDecision::Retry {
                    after: Some(pause), ..
                }) if attempts < MAX_ATTEMPTS && pause <= LONGEST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Err(decision) => {
                    let (code, stop) = refusal(&decision);
                    (PostOutcome::Failed(code.to_owned()), stop)
                }
            };
            return Posted {
                outcome,
                latency,
                stop,
            };
        }
    }

    /// Posts a message once. Any decision but delivery is the error.
    async fn attempt(&self, request: &Request) -> Result<PostOutcome, AnswerDecision> {
        let route = self.client.config().backend_url.join(MESSAGE_ROUTE);
        let received = match self.client.post_within(&route, request, TIMEOUT).await {
            Ok(received) => received,
            Err(trouble) => return Err(unanswered(trouble).decision),
        };
        let expected = self.client.config().expect_env.as_deref();
        let decision = assess(&received, expected, self.clock.now().as_secs()).decision;
        match decision {
            AnswerDecision::Delivered { note: None, .. } => {
                let answer = serde_json::from_slice::<Answer>(&received.body);
                Ok(match answer.map(|answer| answer.status) {
                    Ok(AnswerStatus::Duplicate) => PostOutcome::Duplicate,
                    _ => PostOutcome::Accepted,
                })
            }
            // The backend answered 200 and did not store the message.
            AnswerDecision::Delivered {
                note: Some(code), ..
            } => Ok(PostOutcome::Failed(code.to_owned())),
            decision => Err(decision),
        }
    }
}

/// The code of a refusal, and the error message if the refusal concerns all messages.
fn refusal(decision: &AnswerDecision) -> (&'static str, Option<String>) {
    match decision {
        AnswerDecision::Pause(trouble)
        | AnswerDecision::Retry {
            scope: Scope::Backend,
            trouble,
            ..
        } => (trouble.code(), Some(trouble.to_string())),
        AnswerDecision::Park(trouble)
        | AnswerDecision::Retry {
            scope: Scope::Lane,
            trouble,
            ..
        } => (trouble.code(), None),
        // The backend has received this id with this timestamp before.
        AnswerDecision::SignAgain => ("replayed", None),
        AnswerDecision::Delivered { .. } => ("accepted", None),
    }
}
