//! A replica that answers turns with a responder of the test.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::jobs::{JobOutcome, Jobs, Pace, Registry};
use archety_backend::keyring::Keyring;
use archety_backend::replies::{
    AnswerTurn, Answering, Persona, Reply, Responder, ResponderError, TurnContext, TurnRules,
    TurnServices,
};
use archety_backend::store::{NewMessage, Opens, Pools, Store, Stored, TurnOpening};
use shared_protocol::Event;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::store::message_builder::{direct, received};
use crate::support::{NOW, TestStore};

pub(super) const QUIET: Duration = Duration::from_secs(2);

/// A time so many seconds after the start.
pub(super) fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

pub(super) const OPENING: TurnOpening = TurnOpening {
    quiet: QUIET,
    longest: Duration::from_secs(10),
    opens: Opens::Turn,
};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A direct message that opens a turn.
pub(super) fn text(identity: &str, text: &str, secs: u64) -> NewMessage {
    let mut message = received(direct(identity), at(secs));
    // Of messages of the same moment, the one that was made first comes first.
    message.id = Uuid::from_u128(NEXT_ID.fetch_add(1, Ordering::SeqCst).into());
    message.sent_at = at(secs);
    message.meta_data = None;
    text.clone_into(&mut message.text);
    message.turn = Some(OPENING);
    message
}

/// A change of the message with this identity, by a row of the same guid.
pub(super) fn change(of: &str, event: Event, revision: i32, secs: u64) -> NewMessage {
    let identity = format!("{of}-{}-{revision}", event.as_str());
    let mut change = text(&identity, "", secs);
    change.message_guid = Some(format!("guid-{of}"));
    change.changes = vec![of.to_owned()];
    (change.event, change.revision, change.turn) = (event, revision, None);
    change
}

pub(super) async fn store(store: &Store, message: NewMessage) {
    let stored = store.store_message(message).await.expect("a store");
    assert!(matches!(stored, Stored::Accepted(_)), "{stored:?}");
}

/// What a responder does with a turn: says texts, or fails.
pub(super) type Say = dyn Fn(&TurnContext) -> Result<Vec<String>, ResponderError> + Send + Sync;

/// Work of a test while a responder is asked for the time of this number, counted from 1.
pub(super) type Meanwhile =
    dyn Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A responder of a test. It notes the texts of the turns that it was asked to answer.
pub(super) struct Scripted {
    pub(super) asked: Mutex<Vec<Vec<String>>>,
    say: Box<Say>,
    meanwhile: Box<Meanwhile>,
}

impl Scripted {
    pub(super) fn new(
        say: impl Fn(&TurnContext) -> Result<Vec<String>, ResponderError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with_meanwhile(say, |_| Box::pin(async {}))
    }

    pub(super) fn with_meanwhile(
        say: impl Fn(&TurnContext) -> Result<Vec<String>, ResponderError> + Send + Sync + 'static,
        meanwhile: impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            say: Box::new(say),
            meanwhile: Box::new(meanwhile),
        })
    }

    /// Says the unanswered texts, joined.
    pub(super) fn echo() -> Arc<Self> {
        Self::new(|turn| Ok(vec![unanswered(turn).join("+")]))
    }

    pub(super) fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().expect("sound").clone()
    }
}

/// The unanswered texts of a turn.
pub(super) fn unanswered(turn: &TurnContext) -> Vec<String> {
    let messages = turn.messages.iter().filter(|message| message.is_unanswered);
    messages.map(|message| message.text.clone()).collect()
}

impl Responder for Scripted {
    fn answer<'a>(&'a self, turn: &'a TurnContext) -> Answering<'a> {
        Box::pin(async move {
            let times = {
                let mut asked = self.asked.lock().expect("sound");
                asked.push(unanswered(turn));
                asked.len()
            };
            (self.meanwhile)(times).await;
            (self.say)(turn).map(|bubbles| Reply { bubbles })
        })
    }
}

/// A replica that answers turns.
pub(super) struct Replica {
    pub(super) clock: Clock,
    pub(super) jobs: Jobs,
}

impl Replica {
    pub(super) fn new(store: &Store, responder: Arc<Scripted>) -> Self {
        Self::with_clock(store, responder, Clock::manual(NOW), Pace::default())
    }

    pub(super) fn with_clock(
        store: &Store,
        responder: Arc<Scripted>,
        clock: Clock,
        pace: Pace,
    ) -> Self {
        Self::with(store, responder, clock, pace, Duration::from_hours(1))
    }

    /// A replica that waits so long for its responder.
    pub(super) fn impatient(
        store: &Store,
        responder: Arc<Scripted>,
        answer_timeout: Duration,
    ) -> Self {
        let clock = Clock::manual(NOW);
        Self::with(store, responder, clock, Pace::default(), answer_timeout)
    }

    fn with(
        store: &Store,
        responder: Arc<Scripted>,
        clock: Clock,
        pace: Pace,
        answer_timeout: Duration,
    ) -> Self {
        let keyring =
            Arc::new(Keyring::parse("the session secret of the tests 0001").expect("a key"));
        let quiet = if matches!(clock, Clock::System) {
            Duration::from_millis(100)
        } else {
            QUIET
        };
        let services = TurnServices {
            store: store.clone(),
            keyring: Arc::clone(&keyring),
            rules: Arc::new(TurnRules { quiet, ..rules() }),
            responder: Some(responder),
            answer_timeout,
            time_zone: jiff::tz::TimeZone::UTC,
            clock: clock.clone(),
        };
        let registry = Registry::new(keyring).with::<AnswerTurn>(Arc::new(services));
        Self {
            jobs: Jobs::new(store.clone(), registry, pace),
            clock,
        }
    }

    /// Runs one job that is due at this time.
    pub(super) async fn step(&self, now: Timestamp) -> Option<JobOutcome> {
        self.clock.advance(now.since(self.clock.now()));
        self.jobs.step(now).await.expect("a store")
    }

    /// Runs every job that is due at this time.
    pub(super) async fn run_all(&self, now: Timestamp) -> usize {
        let mut count = 0;
        while self.step(now).await.is_some() {
            count += 1;
        }
        count
    }
}

pub(super) fn rules() -> TurnRules {
    TurnRules {
        has_responder: true,
        services: vec!["iMessage".to_owned()],
        quiet: QUIET,
        persona: Persona::new("sage"),
    }
}

/// The texts in one column of a query, in its order.
pub(super) async fn texts(base: &TestStore, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let rows: Result<Vec<(String,)>, _> = match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    };
    rows.expect("texts")
        .into_iter()
        .map(|(text,)| text)
        .collect()
}

/// The times at which the waiting turns are due, in seconds after the start.
pub(super) async fn due_in(base: &TestStore) -> Vec<i64> {
    let sql = "select run_at from jobs where queue = 'turns' order by run_at";
    let rows: Result<Vec<(Timestamp,)>, _> = match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    };
    let rows = rows.expect("times").into_iter();
    rows.map(|(at,)| at.as_secs() - NOW.as_secs()).collect()
}

/// The texts of the assistant, in their order.
pub(super) async fn replies(base: &TestStore) -> Vec<String> {
    let sql = "select text from messages where role = 'assistant' order by created_at, id";
    texts(base, sql).await
}

/// The outcomes of turns, in their order.
pub(super) async fn outcomes(base: &TestStore) -> Vec<String> {
    let sql = "select outcome from turns order by decided_at, number";
    texts(base, sql).await
}

pub(super) async fn unanswered_count(base: &TestStore) -> i64 {
    base.number("select count(*) from unanswered_messages")
        .await
}
