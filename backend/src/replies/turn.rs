//! The job that answers the turn of a conversation.
//!
//! Intake writes one job for each conversation that waits for an answer. The job reads what was said, asks the
//! responder, and commits the reply in one transaction. No connection is held while the responder works. If a message
//! came meanwhile, the responder is asked again, twice at most; then the reply is committed, and what is new belongs to
//! the next turn. A job that runs twice, on one machine or on two, commits one reply, because the second finds nothing
//! that is unanswered.

use std::sync::Arc;
use std::time::Duration;

use crash_point::crash_point;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use shared_protocol::Address;
use uuid::Uuid;

use super::addressee;
use super::loop_limits::{self, LoopCheck};
use super::opens_turn::TurnRules;
use super::responder::{Responder, ResponderError, TurnContext};
use super::said::Said;
use super::turn_message::{TurnMessage, as_they_are};
use super::{bubbles, commit};
use crate::clock::{Clock, Timestamp};
use crate::ids::row_id;
use crate::jobs::{Job, JobError, JobRun, Next, Queue, Retry};
use crate::keyring::Keyring;
use crate::store::jobs::{ANSWER_TURN, LIST_OLD_TURN};
use crate::store::replies::lane;
use crate::store::{IfNewer, NewReply, NewTurn, Store, TurnCommit, TurnOutcome, TurnRows};

/// How often the responder is asked because a message came while it worked.
const MAX_TRIES: usize = 3;
/// The pause before a conversation that was changed meanwhile is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
const FIRST_RETRY_AFTER: Duration = Duration::from_secs(1);
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// The job.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnswerTurn {
    pub conversation_id: Uuid,
}

/// What the job uses.
pub struct TurnServices {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub rules: Arc<TurnRules>,
    /// `None` on a replica that answers no messages. It only lists turns that became too old.
    pub responder: Option<Arc<dyn Responder>>,
    /// A responder that takes longer is asked again, so that one that hangs keeps no worker for ever.
    pub answer_timeout: Duration,
    /// The zone of people whose zone is not known.
    pub time_zone: TimeZone,
    pub clock: Clock,
}

impl TurnServices {
    /// How long a responder may take.
    pub const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
}

impl Job for AnswerTurn {
    type Context = TurnServices;
    const KIND: &'static str = ANSWER_TURN;
    const QUEUE: Queue = Queue::Turns;
    // Intake writes the payload as plain text in its statement.
    const SEALED: bool = false;
    // The turns of a replica that dies are taken over after this time.
    const LEASE_DURATION: Duration = Duration::from_secs(20);

    fn lane(&self) -> Option<String> {
        Some(lane(self.conversation_id))
    }

    fn dedupe_key(&self) -> Option<String> {
        Some(self.conversation_id.to_string())
    }

    fn retry(attempt: u32) -> Retry {
        retry(attempt)
    }

    async fn run(self, services: &TurnServices, run: JobRun) -> Result<Next, JobError> {
        Turn::run(services, run, self.conversation_id).await
    }
}

/// The job of a turn that no replica has answered in time. [`Store::let_list_old_turns`] makes it of [`AnswerTurn`].
/// Every replica runs it, so that turns are listed even if none has a responder.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListOldTurn {
    pub conversation_id: Uuid,
}

impl Job for ListOldTurn {
    /// Without a responder.
    type Context = TurnServices;
    const KIND: &'static str = LIST_OLD_TURN;
    const QUEUE: Queue = Queue::Turns;
    const SEALED: bool = false;
    const LEASE_DURATION: Duration = AnswerTurn::LEASE_DURATION;

    fn lane(&self) -> Option<String> {
        Some(lane(self.conversation_id))
    }

    fn retry(attempt: u32) -> Retry {
        retry(attempt)
    }

    async fn run(self, services: &TurnServices, run: JobRun) -> Result<Next, JobError> {
        Turn::run(services, run, self.conversation_id).await
    }
}

/// A turn is tried until it is answered or too old, so it is never given up.
fn retry(attempt: u32) -> Retry {
    let doublings = attempt.saturating_sub(1).min(20);
    Retry::After((FIRST_RETRY_AFTER * (1 << doublings)).min(LONGEST_RETRY_AFTER))
}

/// One run of the job.
struct Turn<'a> {
    services: &'a TurnServices,
    run: JobRun,
    conversation_id: Uuid,
}

