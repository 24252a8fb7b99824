//! Waits until chat.db may have new or changed rows.
//!
//! A poll reads `PRAGMA data_version` on the open connection four times a second. It notices every commit, in spite
//! of WAL rotation, lost events and sleep. File events on `chat.db-wal` only shorten the wait. An event comes
//! *before* the commit is visible, so an event starts a burst: several reads of the version in quick succession.
//! Once a minute, and after the Mac slept, the wait ends with [`Wake::Sweep`], so that the caller reads everything.

mod events;
mod signal_queue;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::files::{FileId, Files, companion};
use crate::{ChatDb, ReadError};
use events::FileEvents;
use signal_queue::{Signal, SignalQueue};

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Another process committed.
    Changed,
    /// The caller should read everything: a minute has passed since the last sweep, or the Mac slept.
    Sweep,
    /// Another file is at the path of chat.db or of its WAL. The open file gets no new rows any more.
    Replaced,
    /// [`WakeHandle::wake`] was called.
    Requested,
    /// The time given to [`Watcher::wait`] is over.
    Elapsed,
}

/// Intervals of the watcher.
#[derive(Clone, Debug)]
pub struct WatchTimings {
    /// Time between two reads of `data_version` without an event.
    pub poll: Duration,
    /// Time between two sweeps.
    pub sweep: Duration,
    /// The pause before each read of `data_version` in a burst.
    pub burst: Vec<Duration>,
    /// The Mac counts as having slept if the wall clock advanced this much more than the process's clock.
    pub slept: Duration,
}

impl Default for WatchTimings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            sweep: Duration::from_mins(1),
            burst: [0, 1, 2, 4, 8, 16, 32].map(Duration::from_millis).to_vec(),
            slept: Duration::from_secs(5),
        }
    }
}

/// Ends a [`Watcher`]'s wait from another thread.
#[derive(Clone, Debug)]
pub struct WakeHandle(Arc<SignalQueue>);

impl WakeHandle {
    /// Ends the current wait, or the next one. Several calls before a wait end only one.
    pub fn wake(&self) {
        self.0.send(Signal::WakeRequest);
    }
}

/// Reads of `data_version` in quick succession after an event. A burst continues in the next wait, since
/// the commit that caused the event may become visible after another commit was read.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// The index of the next read in [`WatchTimings::burst`].
    step: usize,
    /// When the next read is due.
    due: Instant,
}

impl Burst {
    /// A burst that begins now; `None` if `pauses` is empty.
    fn begin(pauses: &[Duration]) -> Option<Self> {
        let pause = pauses.first()?;
        Some(Self {
            step: 0,
            due: Instant::now() + *pause,
        })
    }

    /// The rest of the burst: all of it if no read is due yet, else what remains after the read that is due now.
    fn next(self, pauses: &[Duration]) -> Option<Self> {
        let now = Instant::now();
        if now < self.due {
            return Some(self);
        }
        let step = self.step + 1;
        pauses.get(step).map(|pause| Self {
            step,
            due: now + *pause,
        })
    }
}

/// Watches one chat.db. Each thread that waits has a watcher of its own.
pub struct Watcher {
    chat_db: PathBuf,
    wal: PathBuf,
    timings: WatchTimings,
    signals: Receiver<Signal>,
    signal_queue: Arc<SignalQueue>,
    events: Option<FileEvents>,
    /// The WAL file that `events` watches.
    watched_wal: Option<FileId>,
    /// The files to which the open database is bound.
    opened: Files,
    /// `PRAGMA data_version` when it was last read; `None` before the first database is attached.
    version: Option<i64>,
    burst: Option<Burst>,
    last_sweep: Instant,
    /// When the files were last checked, by the process's clock and by the wall clock.
    last_check: (Instant, i64),
    /// The wall clock, in microseconds since 1970.
    wall_clock: Box<dyn Fn() -> i64 + Send>,
}

impl Watcher {
    /// A watcher of the database at `chat_db`, which need not exist yet. `wall_clock` gives microseconds since 1970.
    pub fn new(
        chat_db: &Path,
        timings: WatchTimings,
        wall_clock: impl Fn() -> i64 + Send + 'static,
    ) -> Self {
        let (sender, signals) = mpsc::channel();
        let now = (Instant::now(), wall_clock());
        Self {
            chat_db: chat_db.to_owned(),
            wal: companion(chat_db, "-wal"),
            timings,
            signals,
            signal_queue: Arc::new(SignalQueue::new(sender)),
            events: None,
            watched_wal: None,
            opened: Files::default(),
            version: None,
            burst: None,
            last_sweep: now.0,
            last_check: now,
            wall_clock: Box::new(wall_clock),
        }
    }

