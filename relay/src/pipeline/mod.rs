//! From chat.db to the outbox: the thread that reads.
//!
//! It opens chat.db and waits where it cannot, reads what is new, decides about each row, and writes
//! the decision and the cursor in one transaction. It knows the reader and the state, and nothing of
//! the network: the sender is woken through a callback, and proofs of contact come in as instants.
//! An error never ends the thread; it is reported once, by its code, and tried again.

mod arrival;
mod binding;
mod candidate;
mod changes;
mod feed;
mod filtered;
mod groups;
mod held;
mod origin;
mod own_addresses;
mod post;
mod row_guard;
mod settle;
#[cfg(test)]
mod tests;
mod twins;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use chatdb::{ChatDb, OpenError, Options, ReadError, Wake, WatchTimings, Watcher};
use shared_protocol::NewestMessage;

use crate::clock::Clock;
use crate::state::{State, StateError};

pub use feed::Feed;

pub use chatdb::Nudge;
pub use held::{ReleaseAs, Released, give_up, release};
pub use post::Postmark;

/// Pause before a database that cannot be opened or read is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often chat.db is looked at while a young row is incomplete.
const WAITING_LOOK: Duration = Duration::from_millis(50);
/// How often it is asked whether the backend has said where this relay's messages end.
const RESUME_LOOK: Duration = Duration::from_millis(50);
/// How often contact with the network is written down when nothing happens.
const IDLE_LOOK: Duration = Duration::from_secs(5);

/// What the thread is given.
pub struct PipelineContext {
    /// Messages' database.
    pub chat_db: PathBuf,
    /// What the owner wants relayed.
    pub options: Options,
    /// What this relay writes on every message.
    pub postmark: Postmark,
    /// How far back the first run goes.
    pub first_run: FirstRun,
    /// Whether the backend can say where this relay's messages end.
    pub resume: Resume,
    /// The relay's own state.
    pub state: Arc<State>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What the others see of this thread.
    pub health: Arc<PipelineHealth>,
    /// Where the backend says that this relay's messages end, once it was asked.
    pub newest: Receiver<Option<NewestMessage>>,
    /// Called when the outbox has something new.
    pub wake_sender: Box<dyn Fn() + Send>,
    /// Intervals.
    pub timings: WatchTimings,
}

/// How far back the first run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// From now on.
    Now,
    /// Messages of this last while are forwarded too, as old ones.
    Since(Duration),
}

/// Whether an empty state may turn out to be a lost one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The backend is asked for the newest message that it has.
    AskBackend,
    /// It cannot be asked (the old protocol has no pull).
    Never,
}

/// What other threads see of the pipeline and tell it.
#[derive(Debug, Default)]
pub struct PipelineHealth {
    stop: AtomicBool,
    last_contact: AtomicI64,
    last_good_scan: AtomicI64,
    trouble: std::sync::Mutex<Option<&'static str>>,
    knows_lines: AtomicBool,
}

impl PipelineHealth {
    /// The network was proven at `at`, microseconds since 1970.
    pub fn contact(&self, at: i64) {
        self.last_contact.store(at, Ordering::Relaxed);
    }

    /// When chat.db was last read without an error, microseconds since 1970; none yet.
    pub fn last_good_scan(&self) -> Option<i64> {
        Some(self.last_good_scan.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Code of what keeps the pipeline from reading, if anything.
    pub fn trouble(&self) -> Option<&'static str> {
        *self
            .trouble
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether the state has the owner's lines as they are now: chat.db was opened in this run.
    pub fn knows_lines(&self) -> bool {
        self.knows_lines.load(Ordering::Relaxed)
    }

    /// Asks the thread to end; follow with a nudge.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn scanned(&self, at: i64) {
        self.last_good_scan.store(at, Ordering::Relaxed);
    }

    /// The state has the owner's lines as they are in this run.
    pub fn lines_are_known(&self) {
        self.knows_lines.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn take_contact(&self) -> Option<i64> {
        Some(self.last_contact.swap(0, Ordering::Relaxed)).filter(|at| *at > 0)
    }

    fn set_trouble(&self, code: Option<&'static str>) -> Option<&'static str> {
        let mut trouble = self
            .trouble
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::replace(&mut trouble, code)
    }
}

/// What keeps the pipeline from going on.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// chat.db cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// chat.db cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The relay's own state cannot be written or read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl PipelineError {
    fn code(&self) -> &'static str {
        match self {
            Self::Open(error) => error.code(),
            Self::Read(ReadError::Busy(_)) => "chat_db_busy",
            Self::Read(ReadError::Lost(_)) => "chat_db_unreadable",
            Self::State(error) => error.code(),
        }
    }
}

/// The reading thread.
pub struct Pipeline {
    context: PipelineContext,
    watcher: Watcher,
}

impl Pipeline {
    /// Prepares the thread; nothing is opened yet.
    pub fn new(context: PipelineContext) -> Self {
        let clock = Arc::clone(&context.clock);
        let watcher = Watcher::new(&context.chat_db, context.timings.clone(), move || {
            clock.now().as_micros()
        });
        Self { context, watcher }
    }

    /// A handle that wakes the thread, to have it stop or look again.
    pub fn nudge(&self) -> Nudge {
        self.watcher.nudge()
    }

    /// Reads until it is asked to stop.
    pub fn run(mut self) {
        while !self.context.health.is_stopping() {
            let Err(error) = self.follow() else { continue };
            let code = error.code();
            // Said once when it begins, not at every try: it may last for days.
            if self.context.health.set_trouble(Some(code)) != Some(code) {
                tracing::error!(code, error = %Chain(&error), "cannot relay; trying again every second");
            }
            self.watcher.pause(RETRY);
        }
    }

    /// Opens chat.db and reads from it until another file takes its place or a read fails.
    fn follow(&mut self) -> Result<(), PipelineError> {
        let db = ChatDb::open(&self.context.chat_db)?;
        self.watcher.attach(&db)?;
        let mut feed = Feed::bind(&self.context, &db)?;
        let mut wake = Wake::Changed;
        loop {
            let next_look = feed.step(&db, wake)?;
            if self.context.health.set_trouble(None).is_some() {
                tracing::info!("chat.db is read again");
            }
            if self.context.health.is_stopping() {
                return Ok(());
            }
            wake = self.watcher.wait(&db, next_look)?;
            if wake == Wake::Replaced {
                tracing::warn!("another file lies at the path of chat.db; opening it");
                return Ok(());
            }
        }
    }
}

/// An error with its causes on one line.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
