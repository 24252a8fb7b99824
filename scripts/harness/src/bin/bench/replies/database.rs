//! What a backend has written about turns and replies, read from its database.

use std::collections::HashMap;

use archety_harness::BackendStore;
use rusqlite::OpenFlags;
use shared_protocol::conversation_guid;
use sqlx::{Connection, PgConnection};

/// When the backend made the reply to each chat, in Unix microseconds: right before it committed the reply. The
/// chats are without their service.
pub(super) fn replies_made_at(store: &BackendStore) -> anyhow::Result<HashMap<String, i64>> {
    let rows = rows(
        store,
        "select c.chat_guid, k.created_at from commands k
         join conversations c on c.id = k.conversation_id",
        "select c.chat_guid, (extract(epoch from k.created_at) * 1000000)::int8 from commands k
         join conversations c on c.id = k.conversation_id",
    )?;
    let by_chat = rows.into_iter();
    Ok(by_chat
        .map(|(chat, at)| (conversation_guid(&chat).to_owned(), at))
        .collect())
}

/// When the backend decided each turn, in Unix microseconds.
pub(super) fn turns_decided_at(store: &BackendStore) -> anyhow::Result<Vec<i64>> {
    let rows = rows(
        store,
        "select outcome, decided_at from turns",
        "select outcome, (extract(epoch from decided_at) * 1000000)::int8 from turns",
    )?;
    let replied = rows.into_iter().filter(|(outcome, _)| outcome == "replied");
    Ok(replied.map(|(_, at)| at).collect())
}

/// The rows of a statement that yields a text and a number.
fn rows(store: &BackendStore, sqlite: &str, postgres: &str) -> anyhow::Result<Vec<(String, i64)>> {
    match store {
        BackendStore::Sqlite(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let connection = rusqlite::Connection::open_with_flags(path, flags)?;
            let mut statement = connection.prepare(sqlite)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        }
        BackendStore::Postgres(url) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(url).await?;
                let statement = sqlx::query_as(sqlx::AssertSqlSafe(postgres.to_owned()));
                Ok(statement.fetch_all(&mut connection).await?)
            })
        }
    }
}
