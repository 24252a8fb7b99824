//! A restart keeps the installation; a restored, copied or cloned state becomes another one.

use std::collections::BTreeMap;

use super::*;
use crate::clock::UnixMicros;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
const MACHINE: Option<&str> = Some("one Mac");

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(dir: &Path) -> State {
    State::open(dir, NOW).expect("the state")
}

/// Starts a relay on the state: it claims the installation. `random` becomes the id of a new one.
fn start(dir: &Path, random: u8) -> (State, String) {
    let state = open(dir);
    let id = state.claim_installation(MACHINE, [random; 16]);
    (state, id.expect("claimed"))
}

/// The id that a relay gets that starts on the state and stops.
fn id(dir: &Path, random: u8) -> String {
    start(dir, random).1
}

fn write(state: &State) {
    state
        .write_durably(|tx| meta::set(tx, "key", "value"))
        .expect("written");
}

/// A backup of the state's file, or of the whole folder.
type Backup = BTreeMap<std::path::PathBuf, Vec<u8>>;

fn back_up(dir: &Path, is_included: impl Fn(&str) -> bool) -> Backup {
    let entries = fs::read_dir(dir).expect("a folder");
    let paths = entries.map(|entry| entry.expect("listed").path());
    let included =
        paths.filter(|path| is_included(&path.file_name().unwrap_or_default().to_string_lossy()));
    included
        .map(|path| (path.clone(), fs::read(&path).expect("read")))
        .collect()
}

/// Overwrites the files, as `cp` does: they keep their inodes.
fn restore(backup: &Backup) {
    for (path, content) in backup {
        fs::write(path, content).expect("written");
    }
}

#[test]
fn a_restart_keeps_the_installation_however_the_relay_ended() {
    let dir = folder();
    let (state, first) = start(dir.path(), 1);
    write(&state);
    // The relay dies without closing the state.
    std::mem::forget(state);
    fs::remove_file(dir.path().join("relay.lock")).expect("the lock of the dead process");
    for random in 2..5 {
        let (state, again) = start(dir.path(), random);
        write(&state);
        assert_eq!(again, first);
    }
}

#[test]
fn a_backup_that_is_copied_over_the_state_is_another_installation() {
    let state_alone: fn(&str) -> bool = |name| name == STATE_FILE;
    let whole_folder: fn(&str) -> bool = |_| true;
    for is_included in [state_alone, whole_folder] {
        let dir = folder();
        let (state, first) = start(dir.path(), 1);
        drop(state);
        let backup = back_up(dir.path(), is_included);
        // Nothing was restarted between the backup and what it lacks.
        let state = open(dir.path());
        write(&state);
        drop(state);
        restore(&backup);
        let second = id(dir.path(), 2);
        assert_ne!(second, first);
        assert_eq!(id(dir.path(), 3), second);
        restore(&backup);
        assert_ne!(id(dir.path(), 4), first, "the same backup again");
    }
}

#[test]
fn what_the_owners_commands_write_is_counted_too() {
    let dir = folder();
    let (state, first) = start(dir.path(), 1);
    state.checkpoint().expect("checkpointed");
    let backup = back_up(dir.path(), |name| name == STATE_FILE);
    let beside = State::open_beside(dir.path()).expect("beside the relay");
    write(&beside);
    write(&state);
    drop((state, beside));
    restore(&backup);
    // The owner's commands do not make a restored state look current.
    for _ in 0..9 {
        write(&State::open_beside(dir.path()).expect("opened"));
    }
    assert_ne!(id(dir.path(), 2), first);
}

#[test]
fn a_copied_state_is_another_installation() {
    let (dir, copy) = (folder(), folder());
    let first = id(dir.path(), 1);
    for (path, content) in back_up(dir.path(), |_| true) {
        let name = path.file_name().expect("a file");
        fs::write(copy.path().join(name), content).expect("copied");
    }
    assert_ne!(id(copy.path(), 2), first);
    assert_eq!(id(dir.path(), 3), first);
}

