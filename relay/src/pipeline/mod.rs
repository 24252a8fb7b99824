//! Reads chat.db and fills the outbox, on a thread of its own.
//!
//! The thread opens chat.db, reads what is new, decides about each row, and writes the decision and the
//! cursor in one transaction. It knows nothing of the network: it wakes the sender through a callback, and is
//! told the times at which the network was proven to work. An error never ends the
//! thread: it is logged once, by its code, and the work is tried again.

mod candidate;
mod changes;
mod decide;
mod feed;
mod file_identity;
mod filtered;
mod first_chat;
mod freshness;
mod groups;
mod own_addresses;
mod own_sends;
mod post_builder;
mod release;
mod resend;
mod row_guard;
mod sent_state;
#[cfg(test)]
mod tests;
mod twins;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatdb::{ChatDb, OpenError, Options, ReadError, Wake, WatchTimings, Watcher};
use shared_protocol::NewestMessage;

use crate::clock::Clock;
use crate::state::{State, StateError};

pub use chatdb::WakeHandle;
pub use feed::Feed;
pub use post_builder::PostBuilder;
pub use release::{ReleaseAs, ReleaseOutcome, discard, release};

/// Pause after an error of chat.db or of the state, before both are tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often waiting rows are read again while one of them holds back later rows or is held back itself.
const WAITING_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How often a thread whose state is new looks for the backend's answer, before which it reads no message.
const RESUME_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How often the thread looks for a new proof that the network works, when nothing else happens.
const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The settings of the thread, and its connections to other threads.
pub struct PipelineContext {
    pub chat_db: PathBuf,
    /// The messages that the owner wants posted.
    pub options: Options,
    pub post_builder: PostBuilder,
    pub first_run: FirstRun,
    pub resume: Resume,
    pub state: Arc<State>,
    pub clock: Arc<dyn Clock>,
    pub pipeline_handle: Arc<PipelineHandle>,
    /// Receives the newest message that the backend has of this relay, once the backend has answered; `None`
    /// if it has none.
    pub newest: Receiver<Option<NewestMessage>>,
    /// Called when the outbox has new posts.
    pub wake_sender: Box<dyn Fn() + Send>,
    /// Called when bubbles of the ledger have reached other states: the next bubble may go, and acks are to be sent.
    pub wake_ledger: Box<dyn Fn() + Send>,
    pub timings: WatchTimings,
}

/// Which messages from before the first run are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// No message from before the first run is posted.
    Now,
    /// Messages of this span before the first run are posted as backfill.
    Since(Duration),
}

/// Whether a relay whose state is new first waits for the backend to say which messages of it there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The relay reads on after the newest message that the backend has of it.
    AskBackend,
    /// The relay counts as new. The backend cannot be asked, since the old protocol has no pull.
    Never,
}

/// The handle by which other threads stop the pipeline, tell it when the network was proven to work, and see
/// whether it works.
#[derive(Debug, Default)]
pub struct PipelineHandle {
    is_stopping: AtomicBool,
    last_contact: AtomicI64,
    last_good_scan: AtomicI64,
    trouble: Mutex<Option<&'static str>>,
    lines_are_loaded: AtomicBool,
}

impl PipelineHandle {
    /// Notes that the network was proven to work at `at`, microseconds since 1970.
    pub fn note_contact(&self, at: i64) {
        self.last_contact.store(at, Ordering::Relaxed);
    }

    /// When chat.db was last read without an error, microseconds since 1970; `None` before the first time.
    pub fn last_good_scan(&self) -> Option<i64> {
        Some(self.last_good_scan.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Code of the error that keeps the pipeline from reading, if there is one.
    pub fn trouble(&self) -> Option<&'static str> {
        *self.lock_trouble()
    }

    /// Whether the state has the owner's lines of this run. It has them once this run has opened chat.db.
    pub fn lines_are_loaded(&self) -> bool {
        self.lines_are_loaded.load(Ordering::Relaxed)
    }

    /// Asks the thread to end. Wake the thread with a [`WakeHandle`] afterwards.
    pub fn ask_to_stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    fn note_scan(&self, at: i64) {
        self.last_good_scan.store(at, Ordering::Relaxed);
    }

    /// Notes that the state has the owner's lines of this run.
    pub fn note_lines_loaded(&self) {
        self.lines_are_loaded.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// The last time given to [`note_contact`](Self::note_contact), at the first call since then.
    fn take_contact(&self) -> Option<i64> {
        Some(self.last_contact.swap(0, Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Replaces the code that [`trouble`](Self::trouble) returns, and returns the earlier one.
    fn set_trouble(&self, code: Option<&'static str>) -> Option<&'static str> {
        std::mem::replace(&mut self.lock_trouble(), code)
    }

    fn lock_trouble(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error that keeps the pipeline from reading.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// Prepares the thread and opens nothing.
    pub fn new(context: PipelineContext) -> Self {
        let clock = Arc::clone(&context.clock);
        let watcher = Watcher::new(&context.chat_db, context.timings.clone(), move || {
            clock.now().as_micros()
        });
        Self { context, watcher }
    }

    /// A handle that wakes the thread, so that it stops or reads again.
    pub fn wake_handle(&self) -> WakeHandle {
        self.watcher.wake_handle()
    }

    /// Reads until it is asked to stop.
    pub fn run(mut self) {
        while !self.context.pipeline_handle.is_stopping() {
            let Err(error) = self.follow() else { continue };
            let code = error.code();
            // An error is logged when it first occurs and not at every try, since it may last for days.
            if self.context.pipeline_handle.set_trouble(Some(code)) != Some(code) {
                let error = anyhow::Error::new(error);
                tracing::error!(
                    code,
                    error = %format_args!("{error:#}"),
                    "cannot relay; trying again every second"
                );
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
            let longest_wait = feed.step(&db, wake)?;
            if self.context.pipeline_handle.set_trouble(None).is_some() {
                tracing::info!("chat.db is read again");
            }
            if self.context.pipeline_handle.is_stopping() {
                return Ok(());
            }
            wake = self.watcher.wait(&db, longest_wait)?;
            if wake == Wake::Replaced {
                tracing::warn!("another file lies at the path of chat.db; opening it");
                return Ok(());
            }
        }
    }
}
