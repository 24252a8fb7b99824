//! When the watcher wakes: real files, real events, no pauses but the waits under test.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chatdb::{ChatDb, Wake, WatchTimings, Watcher};
use messages_stand_in::{ChatDb as StandIn, Date, NewMessage, Style, WalRotation};
use tempfile::TempDir;

/// No wait of a test ends by this, unless the test is about that.
const LONG: Duration = Duration::from_secs(60);
/// What a wake may take on a busy machine; far below [`LONG`].
const SOON: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(20);

struct Mac {
    folder: TempDir,
    messages: StandIn,
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

    fn attached(&self, timings: WatchTimings) -> (ChatDb, Watcher) {
        let db = self.open();
        let mut watcher = self.watcher(timings);
        watcher.attach(&db).unwrap();
        (db, watcher)
    }

    /// One commit.
    fn commit(&mut self) -> i64 {
        commit(&mut self.messages)
    }
}

fn commit(messages: &mut StandIn) -> i64 {
    let message = NewMessage::incoming(0, Date::from_unix_secs(1_790_000_000)).text("hi");
    messages.insert_message(&message).unwrap()
}

/// Only file events can explain a wake before a minute is over.
fn events_alone() -> WatchTimings {
    WatchTimings {
        poll: LONG,
        sweep: LONG * 60,
        ..WatchTimings::default()
    }
}

/// Events start no probes, as if none came.
fn poll_alone() -> WatchTimings {
    WatchTimings {
        poll: MOMENT,
        sweep: LONG * 60,
        burst: Vec::new(),
        ..WatchTimings::default()
    }
}

/// Waits until the row can be read, by nothing but changes.
fn sees(watcher: &mut Watcher, db: &ChatDb, rowid: i64) {
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

#[test]
fn a_commit_wakes_long_before_the_poll() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    assert!(watcher.has_events());
    for _ in 0..20 {
        let rowid = mac.commit();
        sees(&mut watcher, &db, rowid);
    }
}

#[test]
fn a_commit_during_the_wait_wakes() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    let writer = thread::spawn(move || {
        let rowids: Vec<i64> = (0..20).map(|_| mac.commit()).collect();
        (mac, rowids)
    });
    let mut newest = 0;
    while newest < 20 {
        assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Changed);
        newest = db.sequence().unwrap();
    }
    let (_mac, rowids) = writer.join().unwrap();
    assert_eq!(rowids.last(), Some(&newest));
}

#[test]
fn without_events_the_poll_finds_it() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    for _ in 0..20 {
        let rowid = mac.commit();
        sees(&mut watcher, &db, rowid);
    }
}

#[test]
fn what_is_committed_between_attaching_and_waiting_is_not_missed() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    assert!(db.rows_after(0, 10).unwrap().is_empty());
    let rowid = mac.commit();
    // Reading the row does not use up the change.
    assert!(db.row(rowid).unwrap().is_some());
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Changed);
}

#[test]
fn a_hundred_rotations_do_not_deafen_it() {
    let mut mac = Mac::new();
    let (mut db, mut watcher) = mac.attached(events_alone());
    for rotation in 0..100 {
        if rotation % 2 == 0 {
            // The writer is killed and started again; an open reader keeps the WAL in place.
            assert_eq!(mac.messages.rotate_wal().unwrap(), WalRotation::HeldOpen);
        } else {
            drop(db);
            assert_eq!(mac.messages.rotate_wal().unwrap(), WalRotation::NewFile);
            db = mac.open();
            watcher.attach(&db).unwrap();
        }
        let rowid = mac.commit();
        sees(&mut watcher, &db, rowid);
    }
    assert_eq!(db.rows_after(0, 500).unwrap().len(), 100);
}

