//! A file of another program is refused, stays unchanged, and gets no files beside it. The backend's own file is
//! recognised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Adoption, OpenError, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::message_builder::direct;
use crate::support::NOW;

/// The application id in the header of the backend's SQLite files: "Arcb".
const APPLICATION_ID: &[u8] = b"Arcb";
/// The place of the application id in the header of a SQLite file.
const APPLICATION_ID_OFFSET: usize = 68;

fn config_of(path: &Path) -> DatabaseConfig {
    DatabaseConfig::from(DatabaseKind::Sqlite {
        path: path.to_owned(),
    })
}

/// A new folder, and the path of a file in it that does not exist yet.
fn new_path() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

/// The names and contents of all files in a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default()))
        .collect()
}

async fn database(path: &Path, mode: SqliteJournalMode, sql: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(mode);
    let mut connection = options.connect().await.expect("a file");
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    connection.execute(sql).await.expect("the SQL runs");
    connection
}

/// Checks that every operation refuses the file and changes nothing in its folder. Returns the refusal.
async fn refusal(folder: &Path, path: &Path) -> String {
    let before = files(folder);
    let config = config_of(path);
    let development = Environment::Development;
    let mut message = String::new();
    for refused in [
        Store::open(&config, development, NOW).await.map(drop),
        Store::open_beside(&config, development, NOW)
            .await
            .map(drop),
        Store::migrate(&config, development, Adoption::Allowed, NOW)
            .await
            .map(drop),
        Store::plan(&config, development).await.map(drop),
    ] {
        let refused = refused.expect_err("it is not ours");
        assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused:?}");
        message = refused.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(
            files(folder) == before,
            "no byte is changed and no file is created"
        );
    }
    message
}

const CHAT: &str = "create table message (ROWID integer primary key, guid text unique, text text);
    create table chat (ROWID integer primary key); insert into message values (1, 'a', 'hello')";

#[tokio::test]
async fn databases_of_other_programs_are_refused_and_unchanged() {
    // Another program has the file open, with a WAL that has not been checkpointed.
    let (dir, path) = new_path();
    let open = database(&path, SqliteJournalMode::Wal, CHAT).await;
    assert!(files(dir.path()).len() == 3);
    let message = refusal(dir.path(), &path).await;
    assert!(message.contains("another program"), "{message}");
    // A copy of the file and its WAL looks as if the other program had been killed.
    let (copy, copy_path) = new_path();
    for (file, bytes) in files(dir.path()) {
        let name = file.file_name().expect("a name");
        if name.to_string_lossy().ends_with("-shm") {
            continue;
        }
        std::fs::write(copy.path().join(name), bytes).expect("a copy");
    }
    refusal(copy.path(), &copy_path).await;
    open.close().await.expect("closed");
    refusal(dir.path(), &path).await;
    for (mode, sql) in [
        (SqliteJournalMode::Delete, CHAT),
        (
            SqliteJournalMode::Truncate,
            "create table users (id integer primary key)",
        ),
        // Another program that uses the same migration library.
        (
            SqliteJournalMode::Wal,
            "create table _sqlx_migrations (version bigint primary key); create table app_meta (id int)",
        ),
        // The relay's own state.
        (SqliteJournalMode::Wal, "pragma application_id = 0x41726368"),
        // A database with the application id of another program.
        (
            SqliteJournalMode::Delete,
            "pragma application_id = 252006675; create table x (y)",
        ),
    ] {
        let (dir, path) = new_path();
        let open = database(&path, mode, sql).await;
        refusal(dir.path(), &path).await;
        open.close().await.expect("closed");
        refusal(dir.path(), &path).await;
    }
}

#[tokio::test]
async fn files_that_are_no_database_are_refused_and_unchanged() {
    for bytes in [
        &b"x"[..],
        b"SQLite format 3\0",
        b"a few notes\n",
        &[0; 4096],
        &[0xa5; 8192],
        &[b"SQLite format 3\0", &[0xff; 4096][..]].concat(),
        "{\"json\": true}".repeat(100).as_bytes(),
    ] {
        let (dir, path) = new_path();
        std::fs::write(&path, bytes).expect("written");
        refusal(dir.path(), &path).await;
    }
    let (dir, path) = new_path();
    std::fs::create_dir(&path).expect("a folder");
    refusal(dir.path(), &path).await;
}

/// The application id, read from the file's header without SQLite.
fn header_id(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")[APPLICATION_ID_OFFSET..APPLICATION_ID_OFFSET + 4].to_vec()
}

