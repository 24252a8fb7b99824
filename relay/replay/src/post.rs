//! Posts messages one after the other and tells what became of each.
//!
//! Unlike the relay's sender this one gives up: it is watched by a person, who can run it again. It
//! signs with the relay's secret but never speaks as the relay: every message is a rehearsal's, in its
//! body and in its identity, so that none is ever the newest one that the backend has of the relay.

use std::time::{Duration, Instant};

use archety_relay::backend::answer::{Scope, Verdict, judge, unanswered};
use archety_relay::backend::client::{Client, Request};
use archety_relay::clock::Clock;
use archety_relay::delivery::timestamps::Timestamps;
use bytes::Bytes;
use shared_protocol::{Answer, AnswerStatus, MESSAGE_ROUTE, Message, MessageIdentity, RelayName};
use tokio::time::MissedTickBehavior;

/// Beyond the 55 s that the backend waits for a reply when it is wanted in the answer.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Tries of one message that the backend itself asks to send again.
const TRIES: u32 = 4;
/// Longest pause that is granted when the backend asks for one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    /// It was stored before.
    Duplicate,
    /// Not taken; the code says why.
    Refused(String),
}

#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) fate: Fate,
    pub(crate) latency: Duration,
    /// What keeps every other message from being delivered too.
    pub(crate) stop: Option<String>,
}

pub(crate) struct Poster<'a> {
    pub(crate) client: &'a Client,
    /// The name under which the backend keeps what is posted.
    pub(crate) rehearsal: &'a RelayName,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timestamps: Timestamps,
}

impl Poster<'_> {
    /// Posts `messages` in order, at most `per_second` of them a second, and calls `done` after each.
    /// Ends early when nothing more could be delivered.
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
        for (place, message) in (0..).zip(messages) {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let posted = self.post(place, message).await;
            done(&posted);
            let ends = posted.stop.is_some();
            results.push(posted);
            if ends {
                break;
            }
        }
        results
    }

    async fn post(&mut self, place: i64, message: &Message) -> Posted {
        let id = MessageIdentity {
            relay: self.rehearsal,
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
        let mut tries = 0;
        loop {
            tries += 1;
            request.timestamp = self.timestamps.next(place, self.clock.now().as_secs());
            let started = Instant::now();
            let verdict = self.attempt(&request).await;
            let latency = started.elapsed();
            let (fate, stop) = match verdict {
                Ok(fate) => (fate, None),
                Err(Verdict::SignAgain) if tries < TRIES => continue,
                Err(Verdict::Retry {
                    after: Some(pause), ..
                }) if tries < TRIES && pause <= LONGEST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Err(verdict) => {
                    let (code, stop) = refusal(&verdict);
                    (Fate::Refused(code.to_owned()), stop)
                }
            };
            return Posted {
                fate,
                latency,
                stop,
            };
        }
    }

    /// Posts once; what became of the message, or else why nothing did.
    async fn attempt(&self, request: &Request) -> Result<Fate, Verdict> {
        let route = self.client.link().backend_url.join(MESSAGE_ROUTE);
        let received = match self.client.post_within(&route, request, TIMEOUT).await {
            Ok(received) => received,
            Err(trouble) => return Err(unanswered(trouble).verdict),
        };
        let expected = self.client.link().expect_env.as_deref();
        let verdict = judge(&received, expected, self.clock.now().as_secs()).verdict;
        match verdict {
            Verdict::Delivered { note: None, .. } => {
                let answer = serde_json::from_slice::<Answer>(&received.body);
                Ok(match answer.map(|answer| answer.status) {
                    Ok(AnswerStatus::Duplicate) => Fate::Duplicate,
                    _ => Fate::Accepted,
                })
            }
            Verdict::Delivered {
                note: Some(code), ..
            } => Ok(Fate::Refused(code.to_owned())),
            verdict => Err(verdict),
        }
    }
}

/// The code of a refusal, and what to tell if it concerns all messages.
fn refusal(verdict: &Verdict) -> (&'static str, Option<String>) {
    match verdict {
        Verdict::Pause(trouble)
        | Verdict::Retry {
            scope: Scope::Backend,
            trouble,
            ..
        } => (trouble.code(), Some(trouble.to_string())),
        Verdict::Park(trouble)
        | Verdict::Retry {
            scope: Scope::Lane,
            trouble,
            ..
        } => (trouble.code(), None),
        Verdict::SignAgain => ("replayed", None),
        Verdict::Delivered { .. } => ("accepted", None),
    }
}
