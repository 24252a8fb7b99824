//! The state's file: it is opened and locked; it is newer, damaged or foreign; its disk is full.

use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write_file(dir: &Path, bytes: &[u8]) {
    std::fs::write(dir.join(STATE_FILE), bytes).expect("written");
}

#[test]
fn only_the_owner_can_read_the_state() {
    let parent = folder();
    let dir = parent.path().join("deep/state");
    let _state = State::open(&dir, NOW).expect("a new state");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in [STATE_FILE, "relay.lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_committed_write_survives_a_restart_and_a_failed_one_writes_nothing() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    let failed: Result<(), _> = state.write(|tx| {
        meta::set(tx, "half", "done")?;
        Err(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(failed.is_err());
    state
        .write(|tx| meta::set(tx, "whole", "done"))
        .expect("written");
    drop(state);
    let state = State::open(dir.path(), NOW.plus(Duration::from_secs(9))).expect("the same state");
    let read = |key| state.read(|c| meta::get(c, key)).expect("read");
    assert_eq!(read("half"), None);
    assert_eq!(read("whole").as_deref(), Some("done"));
    assert_eq!(read(meta::CREATED_AT), Some(NOW.as_micros().to_string()));
}

#[test]
fn a_second_relay_is_refused_and_commands_are_not() {
    let dir = folder();
    assert!(!State::relay_runs(dir.path()));
    let state = State::open(dir.path(), NOW).expect("a new state");
    assert!(State::relay_runs(dir.path()));
    let second = State::open(dir.path(), NOW).err().expect("refused");
    assert!(matches!(second, StateError::InUse { .. }));
    assert!(second.to_string().contains("--state-dir"), "{second}");
    let beside = State::open_beside(dir.path()).expect("beside it");
    let before = state.data_version().expect("read");
    beside
        .write(|tx| meta::set(tx, "by", "owner"))
        .expect("written");
    assert_ne!(
        state.data_version().expect("read"),
        before,
        "the relay notices"
    );
    drop((state, beside));
    assert!(
        State::open(dir.path(), NOW).is_ok(),
        "the lock ends with the state that holds it"
    );
}

#[test]
fn a_command_creates_no_state() {
    let dir = folder();
    let error = State::open_beside(dir.path()).err().expect("refused");
    assert!(matches!(error, StateError::Missing { .. }));
    assert!(!dir.path().join(STATE_FILE).exists());
}

#[test]
fn a_newer_state_is_refused() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    state
        .write(|tx| tx.pragma_update(None, "user_version", 99))
        .expect("set");
    drop(state);
    for error in [
        State::open(dir.path(), NOW).err().expect("refused"),
        State::open_beside(dir.path()).err().expect("refused"),
    ] {
        let StateError::Newer {
            needed: 99, known, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(*known, known_version());
    }
}

#[test]
fn a_damaged_or_foreign_database_is_refused() {
    let dir = folder();
    let noise =
        b"this is no database at all, but it is longer than a header of SQLite's would be...";
    write_file(dir.path(), &noise.repeat(20));
    let error = State::open(dir.path(), NOW).err().expect("refused");
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
    assert_eq!(
        std::fs::read(dir.path().join(STATE_FILE))
            .expect("there")
            .len(),
        noise.len() * 20
    );

    let other = folder();
    let foreign = Connection::open(other.path().join(STATE_FILE)).expect("made");
    foreign
        .execute_batch("create table message (guid text)")
        .expect("made");
    drop(foreign);
    let error = State::open(other.path(), NOW).err().expect("refused");
    assert!(matches!(error, StateError::Foreign { .. }), "{error}");
}

#[test]
fn a_truncated_state_is_reported_as_damaged() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    state.checkpoint().expect("checkpointed");
    drop(state);
    let whole = std::fs::read(dir.path().join(STATE_FILE)).expect("there");
    write_file(dir.path(), &whole[..whole.len() / 2]);
    let error = State::open(dir.path(), NOW).err().expect("refused");
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("move the file"), "{error}");
}

#[test]
fn a_write_fails_as_a_whole_while_the_disk_is_full() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    let limit = |pages: i64| {
        lock_mutex(&state.writers)
            .normal
            .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
            .expect("set")
    };
    limit(1);
    let long = "x".repeat(1_000_000);
    let write = || {
        state.write(|tx| {
            meta::set(tx, "before", "1")?;
            meta::set(tx, "long", &long)
        })
    };
    let error = write().expect_err("no space");
    assert!(matches!(error, StateError::DiskFull(_)), "{error}");
    assert_eq!(state.read(|c| meta::get(c, "before")).expect("read"), None);
    limit(1_000_000);
    write().expect("there is space again");
}

#[test]
fn a_durable_write_waits_for_the_disk_and_another_one_does_not() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    let pragma = |tx: &Transaction<'_>, name: &str| {
        tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    let settings = |tx: &Transaction<'_>| {
        Ok([
            pragma(tx, "synchronous")?,
            pragma(tx, "fullfsync")?,
            pragma(tx, "checkpoint_fullfsync")?,
        ])
    };
    assert_eq!(state.write_durably(settings).expect("read"), [2, 1, 1]);
    assert_eq!(state.write(settings).expect("read"), [1, 0, 0]);
    state
        .write_durably(|tx| meta::set(tx, "durable", "1"))
        .expect("written");
    let failed: Result<(), _> = state.write_durably(|tx| {
        meta::set(tx, "half", "1")?;
        Err(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(failed.is_err());
    let read = |key| state.write(|tx| meta::get(tx, key)).expect("read");
    assert_eq!(
        (read("durable").as_deref(), read("half")),
        (Some("1"), None)
    );
}

/// Both writers take turns at a lock of their own: SQLite's way of waiting would sleep, or end with `Busy`.
#[test]
fn both_kinds_of_writes_take_turns() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    let add = |tx: &Transaction<'_>| {
        let count = meta::number(tx, "count")?.unwrap_or(0) + 1;
        meta::set(tx, "count", &count.to_string())
    };
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| (0..50).for_each(|_| state.write(add).expect("written")));
            threads.spawn(|| (0..50).for_each(|_| state.write_durably(add).expect("written")));
        }
    });
    let count = state.read(|c| meta::number(c, "count")).expect("read");
    assert_eq!(count, Some(200));
}

#[test]
fn a_folder_that_cannot_be_created_is_inaccessible() {
    let dir = folder();
    std::fs::write(dir.path().join("file"), "").expect("written");
    let error = State::open(&dir.path().join("file/state"), NOW)
        .err()
        .expect("refused");
    assert!(matches!(error, StateError::Inaccessible { .. }), "{error}");
}