#[tokio::test]
async fn new_and_empty_files_get_the_application_id_at_once() {
    let (dir, path) = new_path();
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, b"").expect("written");
    let blank = dir.path().join("blank.db");
    let open = database(&blank, SqliteJournalMode::Delete, "vacuum").await;
    open.close().await.expect("closed");
    for path in [&path, &empty, &blank] {
        let store = Store::open(&config_of(path), Environment::Development, NOW).await;
        let store = store.expect("the backend takes the file");
        assert_eq!(
            header_id(path),
            APPLICATION_ID,
            "the id is in the file before the first message"
        );
        store.store_message(direct("msg_1")).await.expect("stored");
        store.close().await;
        drop(store);
        let again = Store::open(&config_of(path), Environment::Development, NOW).await;
        again.expect("the file is the backend's").close().await;
    }
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_recognised_by_its_tables() {
    let (dir, path) = new_path();
    let store = Store::open(&config_of(&path), Environment::Development, NOW).await;
    let store = store.expect("the backend takes the file");
    store.store_message(direct("msg_1")).await.expect("stored");
    // Earlier versions set no id. The copy, made before a checkpoint, looks as if the process had been killed.
    let archety_backend::store::Pools::Sqlite { writer, .. } = store.pools() else {
        unreachable!("it was opened as SQLite");
    };
    writer
        .execute("pragma application_id = 0")
        .await
        .expect("unmarked");
    let killed = dir.path().join("killed.db");
    for ending in ["", "-wal"] {
        let from = dir.path().join(format!("chat.db{ending}"));
        let to = dir.path().join(format!("killed.db{ending}"));
        std::fs::copy(from, to).expect("a copy");
    }
    store.close().await;
    drop(store);
    assert_eq!(header_id(&path), [0; 4]);
    for path in [&path, &killed] {
        let plan = Store::plan(&config_of(path), Environment::Development).await;
        assert!(
            plan.expect("the file is the backend's")
                .migrations
                .is_empty()
        );
        let store = Store::open(&config_of(path), Environment::Development, NOW).await;
        let store = store.expect("the file is the backend's");
        assert_eq!(header_id(path), APPLICATION_ID);
        let again = store.store_message(direct("msg_1")).await.expect("stored");
        assert!(matches!(
            again,
            archety_backend::store::Stored::Duplicate(_)
        ));
        store.close().await;
    }
}

/// A process was killed before its first checkpoint: all data is in the write-ahead log, and the file is blank.
#[tokio::test]
async fn a_file_of_an_earlier_version_is_recognised_by_its_write_ahead_log() {
    let (dir, path) = new_path();
    // An earlier version begins with a file in WAL mode. Without a checkpoint, all data stays in the log.
    let mut open = database(
        &path,
        SqliteJournalMode::Wal,
        "pragma wal_autocheckpoint = 0",
    )
    .await;
    archety_backend::store::MIGRATIONS_SQLITE
        .run_direct(None, &mut open, false)
        .await
        .expect("migrated");
    let killed = dir.path().join("killed.db");
    for ending in ["", "-wal"] {
        let from = dir.path().join(format!("chat.db{ending}"));
        std::fs::copy(from, dir.path().join(format!("killed.db{ending}"))).expect("a copy");
    }
    assert_eq!(
        std::fs::read(&killed).expect("a file").len(),
        4096,
        "all data is in the log"
    );
    let store = Store::open(&config_of(&killed), Environment::Development, NOW).await;
    store.expect("the file is the backend's").close().await;
    assert_eq!(header_id(&killed), APPLICATION_ID);
}

#[tokio::test]
async fn a_deleted_text_is_not_in_the_file_any_more() {
    let (_dir, path) = new_path();
    let store = Store::open(&config_of(&path), Environment::Development, NOW).await;
    let store = store.expect("the backend takes the file");
    let archety_backend::store::Pools::Sqlite { writer, .. } = store.pools() else {
        unreachable!("it was opened as SQLite");
    };
    let is_on: i64 = sqlx::query_scalar("pragma secure_delete")
        .fetch_one(writer)
        .await
        .expect("a setting");
    assert_eq!(is_on, 1);
    let mut message = direct("msg_1");
    message.text = "between you and me".repeat(100);
    store.store_message(message).await.expect("stored");
    writer
        .execute("delete from messages")
        .await
        .expect("deleted");
    store.close().await;
    let bytes = std::fs::read(&path).expect("a file");
    let found = bytes.windows(12).any(|window| window == b"you and mebe");
    assert!(!found, "the pages of deleted rows are overwritten");
}

#[tokio::test]
async fn a_command_may_write_beside_a_server_that_sees_the_change_and_keeps_its_lock() {
    let (_dir, path) = new_path();
    let development = Environment::Development;
    let serving = Store::open(&config_of(&path), development, NOW)
        .await
        .expect("the store opens");
    serving
        .store_message(direct("msg_1"))
        .await
        .expect("stored");
    let mini = shared_protocol::RelayName::parse("mini").expect("a name");
    serving
        .note_first_signature(&mini, NOW)
        .await
        .expect("noted");
    let beside = Store::open_beside(&config_of(&path), development, NOW).await;
    let beside = beside.expect("no lock is needed");
    let ada = shared_protocol::Address::parse("+15550100001").expect("a number");
    let traces = beside.traces(&ada, None).await.expect("read");
    assert_eq!(traces.people.len(), 1);
    assert!(beside.allow_bearer(&mini).await.expect("written"));
    assert!(
        !serving.has_signed(&mini).await.expect("read"),
        "the server sees the change at once"
    );
    for refused in [
        Store::open(&config_of(&path), development, NOW)
            .await
            .map(drop),
        Store::migrate(&config_of(&path), development, Adoption::Refused, NOW)
            .await
            .map(drop),
    ] {
        let refused = refused.expect_err("it has a server");
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    }
    // A command of another environment is refused, like a server of that environment.
    let other = Store::open_beside(&config_of(&path), Environment::Production, NOW).await;
    assert!(matches!(
        other.err(),
        Some(OpenError::OtherEnvironment { .. })
    ));
    beside.close().await;
    serving
        .store_message(direct("msg_2"))
        .await
        .expect("stored");
    serving.close().await;
}
