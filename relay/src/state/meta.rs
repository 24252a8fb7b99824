//! Single values of the state, by name.

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::query;

/// When the state was created, in microseconds since 1970.
pub const CREATED_AT: &str = "created_at";
/// The newest message of this relay that the backend had when the state was found empty, as JSON.
pub const RESUME_TARGET: &str = "resume_target";
/// Random id of this installation. The backend lets one installation at a time use a relay's name.
pub const INSTANCE_ID: &str = "instance_id";
/// Inode of the file that holds the state of `INSTANCE_ID`.
pub const INSTANCE_FILE: &str = "instance_file";
/// Hash of the id of the machine on which `INSTANCE_ID` runs.
pub const INSTANCE_MACHINE: &str = "instance_machine";
/// How many durable transactions `INSTANCE_ID` has committed.
pub const DURABLE_WRITES: &str = "durable_writes";
/// Present once the state has become another installation's, until all commands of the backend are in the ledger. chat.db
/// is not read before that: it may have rows of sends that the state does not know.
pub const COMMANDS_PENDING: &str = "commands_pending";
/// Version of the backend that answered last.
pub const BACKEND_VERSION: &str = "backend_version";
/// Environment of the backend that answered last.
pub const BACKEND_ENVIRONMENT: &str = "backend_environment";
/// Whether delivery works, as JSON, for `status`.
pub const DELIVERY: &str = "delivery";
/// Whether pulling works, as JSON, for `status`.
pub const PULL: &str = "pull";
/// Code of the error that keeps the relay from reading chat.db, for `status`; empty without such an error.
pub const READING: &str = "reading";
/// When each loop of the running relay last worked, as JSON, for `status`.
pub const LIVENESS: &str = "vitals";
/// When the backend last answered a pull, in microseconds since 1970.
pub const LAST_PULL_AT: &str = "last_pull_at";
/// When the relay began to read a chat.db that had taken the place of another, in microseconds since 1970.
/// Removed once the recent rows of the new file are accounted for.
pub const REBUILD_BEGAN_AT: &str = "rebuild_began_at";

/// Names the chat.db that is read, once it has taken the place of another
/// ([`chat_db_file`](super::read_position::chat_db_file)).
pub const CHAT_DB_FILE: &str = "chat_db_file";

/// The value called `key`, if there is one.
pub fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let sql = "select value from meta where key = ?1";
    query::first(connection, sql, [key], |row| row.get(0))
}

/// The value called `key`, if it is a whole number.
pub fn number(connection: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    Ok(get(connection, key)?.and_then(|text| text.parse().ok()))
}

/// The value called `key`, if it is JSON of this type.
pub fn json<T: DeserializeOwned>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<Option<T>> {
    Ok(get(connection, key)?.and_then(|text| serde_json::from_str(&text).ok()))
}

pub fn set(tx: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    query::execute(
        tx,
        "insert into meta (key, value) values (?1, ?2)
         on conflict (key) do update set value = excluded.value",
        [key, value],
    )
}

/// Sets the value called `key` to the JSON of `value`, whose maps have string keys.
pub fn set_json<T: Serialize + ?Sized>(
    tx: &Connection,
    key: &str,
    value: &T,
) -> rusqlite::Result<()> {
    let json = serde_json::to_string(value).expect("a value with string keys");
    set(tx, key, &json)
}

pub fn remove(tx: &Connection, key: &str) -> rusqlite::Result<()> {
    query::execute(tx, "delete from meta where key = ?1", [key])
}
