//! The watcher while chat.db and its companion files are rotated, replaced and removed.

use std::fs;
use std::time::Instant;

use chatdb::{Wake, WatchTimings};
use messages_stand_in::{ChatDb as StandIn, Style, WalRotation};

use super::{MOMENT, Mac, SOON, events_alone, poll_alone, wait_for_row};

#[test]
fn no_commit_is_missed_in_a_hundred_rotations_of_the_wal() {
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
        wait_for_row(&mut watcher, &db, rowid);
    }
    assert_eq!(db.rows_after(0, 500).unwrap().len(), 100);
}

#[test]
fn a_wal_that_appears_after_opening_is_watched() {
    let mut mac = Mac::new();
    let mode = "pragma journal_mode = delete";
    mac.messages.raw().execute_batch(mode).unwrap();
    let (db, mut watcher) = mac.attached(WatchTimings {
        burst: WatchTimings::default().burst,
        ..poll_alone()
    });
    assert!(!watcher.has_events(), "there is no WAL to watch");
    let rowid = mac.commit();
    wait_for_row(&mut watcher, &db, rowid);
    let mode = "pragma journal_mode = wal";
    mac.messages.raw().execute_batch(mode).unwrap();
    let rowid = mac.commit();
    wait_for_row(&mut watcher, &db, rowid);
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
    wait_for_row(&mut watcher, &db, rowid);
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
    // A connection keeps the files that it has opened. Other programs would use the new files, and the
    // watcher would see none of their commits.
    for gone in ["chat.db", "chat.db-wal", "chat.db-shm"] {
        let mac = Mac::new();
        let (db, mut watcher) = mac.attached(poll_alone());
        fs::remove_file(mac.folder.path().join(gone)).unwrap();
        assert_eq!(watcher.wait(&db, SOON).unwrap(), Wake::Replaced, "{gone}");
    }
}
