//! Says when chat.db has something new.
//!
//! The guarantee is a poll: `PRAGMA data_version` on the held connection, four times a second, which
//! no rotation, dropped event or sleeping Mac can silence. File events on `chat.db-wal` only make it
//! faster. An event comes *before* the commit is visible, so it starts a short burst of probes
//! instead of one look. Now and then, and at once after the Mac slept, everything is swept whether
//! something seemed to happen or not.

mod bell;
mod events;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::files::{FileId, Files, companion};
use crate::{ChatDb, ReadError};
use bell::{Bell, Signal};
use events::FileEvents;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Another process committed.
    Changed,
    /// Time to look at everything: a minute has passed, or the Mac slept.
    Sweep,
    /// Another file lies at the path of chat.db or of its WAL; the open one gets no news any more.
    Replaced,
    /// [`Nudge::nudge`] was called.
    Nudged,
    /// The patience given to [`Watcher::wait`] is over.
    Elapsed,
}

/// Intervals of the watcher.
#[derive(Clone, Debug)]
pub struct WatchTimings {
    /// Between two looks at `data_version` without an event.
    pub poll: Duration,
    /// Between two sweeps.
    pub sweep: Duration,
    /// Pauses before the probes that follow an event.
    pub burst: Vec<Duration>,
    /// A clock that ran this much further than the process did tells of sleep.
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
pub struct Nudge(Arc<Bell>);

impl Nudge {
    /// Ends the current wait, or the next one. Several before that end one.
    pub fn nudge(&self) {
        self.0.ring(Signal::Nudge);
    }
}

/// A burst of probes under way. It goes on from one wait to the next: the commit that an event told of
/// may become visible after another one has been read.
#[derive(Clone, Copy, Debug)]
struct Burst {
    step: usize,
    due: Instant,
}

impl Burst {
    fn begin(pauses: &[Duration]) -> Option<Self> {
        let pause = pauses.first()?;
        Some(Self {
            step: 0,
            due: Instant::now() + *pause,
        })
    }

    /// The probe that is due is made now; what follows it.
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

/// Watches one chat.db for a thread of its own.
pub struct Watcher {
    chat_db: PathBuf,
    wal: PathBuf,
    timings: WatchTimings,
    signals: Receiver<Signal>,
    bell: Arc<Bell>,
    events: Option<FileEvents>,
    /// The WAL file that `events` is bound to.
    armed: Option<FileId>,
    /// What the open database is bound to.
    opened: Files,
    version: Option<i64>,
    burst: Option<Burst>,
    last_sweep: Instant,
    last_look: (Instant, i64),
    /// The wall clock, microseconds since 1970.
    wall_clock: Box<dyn Fn() -> i64 + Send>,
}

impl Watcher {
    /// A watcher of the database at `chat_db`, which need not exist yet. `wall_clock` gives
    /// microseconds since 1970.
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
            bell: Arc::new(Bell::new(sender)),
            events: None,
            armed: None,
            opened: Files::default(),
            version: None,
            burst: None,
            last_sweep: now.0,
            last_look: now,
            wall_clock: Box::new(wall_clock),
        }
    }

    /// A handle that ends a wait.
    pub fn nudge(&self) -> Nudge {
        Nudge(Arc::clone(&self.bell))
    }

    /// Binds the watcher to a database that was just opened. Call it before the first read: what is
    /// committed after it ends the next wait.
    pub fn attach(&mut self, db: &ChatDb) -> Result<(), ReadError> {
        self.version = Some(db.data_version()?);
        let files = Files::at(&self.chat_db);
        // The first read has made the companions if there were none when chat.db was opened.
        self.opened = db.files().or(files);
        self.arm(files.wal);
        Ok(())
    }

    /// Whether file events arrive; without them the poll alone serves.
    pub fn has_events(&self) -> bool {
        self.events.is_some()
    }

    /// Waits for something new, at most for `patience`. A failed read leaves the decision to the
    /// caller, who opens the database again.
    pub fn wait(&mut self, db: &ChatDb, patience: Duration) -> Result<Wake, ReadError> {
        let deadline = Instant::now() + patience;
        loop {
            // Before waiting, not only after a quiet one: a steady stream of events must not keep a
            // replaced file or the sweep from being noticed.
            if self.last_look.0.elapsed() >= self.timings.poll
                && let Some(wake) = self.look_around()
            {
                return Ok(wake);
            }
            let now = Instant::now();
            let pause = self.burst.map_or(self.timings.poll, |burst| {
                burst.due.saturating_duration_since(now)
            });
            let left = deadline.saturating_duration_since(now);
            match self.heard(pause.min(left)) {
                Ok(Signal::Nudge) => return Ok(Wake::Nudged),
                // Every event begins the burst anew: this one may belong to the next commit.
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
                // `self.bell` keeps the channel open.
                Err(RecvTimeoutError::Disconnected) => return Ok(Wake::Elapsed),
            }
        }
    }

    /// Waits while there is no database to look at; [`Wake::Nudged`] or [`Wake::Elapsed`].
    pub fn pause(&mut self, patience: Duration) -> Wake {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard(left) {
                Ok(Signal::Nudge) => return Wake::Nudged,
                Ok(Signal::File) => {}
                Err(_) => return Wake::Elapsed,
            }
        }
    }

    fn heard(&self, patience: Duration) -> Result<Signal, RecvTimeoutError> {
        let signal = self.signals.recv_timeout(patience)?;
        self.bell.heard(signal);
        Ok(signal)
    }

    fn version_changed(&mut self, db: &ChatDb) -> Result<bool, ReadError> {
        let version = Some(db.data_version()?);
        let changed = version != self.version;
        self.version = version;
        Ok(changed)
    }

    /// What the poll checks beside the version: that the open file is still the one at the path, that
    /// the events come from today's WAL, that nothing was slept through.
    fn look_around(&mut self) -> Option<Wake> {
        let files = Files::at(&self.chat_db);
        if self.opened.cut_off_by(&files) {
            return Some(Wake::Replaced);
        }
        let look = (Instant::now(), (self.wall_clock)());
        let ran = look.0.duration_since(self.last_look.0);
        let passed = look.1.saturating_sub(self.last_look.1);
        let passed = Duration::from_micros(u64::try_from(passed).unwrap_or(0));
        self.last_look = look;
        let slept = passed > ran + self.timings.slept;
        let sweep = slept || look.0.duration_since(self.last_sweep) >= self.timings.sweep;
        // A system that gives no watch is asked again at the sweep, not four times a second.
        if files.wal != self.armed || (sweep && self.events.is_none()) {
            self.arm(files.wal);
        }
        if sweep {
            self.last_sweep = look.0;
            return Some(Wake::Sweep);
        }
        None
    }

    /// Binds the file events to the WAL that exists now, if any. A watch stays with its inode.
    fn arm(&mut self, wal: Option<FileId>) {
        self.events = wal.and_then(|_| {
            let bell = Arc::clone(&self.bell);
            FileEvents::watch(&self.wal, move || bell.ring(Signal::File))
        });
        self.armed = wal;
    }
}