    /// A handle that ends a wait.
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle(Arc::clone(&self.signal_queue))
    }

    /// Lets the watcher watch a database that was just opened. Call this before the first read of the database, so that
    /// a commit after that read ends the next wait.
    pub fn attach(&mut self, db: &ChatDb) -> Result<(), ReadError> {
        self.version = Some(db.data_version()?);
        let files = Files::at(&self.chat_db);
        // If chat.db had no companion files when it was opened, the first read has created them.
        self.opened = db.files().with_new_companions(files);
        self.watch_wal(files.wal);
        Ok(())
    }

    /// Whether the WAL is watched for events. Without events the watcher relies on its poll alone.
    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    /// Waits for a commit or another reason to read, at most for `timeout`. After a failed read the caller
    /// has to open the database again.
    pub fn wait(&mut self, db: &ChatDb, timeout: Duration) -> Result<Wake, ReadError> {
        let deadline = Instant::now() + timeout;
        loop {
            // The files are checked here and not only after a quiet pause, so that a steady stream of events
            // cannot delay the sweep or hide a replaced file.
            if self.last_check.0.elapsed() >= self.timings.poll
                && let Some(wake) = self.check_files()
            {
                return Ok(wake);
            }
            let now = Instant::now();
            let pause = self.burst.map_or(self.timings.poll, |burst| {
                burst.due.saturating_duration_since(now)
            });
            let remaining = deadline.saturating_duration_since(now);
            match self.next_signal(pause.min(remaining)) {
                Ok(Signal::WakeRequest) => return Ok(Wake::Requested),
                // Every event restarts the burst, since the event may belong to the next commit.
                Ok(Signal::File) => self.burst = Burst::begin(&self.timings.burst),
                Err(RecvTimeoutError::Timeout) => {
                    self.burst = self.burst.and_then(|burst| burst.next(&self.timings.burst));
                    if self.version_changed(db)? {
                        return Ok(Wake::Changed);
                    }
                    if Instant::now() >= deadline {
                        return Ok(Wake::Elapsed);
                    }
                }
                // `self.signal_queue` keeps the channel open.
                Err(RecvTimeoutError::Disconnected) => return Ok(Wake::Elapsed),
            }
        }
    }

    /// Waits while no database is open; returns [`Wake::Requested`] or [`Wake::Elapsed`].
    pub fn pause(&mut self, timeout: Duration) -> Wake {
        let deadline = Instant::now() + timeout;
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            match self.next_signal(remaining) {
                Ok(Signal::WakeRequest) => return Wake::Requested,
                Ok(Signal::File) => {}
                Err(_) => return Wake::Elapsed,
            }
        }
    }

    /// The next signal, or an error if none comes within `timeout`.
    fn next_signal(&self, timeout: Duration) -> Result<Signal, RecvTimeoutError> {
        let signal = self.signals.recv_timeout(timeout)?;
        self.signal_queue.mark_received(signal);
        Ok(signal)
    }

    /// Reads `data_version`, and returns whether it differs from the last one that was read.
    fn version_changed(&mut self, db: &ChatDb) -> Result<bool, ReadError> {
        let version = Some(db.data_version()?);
        let changed = version != self.version;
        self.version = version;
        Ok(changed)
    }

    /// Checks whether the open files are still the ones at the paths, whether the current WAL is the watched one, and
    /// whether a sweep is due. `data_version` shows none of these.
    fn check_files(&mut self) -> Option<Wake> {
        let files = Files::at(&self.chat_db);
        if self.opened.is_cut_off_by(&files) {
            return Some(Wake::Replaced);
        }
        let check = (Instant::now(), (self.wall_clock)());
        let process_time = check.0.duration_since(self.last_check.0);
        let wall_time = check.1.saturating_sub(self.last_check.1);
        let wall_time = Duration::from_micros(u64::try_from(wall_time).unwrap_or(0));
        self.last_check = check;
        let slept = wall_time > process_time + self.timings.slept;
        let sweep = slept || check.0.duration_since(self.last_sweep) >= self.timings.sweep;
        // If the system refused a watch, the next attempt is at the sweep and not four times a second.
        if files.wal != self.watched_wal || (sweep && self.events.is_none()) {
            self.watch_wal(files.wal);
        }
        if sweep {
            self.last_sweep = check.0;
            return Some(Wake::Sweep);
        }
        None
    }

    /// Begins to watch the WAL that exists now, if there is one. A watch belongs to an inode, so each new WAL needs its
    /// own.
    fn watch_wal(&mut self, wal: Option<FileId>) {
        self.events = wal.and_then(|_| {
            let signal_queue = Arc::clone(&self.signal_queue);
            FileEvents::watch(&self.wal, move || signal_queue.send(Signal::File))
        });
        self.watched_wal = wal;
    }
}
