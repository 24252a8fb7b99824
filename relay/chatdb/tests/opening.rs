//! Databases that cannot be opened: the variant of the error, and the path and the remedy in its text.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chatdb::{ChatDb, OpenError};
use messages_stand_in::{Chat, ChatDb as StandIn, Date, NewMessage, Style};
use rusqlite::Connection;
use tempfile::TempDir;

/// The unprivileged user of every Unix.
const UNPRIVILEGED: u32 = 65_534;

/// A new folder, and the path of a chat.db in it that does not exist yet.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    (folder, path)
}

/// A chat.db at `path` with this number of messages.
fn stand_in_with_messages(path: &Path, messages: u32) -> StandIn {
    let mut db = StandIn::create(path, Style::Ventura).unwrap();
    let chat = db.insert_chat(&Chat::direct("+15550100001")).unwrap();
    let handle = db.ensure_handle("+15550100001", "iMessage").unwrap();
    for _ in 0..messages {
        let now = Date::from_unix_secs(1_790_000_000);
        let message = NewMessage::incoming(handle, now).text("hello ".repeat(50));
        db.deliver(chat, &message).unwrap();
    }
    db
}

/// The error of opening `path`, after a check that its text names the file and contains `remedy`.
fn open_error(path: &Path, remedy: &str) -> OpenError {
    let started = Instant::now();
    let error = ChatDb::open(path).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "{error}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains(remedy), "{text}");
    error
}

#[test]
fn a_missing_file_is_reported_and_not_created() {
    let (folder, path) = folder();
    let error = open_error(&path, "sign in to Messages");
    assert!(matches!(error, OpenError::Missing(_)), "{error:?}");
    assert_eq!(error.code(), "chat_db_missing");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made"
    );
    let error = open_error(&path.join("below/chat.db"), "sign in to Messages");
    assert!(matches!(error, OpenError::Missing(_)), "{error:?}");
}

#[test]
fn an_empty_file_is_one_that_messages_has_not_written() {
    let (_folder, path) = folder();
    File::create(&path).unwrap();
    let error = open_error(&path, "sign in to Messages");
    assert!(matches!(error, OpenError::Empty(_)), "{error:?}");
    assert_eq!(error.code(), "chat_db_empty");
}

#[test]
fn garbage_of_any_length_is_reported_as_damaged() {
    let (_folder, path) = folder();
    for length in [1, 15, 16, 99, 100, 4_096, 70_000] {
        fs::write(&path, vec![0xA5; length]).unwrap();
        let error = open_error(&path, "copy chat.db, chat.db-wal");
        assert!(
            matches!(error, OpenError::NotADatabase { .. }),
            "{length}: {error:?}"
        );
        assert_eq!(error.code(), "chat_db_damaged");
    }
}

#[test]
fn a_partial_copy_is_reported_as_damaged() {
    let (_folder, path) = folder();
    let mut db = stand_in_with_messages(&path, 200);
    assert!(db.checkpoint().unwrap());
    drop(db);
    let whole = fs::read(&path).unwrap();
    let (_folder, copy) = folder();
    for part in [17, 100, 4_000, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&copy, &whole[..part]).unwrap();
        let error = open_error(&copy, "copy chat.db, chat.db-wal");
        assert!(
            matches!(error, OpenError::NotADatabase { .. }),
            "{part}: {error:?}"
        );
        for companion in ["chat.db-wal", "chat.db-shm"] {
            let _ = fs::remove_file(copy.with_file_name(companion));
        }
    }
}