#[test]
fn a_wal_of_another_database_mode_is_taken_up() {
    let mut mac = Mac::new();
    let mode = "pragma journal_mode = delete";
    mac.messages.raw().execute_batch(mode).unwrap();
    let (db, mut watcher) = mac.attached(WatchTimings {
        burst: WatchTimings::default().burst,
        ..poll_alone()
    });
    assert!(!watcher.has_events(), "there is no WAL to watch");
    let rowid = mac.commit();
    sees(&mut watcher, &db, rowid);
    let mode = "pragma journal_mode = wal";
    mac.messages.raw().execute_batch(mode).unwrap();
    let rowid = mac.commit();
    sees(&mut watcher, &db, rowid);
    let deadline = Instant::now() + SOON;
    while !watcher.has_events() && Instant::now() < deadline {
        watcher.wait(&db, MOMENT).unwrap();
    }
    assert!(watcher.has_events());
}

#[test]
fn a_replaced_file_is_noticed() {
    let mut mac = Mac::new();
    let other = mac.folder.path().join("restored.db");
    drop(StandIn::create(&other, Style::Tahoe).unwrap());
    let (db, mut watcher) = mac.attached(poll_alone());
    mac.messages.replace_with(&other).unwrap();
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Replaced);
    drop(db);
    let db = mac.open();
    watcher.attach(&db).unwrap();
    let rowid = mac.commit();
    sees(&mut watcher, &db, rowid);
}

#[test]
fn a_file_replaced_before_attaching_is_noticed() {
    let mut mac = Mac::new();
    let other = mac.folder.path().join("restored.db");
    drop(StandIn::create(&other, Style::Tahoe).unwrap());
    let db = mac.open();
    mac.messages.replace_with(&other).unwrap();
    let mut watcher = mac.watcher(poll_alone());
    watcher.attach(&db).unwrap();
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Replaced);
}

#[test]
fn a_missing_file_or_companion_cuts_the_connection_off() {
    // What a connection has opened it keeps: others would go on with new files, unheard.
    for gone in ["chat.db", "chat.db-wal", "chat.db-shm"] {
        let mac = Mac::new();
        let (db, mut watcher) = mac.attached(poll_alone());
        fs::remove_file(mac.folder.path().join(gone)).unwrap();
        assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Replaced, "{gone}");
    }
}

#[test]
fn a_nudge_ends_the_wait_and_ten_end_one() {
    let mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    let nudge = watcher.nudge();
    let other = thread::spawn(move || {
        nudge.nudge();
        nudge
    });
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Nudged);
    let nudge = other.join().unwrap();
    for _ in 0..10 {
        nudge.nudge();
    }
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Nudged);
    assert_eq!(watcher.wait(&db, MOMENT).unwrap(), Wake::Elapsed);
    nudge.clone().nudge();
    assert_eq!(watcher.pause(SOON), Wake::Nudged);
    assert_eq!(watcher.pause(MOMENT), Wake::Elapsed);
}

#[test]
fn sleep_is_told_by_the_clock_and_sweeps_at_once() {
    let mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    let slept = |secs: i64| mac.wall_clock.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    slept(3_600);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    // A clock set back is no sleep, and the next sleep counts from there.
    slept(-7_200);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    slept(60);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
    mac.wall_clock.store(i64::MIN, Ordering::SeqCst);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    mac.wall_clock.store(i64::MAX, Ordering::SeqCst);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
}

#[test]
fn a_burst_of_commits_is_one_wake() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    for _ in 0..200 {
        mac.commit();
    }
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Changed);
    assert_eq!(db.rows_after(0, 500).unwrap().len(), 200);
    assert_eq!(watcher.wait(&db, MOMENT * 10).unwrap(), Wake::Elapsed);
}

#[test]
fn a_steady_stream_of_commits_does_not_keep_the_sweep_from_coming() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(WatchTimings {
        poll: MOMENT,
        sweep: MOMENT * 5,
        ..WatchTimings::default()
    });
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let writer = thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            mac.commit();
        }
        mac
    });
    let deadline = Instant::now() + SOON;
    let mut sweeps = 0;
    while sweeps < 3 && Instant::now() < deadline {
        sweeps += u32::from(watcher.wait(&db, SOON).unwrap() == Wake::Sweep);
    }
    done.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert_eq!(sweeps, 3);
}
