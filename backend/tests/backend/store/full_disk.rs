//! While the disk is full, messages are refused. Once the disk has room, their retries are stored.

use archety_backend::store::{Pools, StoreError, Stored};
use sqlx::AssertSqlSafe;

use super::message_builder::direct;
use crate::support::TestStore;

#[tokio::test]
async fn messages_are_refused_while_the_disk_is_full_and_stored_once_it_has_room() {
    let store = TestStore::sqlite().await;
    let Pools::Sqlite { writer, .. } = store.store.pools() else {
        unreachable!("it was opened as SQLite");
    };
    let limit_pages = async |pages: i64| {
        let sql = format!("pragma max_page_count = {pages}");
        sqlx::query(AssertSqlSafe(sql))
            .execute(writer)
            .await
            .expect("a limit");
    };
    let pages: i64 = sqlx::query_scalar("pragma page_count")
        .fetch_one(writer)
        .await
        .expect("a count");
    limit_pages(pages).await;
    let long_message = || {
        let mut message = direct("msg_1");
        message.text = "a".repeat(50_000);
        message
    };
    for _ in 0..2 {
        let Err(StoreError::Unavailable(cause)) = store.store.store_message(long_message()).await
        else {
            panic!("the message is not refused");
        };
        let message = cause.to_string();
        assert!(
            message.contains("full"),
            "the error names the cause: {message}"
        );
        // The store has closed the connection that failed, and a new connection has no limit.
        limit_pages(pages).await;
    }
    limit_pages(1_000_000).await;
    let stored = store
        .store
        .store_message(long_message())
        .await
        .expect("stored");
    assert!(matches!(stored, Stored::Accepted(_)), "{stored:?}");
}