#[test]
fn another_machine_is_another_installation_and_an_unknown_one_is_not() {
    let dir = folder();
    let claim = |machine, random| {
        let id = open(dir.path()).claim_installation(machine, [random; 16]);
        id.expect("claimed")
    };
    let first = claim(None, 1);
    assert_eq!(claim(MACHINE, 2), first, "its id can be read now");
    assert_eq!(claim(None, 3), first, "its id cannot be read");
    let second = claim(Some("another Mac"), 4);
    assert_ne!(second, first);
    assert_eq!(claim(Some("another Mac"), 5), second);
    assert_ne!(claim(MACHINE, 6), first);
}

#[test]
fn a_state_without_its_marker_is_another_installation() {
    let dir = folder();
    let first = id(dir.path(), 1);
    for marker in Marker::all(dir.path()).expect("listed") {
        fs::remove_file(dir.path().join(marker.name())).expect("removed");
    }
    assert_ne!(id(dir.path(), 2), first);
}

/// The marker gets its new name after the commit.
#[test]
fn a_relay_that_dies_before_the_marker_has_its_new_name_stays_the_same_installation() {
    let dir = folder();
    let (state, first) = start(dir.path(), 1);
    let before = Marker::all(dir.path()).expect("listed");
    write(&state);
    let after = Marker::all(dir.path()).expect("listed");
    let names = before.first().zip(after.first()).expect("a marker each");
    assert_eq!(names.1.count, names.0.count + 1);
    let path = |marker: &Marker| dir.path().join(marker.name());
    fs::rename(path(names.1), path(names.0)).expect("the name is undone");
    write(&state);
    let after = Marker::all(dir.path()).expect("listed");
    assert_eq!(after.len(), 1);
    assert_eq!(
        after.first().map(|marker| marker.count),
        Some(names.0.count + 2)
    );
    fs::rename(path(after.first().expect("a marker")), path(names.0)).expect("undone again");
    drop(state);
    assert_eq!(id(dir.path(), 2), first);
}

/// The marker of a new installation is there before the state names the installation.
#[test]
fn a_relay_that_dies_while_it_claims_the_state_claims_it_at_the_next_start() {
    let dir = folder();
    let claim_and_fail = |random| {
        let state = open(dir.path());
        let fail = "create trigger dies before insert on meta begin select raise(abort, 'x'); end";
        let execute = |sql: &str| state.write(|tx| tx.execute_batch(sql)).expect("executed");
        execute(fail);
        assert!(state.claim_installation(MACHINE, [random; 16]).is_err());
        execute("drop trigger dies");
    };
    claim_and_fail(1);
    let first = id(dir.path(), 2);
    claim_and_fail(3);
    assert_eq!(
        id(dir.path(), 4),
        first,
        "a restart that dies changes nothing"
    );
    let backup = back_up(dir.path(), |name| name == STATE_FILE);
    write(&open(dir.path()));
    restore(&backup);
    claim_and_fail(5);
    assert_ne!(
        id(dir.path(), 6),
        first,
        "the state is still a restored one"
    );
}

#[test]
fn a_state_of_the_release_before_keeps_its_installation_unless_it_is_restored_later() {
    let dir = folder();
    drop(open(dir.path()));
    let inode = fs::metadata(dir.path().join(STATE_FILE))
        .expect("there")
        .ino();
    let state = open(dir.path());
    state
        .write(|tx| {
            meta::set(tx, meta::INSTANCE_ID, "earlier")?;
            meta::set(tx, meta::INSTANCE_FILE, &inode.to_string())
        })
        .expect("written");
    drop(state);
    let backup = back_up(dir.path(), |name| name == STATE_FILE);
    write(&State::open_beside(dir.path()).expect("a command before the first start"));
    assert_eq!(id(dir.path(), 1), "earlier");
    assert_eq!(id(dir.path(), 2), "earlier");
    restore(&backup);
    assert_ne!(id(dir.path(), 3), "earlier");
}