/// How one try to answer a turn ended.
enum TryEnd {
    Done,
    /// A message came or was changed meanwhile.
    Newer,
}

impl<'a> Turn<'a> {
    async fn run(
        services: &'a TurnServices,
        run: JobRun,
        conversation_id: Uuid,
    ) -> Result<Next, JobError> {
        crash_point("turn_taken");
        let turn = Self {
            services,
            run,
            conversation_id,
        };
        for n in 1..=MAX_TRIES {
            let if_newer = if n < MAX_TRIES {
                IfNewer::Refuse
            } else {
                IfNewer::Leave
            };
            if let TryEnd::Done = turn.attempt(if_newer).await? {
                break;
            }
        }
        Ok(Next::Finished)
    }

    fn now(&self) -> Timestamp {
        self.services.clock.now().max(self.run.now)
    }

    async fn attempt(&self, if_newer: IfNewer) -> Result<TryEnd, JobError> {
        let Some(said) = self.read().await? else {
            return Ok(TryEnd::Done);
        };
        let now = self.now();
        let due = said.unanswered().map(TurnMessage::due_message);
        let Some(due) = self.services.rules.due(due) else {
            return self.drop(&said.rows, "cancelled").await;
        };
        if due > now {
            return self.postpone(due).await;
        }
        let (store, persona) = (&self.services.store, &self.services.rules.persona);
        if let Some(why) = addressee::not_for_us(store, persona, &said, now).await? {
            return self.drop(&said.rows, why).await;
        }
        let Some(newest) = said.unanswered().max_by_key(|it| (it.received_at, it.id)) else {
            return Ok(TryEnd::Done);
        };
        if newest.said_at() < now.minus(Store::TURN_MAX_AGE) {
            tracing::warn!("a chat waited too long to be answered; it is listed for the owner");
            let decision = said.decision(newest, TurnOutcome::TooOld);
            return self.commit(decision, if_newer).await;
        }
        match loop_limits::check(&said.facts.earlier, &newest.text, now) {
            LoopCheck::Go => {}
            LoopCheck::Paused(until) => return self.postpone(until).await,
            LoopCheck::Exceeded(until) => return self.pause(&said, newest, until).await,
        }
        self.answer(&said, newest, if_newer).await
    }

    /// Reads what was said. `None` if nothing is unanswered.
    async fn read(&self) -> Result<Option<Said>, JobError> {
        let store = &self.services.store;
        let rows = store.turn_rows(self.conversation_id).await?;
        if rows.has_moved {
            let now = self.now();
            let job = |conversation_id| {
                AnswerTurn { conversation_id }.to_row(&self.services.keyring, now)
            };
            store
                .follow_moved_messages(self.conversation_id, job, now)
                .await?;
        }
        if rows.first_at.is_none() {
            return Ok(None);
        }
        let facts = store.turn_facts(self.conversation_id, self.now()).await?;
        let Some(facts) = facts else {
            return Ok(None);
        };
        let relay = commit::relay_name(&facts.conversation.relay);
        let Some(relay) = relay.filter(|_| !facts.conversation.is_archived()) else {
            self.drop(&rows, "conversation_over").await?;
            return Ok(None);
        };
        let mut messages = as_they_are(&rows.rows);
        let senders: Vec<_> = messages.iter().map(TurnMessage::sender_address).collect();
        let addresses: Vec<&str> = senders.iter().flatten().map(Address::as_str).collect();
        let own = store.own_among(&addresses).await?;
        messages.retain(|message| {
            let sender = message.sender_address();
            sender.is_none_or(|sender| !own.iter().any(|own| own == sender.as_str()))
        });
        Ok(Some(Said {
            rows,
            facts,
            relay,
            messages,
        }))
    }

