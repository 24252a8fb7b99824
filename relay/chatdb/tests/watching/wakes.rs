//! Waits that a commit, a wake request, a sweep or a sleep of the Mac ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use chatdb::{Wake, WatchTimings};

use super::{MOMENT, Mac, SOON, events_alone, poll_alone, wait_for_row};

#[test]
fn an_event_wakes_long_before_the_poll() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    assert!(watcher.has_events());
    for _ in 0..20 {
        let rowid = mac.commit();
        wait_for_row(&mut watcher, &db, rowid);
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
fn without_events_the_poll_finds_every_commit() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    for _ in 0..20 {
        let rowid = mac.commit();
        wait_for_row(&mut watcher, &db, rowid);
    }
}

#[test]
fn a_commit_between_attaching_and_waiting_ends_the_wait() {
    let mut mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    assert!(db.rows_after(0, 10).unwrap().is_empty());
    let rowid = mac.commit();
    // Reading the row does not keep the change from ending the next wait.
    assert!(db.row(rowid).unwrap().is_some());
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Changed);
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
fn a_steady_stream_of_commits_does_not_delay_the_sweep() {
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

#[test]
fn ten_wake_requests_before_a_wait_end_only_that_wait() {
    let mac = Mac::new();
    let (db, mut watcher) = mac.attached(events_alone());
    let wake_handle = watcher.wake_handle();
    let other = thread::spawn(move || {
        wake_handle.wake();
        wake_handle
    });
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Requested);
    let wake_handle = other.join().unwrap();
    for _ in 0..10 {
        wake_handle.wake();
    }
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Requested);
    assert_eq!(watcher.wait(&db, MOMENT).unwrap(), Wake::Elapsed);
    wake_handle.clone().wake();
    assert_eq!(watcher.pause(SOON), Wake::Requested);
    assert_eq!(watcher.pause(MOMENT), Wake::Elapsed);
}

#[test]
fn sleep_is_noticed_by_the_clock_and_sweeps_at_once() {
    let mac = Mac::new();
    let (db, mut watcher) = mac.attached(poll_alone());
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    let slept = |secs: i64| mac.wall_clock.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    slept(3_600);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    // A clock that is set back does not count as sleep, and the next sleep is measured from there.
    slept(-7_200);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    slept(60);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
    mac.wall_clock.store(i64::MIN, Ordering::SeqCst);
    assert_eq!(watcher.wait(&db, MOMENT * 5).unwrap(), Wake::Elapsed);
    mac.wall_clock.store(i64::MAX, Ordering::SeqCst);
    assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Sweep);
}