#[test]
fn a_copy_without_its_wal_lacks_what_was_in_it() {
    let (_folder, path) = folder();
    let mut db = stand_in_with_messages(&path, 3);
    let (_copies, copy) = folder();
    fs::copy(&path, &copy).unwrap();
    let error = open_error(&copy, "copy chat.db-wal with it");
    assert!(
        matches!(
            error,
            OpenError::NotMessages {
                table: "message",
                ..
            }
        ),
        "nothing of this file was in the database proper yet: {error:?}"
    );
    assert!(db.checkpoint().unwrap());
    let (_copies, copy) = folder();
    fs::copy(&path, &copy).unwrap();
    let copied = ChatDb::open(&copy).unwrap();
    assert_eq!(copied.rows_after(0, 10).unwrap().len(), 3);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let (_folder, path) = folder();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("create table notes (body text)")
        .unwrap();
    let error = open_error(&path, "set chat_db to Messages' chat.db");
    assert!(
        matches!(
            error,
            OpenError::NotMessages {
                table: "message",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.code(), "chat_db_foreign");
    other
        .execute_batch("create table message (ROWID integer primary key, guid text)")
        .unwrap();
    let error = open_error(&path, "set chat_db to Messages' chat.db");
    assert!(
        matches!(error, OpenError::NotMessages { table: "chat", .. }),
        "{error:?}"
    );
}

#[test]
fn a_locked_database_is_reported_as_busy() {
    let (_folder, path) = folder();
    let db = stand_in_with_messages(&path, 1);
    let wal_mode = "pragma locking_mode = exclusive; begin immediate;
                    update message set is_read = 1; commit;";
    let old_mode = "pragma journal_mode = delete; pragma locking_mode = normal; begin exclusive;";
    for lock in [wal_mode, old_mode] {
        db.raw().execute_batch(lock).unwrap();
        let error = open_error(&path, "close what has it open");
        assert!(matches!(error, OpenError::Busy(_)), "{lock}: {error:?}");
        assert_eq!(error.code(), "chat_db_busy");
    }
    db.raw().execute_batch("commit").unwrap();
    ChatDb::open(&path).unwrap();
}

#[test]
fn a_folder_is_refused() {
    let (folder, _) = folder();
    let error = open_error(folder.path(), "set chat_db to Messages' chat.db");
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[test]
fn a_pipe_is_refused_at_once() {
    let (_folder, path) = folder();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = open_error(&path, "set chat_db to Messages' chat.db");
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[test]
fn a_second_open_keeps_the_locks_of_the_first_connection() {
    // A descriptor of chat.db that is closed outside of SQLite drops this process's locks on it. The
    // process that closes the database last then deletes the WAL.
    let (_folder, path) = folder();
    let db = stand_in_with_messages(&path, 1);
    let reader = ChatDb::open(&path).unwrap();
    let before = locks_of(&path);
    drop(ChatDb::open(&path).unwrap());
    assert_eq!(locks_of(&path), before);
    drop((reader, db));
}

/// The locks that are held on a file, as Linux lists them; an empty set on other systems. While other tests take
/// and release locks, a reading of the list may leave out a lock or contain it twice, so several readings are joined.
fn locks_of(path: &Path) -> BTreeSet<String> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    let mut held = BTreeSet::new();
    for _ in 0..20 {
        let Ok(locks) = fs::read_to_string("/proc/locks") else {
            say("no /proc/locks here: that locks survive is NOT CHECKED");
            return held;
        };
        let locks = locks.lines().filter(|line| line.contains(&inode));
        // Each line begins with its number in the list.
        held.extend(locks.filter_map(|line| Some(line.split_once(": ")?.1.to_owned())));
    }
    assert!(!held.is_empty(), "a WAL connection holds a lock");
    held
}

#[test]
fn a_file_without_read_permission_is_reported() {
    let name = "a_file_without_read_permission_is_reported";
    as_another_user_if_root(name, || {
        let (_folder, path) = folder();
        drop(stand_in_with_messages(&path, 1));
        fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
        let error = open_error(&path, "Full Disk Access");
        assert!(matches!(error, OpenError::NoPermission(_)), "{error:?}");

        let (folder, path) = folder();
        drop(stand_in_with_messages(&path, 1));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o600)).unwrap();
        let error = open_error(&path, "Full Disk Access");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(error, OpenError::NoPermission(_)), "{error:?}");
    });
}

#[test]
fn companions_that_can_neither_be_read_nor_created_are_reported() {
    let name = "companions_that_can_neither_be_read_nor_created_are_reported";
    as_another_user_if_root(name, || {
        let (folder, path) = folder();
        drop(stand_in_with_messages(&path, 1));
        assert!(!path.with_file_name("chat.db-wal").exists());
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
        let error = open_error(&path, "copy all three");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(error, OpenError::Companions(_)), "{error:?}");
        assert_eq!(error.code(), "chat_db_companions");
    });
}

/// Runs `check`, the body of the test called `name`. File modes do not restrict root, so as root the whole test is run
/// once more by another user instead.
fn as_another_user_if_root(name: &str, check: impl FnOnce()) {
    let (_folder, probe) = folder();
    fs::write(&probe, "").unwrap();
    fs::set_permissions(&probe, Permissions::from_mode(0o000)).unwrap();
    if File::open(&probe).is_err() {
        return check();
    }
    let program = std::env::current_exe().unwrap();
    let run = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .uid(UNPRIVILEGED)
        .gid(UNPRIVILEGED)
        .output();
    match run {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "as another user: {text}{errors}"
            );
        }
        Err(error) => say(&format!(
            "root cannot run {name} as another user ({error}): NOT CHECKED"
        )),
    }
}

/// Prints directly, because the test runner hides the output of a test that passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "*** {line} ***");
}