    /// Asks the responder, and commits what it says.
    async fn answer(
        &self,
        said: &Said,
        newest: &TurnMessage,
        if_newer: IfNewer,
    ) -> Result<TryEnd, JobError> {
        let services = self.services;
        let Some(responder) = &services.responder else {
            return self.postpone(self.now()).await;
        };
        let conversation = &said.facts.conversation;
        let context = TurnContext {
            command_id: commit::command_id(&said.relay, conversation, newest),
            is_group: conversation.mode == "group",
            persona: services.rules.persona.name().to_owned(),
            messages: said.messages.clone(),
            now: self.now(),
        };
        let answering = responder.answer(&context);
        let reply = match tokio::time::timeout(services.answer_timeout, answering).await {
            Ok(Ok(reply)) => reply,
            Err(_elapsed) => {
                tracing::warn!("the responder has not answered in time; it is asked again");
                return Err(JobError::Later(None));
            }
            Ok(Err(ResponderError::Later(pause))) => return Err(JobError::Later(pause)),
            Ok(Err(ResponderError::Never(why))) => {
                tracing::error!(
                    why,
                    "the responder cannot answer a chat; it is listed for the owner"
                );
                let decision = said.decision(newest, TurnOutcome::Failed);
                return self.commit(decision, if_newer).await;
            }
        };
        crash_point("turn_answered");
        let command_id = &context.command_id;
        let bubbles = bubbles::bubbles(&reply.bubbles, command_id);
        if bubbles.is_empty() {
            let decision = said.decision(newest, TurnOutcome::Silent);
            return self.commit(decision, if_newer).await;
        }
        let now = self.now();
        let messages: Vec<(Uuid, String)> = (bubbles.iter())
            .map(|bubble| (row_id(now), bubble.text.clone()))
            .collect();
        let body = commit::command(&said.facts, newest, bubbles, &services.time_zone, now);
        let decision = NewTurn {
            reply: Some(NewReply {
                command_id,
                body: &body,
                bubbles: &messages,
                sender: services.rules.persona.name(),
                service: newest.service.as_deref(),
                chat_guid: commit::chat_guid(&said.facts, newest),
            }),
            ..said.decision(newest, TurnOutcome::Replied)
        };
        self.commit(decision, if_newer).await
    }

    async fn commit(&self, turn: NewTurn<'_>, if_newer: IfNewer) -> Result<TryEnd, JobError> {
        let store = &self.services.store;
        let now = self.now();
        match store
            .commit_turn(self.run.claim, &turn, if_newer, now)
            .await?
        {
            TurnCommit::Committed => {
                count(turn.outcome.into());
                if let Some(first_at) = turn.rows.first_at {
                    metrics::histogram!("turn_seconds").record(now.since(first_at).as_secs_f64());
                }
                Ok(TryEnd::Done)
            }
            TurnCommit::Newer => Ok(TryEnd::Newer),
            TurnCommit::NotHeld => Ok(TryEnd::Done),
            TurnCommit::Gone => Err(JobError::Later(Some(READ_AGAIN_AFTER))),
        }
    }

    /// Pauses a conversation in which two machines seem to answer each other. Its messages stay unanswered until the
    /// pause is over.
    async fn pause(
        &self,
        said: &Said,
        newest: &TurnMessage,
        until: Timestamp,
    ) -> Result<TryEnd, JobError> {
        metrics::counter!("reply_alerts_total", "kind" => "loop").increment(1);
        tracing::error!(
            relay = said.relay.as_str(),
            conversation = %self.conversation_id,
            "a chat gets too many replies, as if a machine answered them; it is paused for an hour"
        );
        let decision = NewTurn {
            keeps_unanswered: true,
            ..said.decision(newest, TurnOutcome::Loop)
        };
        self.commit(decision, IfNewer::Leave).await?;
        self.postpone(until).await
    }

    /// Leaves the turn to a job at a later time. A job that waits already takes its place.
    async fn postpone(&self, until: Timestamp) -> Result<TryEnd, JobError> {
        let job = AnswerTurn {
            conversation_id: self.conversation_id,
        };
        self.enqueue(job, until).await?;
        Ok(TryEnd::Done)
    }

    async fn enqueue(&self, job: AnswerTurn, run_at: Timestamp) -> Result<(), JobError> {
        let now = self.now();
        let row = job.to_row(&self.services.keyring, now).at(run_at);
        Ok(self.services.store.enqueue(&row, now).await?)
    }

    /// Ends the turn without a decision: no message of these has to be answered.
    async fn drop(&self, rows: &TurnRows, why: &'static str) -> Result<TryEnd, JobError> {
        let store = &self.services.store;
        let claim = self.run.claim;
        if store
            .drop_unanswered(claim, self.conversation_id, rows)
            .await?
        {
            count(why);
        }
        Ok(TryEnd::Done)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("turns_total", "outcome" => outcome).increment(1);
}
