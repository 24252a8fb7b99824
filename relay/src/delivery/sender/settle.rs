//! What an answer changes: the marks that are written down, the lane, the gate, the news.

use crash_point::crash_point;
use std::time::Duration;

use tokio::time::Instant;

use super::super::lanes::Taken;
use super::Sender;
use super::flights::Flight;
use crate::backend::Trouble;
use crate::backend::answer::{Backend, Judgement, Scope, Verdict};
use crate::backend::availability::Standing;
use crate::backend::backoff::Backoff;
use crate::clock::UnixMicros;
use crate::state::outbox::{Delivered, Failed, Refused};

/// How often a backend that refuses this relay is asked again.
const PROBE: Duration = Duration::from_mins(1);
/// How long a second change of the backend's version waits: two versions answer during a deploy.
const VERSION_SETTLES: Duration = Duration::from_mins(1);
/// Replayed attempts that are signed again at once before the lane waits.
const MAX_SIGN_AGAIN: u32 = 5;
/// Panics over one post after which it is parked.
const MAX_PANICS: u32 = 3;

impl Sender {
    /// Turns an answer into marks and into the next move of its lane.
    pub(super) fn settle(&mut self, flight: Flight, judgement: Judgement) {
        let now = self.context.clock.now();
        let seq = flight.taken.seq;
        let span = flight.span.clone();
        let _of_the_post = span.enter();
        let word = judgement.backend.is_some();
        if let Some(backend) = judgement.backend {
            (self.context.on_contact)(now);
            self.note_backend(backend);
        }
        match self.unless_it_panics_again(seq, judgement.verdict) {
            Verdict::Delivered { message_id, note } => {
                crash_point("answered");
                if let Some(code) = note {
                    tracing::warn!(
                        code,
                        "the backend has this message with other bytes; it counts as delivered"
                    );
                } else {
                    let message_id = message_id.as_deref().unwrap_or("-");
                    tracing::info!(message_id, "delivered");
                }
                self.gate.succeeded(flight.epoch);
                self.marks.delivered.push(Delivered {
                    seq,
                    message_id,
                    at: now,
                    note,
                });
                self.finish(&flight.taken);
                if self.marks.standstill.is_none() || self.marks.failed.is_empty() {
                    let news = self.reporter.delivered(now);
                    self.marks.standstill = news.or(self.marks.standstill.take());
                }
            }
            Verdict::Park(trouble) => {
                tracing::error!(code = trouble.code(), "{trouble}");
                self.gate.succeeded(flight.epoch);
                let version = self
                    .backend
                    .as_ref()
                    .map_or_else(String::new, |b| b.version.clone());
                self.marks.refused.push(Refused {
                    seq,
                    code: trouble.code(),
                    version,
                });
                self.finish(&flight.taken);
            }
            Verdict::SignAgain if flight.signed < MAX_SIGN_AGAIN => {
                let signed = flight.signed + 1;
                self.send(Flight { signed, ..flight });
            }
            Verdict::SignAgain => self.again(
                &flight.taken,
                None,
                Scope::Lane,
                &Trouble::Replayed,
                now,
                flight.epoch,
            ),
            Verdict::Retry {
                scope,
                after,
                trouble,
            } => {
                if word && scope == Scope::Lane {
                    self.gate.succeeded(flight.epoch);
                }
                self.again(&flight.taken, after, scope, &trouble, now, flight.epoch);
            }
            Verdict::Pause(trouble) => {
                if self.gate.failed(flight.epoch).is_some() {
                    self.gate.close(Instant::now().into_std(), PROBE);
                }
                self.tell(&trouble, now);
                self.put_back(&flight.taken, Duration::ZERO, &trouble, now);
            }
        }
    }

    /// A post that makes this relay panic time and again is parked, as one that the backend refuses.
    fn unless_it_panics_again(&mut self, seq: i64, verdict: Verdict) -> Verdict {
        let Verdict::Retry {
            trouble: Trouble::Panicked,
            ..
        } = &verdict
        else {
            return verdict;
        };
        let panics = self.panics.entry(seq).or_default();
        *panics += 1;
        if *panics < MAX_PANICS {
            return verdict;
        }
        Verdict::Park(Trouble::Panicked)
    }

    fn finish(&mut self, taken: &Taken) {
        self.panics.remove(&taken.seq);
        self.timestamps.settled(taken.seq);
        self.lanes.settled(taken);
    }

    fn again(
        &mut self,
        taken: &Taken,
        after: Option<Duration>,
        scope: Scope,
        trouble: &Trouble,
        now: UnixMicros,
        epoch: u64,
    ) {
        let rng = &mut self.context.rng;
        let mut wait = Backoff::LANE.delay(taken.attempts + 1, after, rng);
        if scope == Scope::Backend
            && let Some(failures) = self.gate.failed(epoch)
            && (failures > 1 || after.is_some())
        {
            let pause = Backoff::BACKEND.delay(failures - 1, after, rng);
            self.gate.close(Instant::now().into_std(), pause);
            // The outage is the backend's: no single post is to wait beyond it.
            wait = pause;
        }
        self.tell(trouble, now);
        self.put_back(taken, wait, trouble, now);
    }

    fn put_back(&mut self, taken: &Taken, wait: Duration, trouble: &Trouble, now: UnixMicros) {
        self.marks.failed.push(Failed {
            seq: taken.seq,
            next_attempt_at: now.plus(wait),
            code: trouble.code(),
        });
        let attempts = taken.attempts.saturating_add(1);
        let due = Instant::now().into_std() + wait;
        self.lanes.failed(taken, attempts, Some(due));
    }

    pub(super) fn tell(&mut self, trouble: &Trouble, now: UnixMicros) {
        if let Some(standstill) = self.reporter.trouble(trouble, now) {
            self.marks.standstill = Some(standstill);
        }
    }

    /// Notes which backend spoke. Parked posts are tried again on another version.
    fn note_backend(&mut self, backend: Backend) {
        if backend.version.is_empty() || self.backend.as_ref() == Some(&backend) {
            return;
        }
        let settles = self
            .backend_since
            .is_some_and(|since| since.elapsed() < VERSION_SETTLES);
        if !settles {
            self.backend_since = Some(Instant::now());
            self.marks.backend = Some(backend.clone());
            self.backend = Some(backend);
        }
    }

    pub(super) fn note_availability(&mut self) {
        let found = self.context.availability.borrow_and_update().clone();
        let now = self.context.clock.now();
        match found.standing {
            Standing::Elsewhere => self.tell(&Trouble::Elsewhere, now),
            Standing::WrongEnvironment(found) => {
                self.tell(&Trouble::WrongEnvironment { found }, now);
            }
            Standing::Unknown | Standing::Welcome => {}
        }
        if let Some(backend) = found.backend {
            self.note_backend(backend);
        }
    }
}
