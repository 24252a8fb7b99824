//! Single values of the state, by name.

use rusqlite::{Connection, OptionalExtension};

/// When the state was made, in microseconds.
pub const CREATED_AT: &str = "created_at";
/// The newest message of this relay that the backend had when the state was found empty, as JSON.
pub const RESUME_TARGET: &str = "resume_target";
/// Random id of this installation: the backend leases a relay's name to one of them.
pub const INSTANCE_ID: &str = "instance_id";
/// The file in which the state lay when the id was made.
pub const INSTANCE_FILE: &str = "instance_file";
/// Version of the backend that answered last.
pub const BACKEND_VERSION: &str = "backend_version";
/// Environment of the backend that answered last.
pub const BACKEND_ENVIRONMENT: &str = "backend_environment";
/// How delivery stands, as JSON, for `status`.
pub const DELIVERY: &str = "delivery";
/// How the pull stands, as JSON, for `status`.
pub const PULL: &str = "pull";
/// Code of what keeps chat.db from being read, or nothing, for `status`.
pub const READING: &str = "reading";
/// Signs of life of the running relay, as JSON, for `status`.
pub const VITALS: &str = "vitals";
/// When the backend last answered a pull, in microseconds.
pub const LAST_PULL_AT: &str = "last_pull_at";

/// When the chat.db that replaced another was first looked at, in microseconds; as long as its rows are
/// not all accounted for.
pub const REBUILD_BEGAN_AT: &str = "rebuild_began_at";

/// The value called `key`.
pub fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("select value from meta where key = ?1")?;
    statement.query_row([key], |row| row.get(0)).optional()
}

/// Sets the value called `key`.
pub fn set(tx: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "insert into meta (key, value) values (?1, ?2)
         on conflict (key) do update set value = excluded.value",
    )?;
    statement.execute([key, value])?;
    Ok(())
}

/// Forgets the value called `key`.
pub fn remove(tx: &Connection, key: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("delete from meta where key = ?1")?
        .execute([key])?;
    Ok(())
}

/// This installation's random id, made of `random` the first time and whenever the state lies in
/// another file than when the id was made: a copied state is another installation, and the backend
/// must be able to tell a cloned Mac from the original.
pub fn instance_id(tx: &Connection, file: &str, random: [u8; 16]) -> rusqlite::Result<String> {
    if let Some(id) = get(tx, INSTANCE_ID)?
        && get(tx, INSTANCE_FILE)?.as_deref() == Some(file)
    {
        return Ok(id);
    }
    let id = uuid::Builder::from_random_bytes(random)
        .into_uuid()
        .to_string();
    set(tx, INSTANCE_ID, &id)?;
    set(tx, INSTANCE_FILE, file)?;
    Ok(id)
}
