//! The reasons for which a wait of the watcher ends, tested with real files and real file events.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod files;
mod wakes;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chatdb::{ChatDb, Wake, WatchTimings, Watcher};
use messages_stand_in::{ChatDb as StandIn, Date, NewMessage, Style};
use tempfile::TempDir;

/// Longer than any wait in these tests lasts.
const LONG: Duration = Duration::from_mins(1);
/// The longest time for a wake on a busy machine, far below [`LONG`].
const SOON: Duration = Duration::from_secs(10);
/// Much shorter than [`SOON`], and long enough for a few reads.
const MOMENT: Duration = Duration::from_millis(20);

/// A chat.db that Messages writes, and the wall clock that watchers of it read.
struct Mac {
    folder: TempDir,
    messages: StandIn,
    /// Microseconds since 1970.
    wall_clock: Arc<AtomicI64>,
}

impl Mac {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let messages = StandIn::create(folder.path().join("chat.db"), Style::Tahoe).unwrap();
        let wall_clock = Arc::new(AtomicI64::new(1_790_000_000_000_000));
        Self {
            folder,
            messages,
            wall_clock,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("chat.db")
    }

    fn open(&self) -> ChatDb {
        ChatDb::open(&self.path()).unwrap()
    }

    fn watcher(&self, timings: WatchTimings) -> Watcher {
        let clock = Arc::clone(&self.wall_clock);
        Watcher::new(&self.path(), timings, move || clock.load(Ordering::SeqCst))
    }

    /// An open database, and a watcher that is attached to it.
    fn attached(&self, timings: WatchTimings) -> (ChatDb, Watcher) {
        let db = self.open();
        let mut watcher = self.watcher(timings);
        watcher.attach(&db).unwrap();
        (db, watcher)
    }

    fn commit(&mut self) -> i64 {
        commit(&mut self.messages)
    }
}

/// Commits one row, and returns its ROWID.
fn commit(messages: &mut StandIn) -> i64 {
    let message = NewMessage::incoming(0, Date::from_unix_secs(1_790_000_000)).text("hi");
    messages.insert_message(&message).unwrap()
}

/// Timings with which only file events can end a wait within a minute.
fn events_alone() -> WatchTimings {
    WatchTimings {
        poll: LONG,
        sweep: LONG * 60,
        ..WatchTimings::default()
    }
}

/// Timings with which only the poll can end a wait, since events start no burst.
fn poll_alone() -> WatchTimings {
    WatchTimings {
        poll: MOMENT,
        sweep: LONG * 60,
        burst: Vec::new(),
        ..WatchTimings::default()
    }
}

/// Waits until the row can be read. Every wait must end with [`Wake::Changed`], and all of them soon.
fn wait_for_row(watcher: &mut Watcher, db: &ChatDb, rowid: i64) {
    let started = Instant::now();
    loop {
        assert_eq!(
            watcher.wait(db, SOON).unwrap(),
            Wake::Changed,
            "row {rowid}"
        );
        if db.row(rowid).unwrap().is_some() {
            break;
        }
    }
    assert!(started.elapsed() < SOON);
}
