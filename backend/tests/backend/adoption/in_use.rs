//! An older deployment's database is adopted only while no other session writes to it or has read it in an open
//! transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::*;

/// A database session like those of the older deployment.
async fn older_session(database: &TestDatabase) -> PgConnection {
    let options: PgConnectOptions = database.url().parse().expect("a URL");
    options
        .application_name("uvicorn")
        .connect()
        .await
        .expect("the server is up")
}

/// Checks that an adoption is refused and changes nothing. Returns the text of the refusal.
async fn refusal(database: &TestDatabase) -> String {
    let mut admin = database.connect().await;
    let refused = migrate(database, Adoption::Allowed)
        .await
        .expect_err("in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    let count: i64 = sqlx::query_scalar(
        "select count(*) from information_schema.columns where table_schema = 'public'
           and (column_name = 'meta_data' or table_name = 'app_meta')",
    )
    .fetch_one(&mut admin)
    .await
    .expect("a catalogue");
    assert_eq!(count, 0, "nothing was changed");
    refused.to_string()
}

#[tokio::test]
async fn a_session_with_an_open_write_is_named_and_adoption_succeeds_after_its_rollback() {
    let database = older_database().await;
    let mut writer = older_session(&database).await;
    writer
        .execute("begin; lock table messages in row exclusive mode")
        .await
        .expect("locked");
    let message = refusal(&database).await;
    assert!(message.contains("1 × uvicorn"), "{message}");
    writer.execute("rollback").await.expect("rolled back");
    let again = migrate(&database, Adoption::Refused).await;
    assert!(
        matches!(again, Err(OpenError::NeedsAdoption { .. })),
        "a failed attempt does not count as permission: {again:?}"
    );
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted once the writer is done");
}

#[tokio::test]
async fn an_open_transaction_that_has_read_a_table_prevents_adoption() {
    let database = older_database().await;
    let mut reader = older_session(&database).await;
    reader
        .execute("begin; select count(*) from users")
        .await
        .expect("read");
    let message = refusal(&database).await;
    assert!(message.contains("1 × uvicorn"), "{message}");
    reader.execute("rollback").await.expect("rolled back");
}

/// Between two short writes the session locks no table, so a single look at the locks could miss the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_short_writes_prevents_adoption_and_loses_no_row() {
    let database = older_database().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let mut writer = older_session(&database).await;
        let stop = Arc::clone(&stop);
        async move {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                writer
                    .execute(
                        "insert into messages (conversation_id, role, text, metadata)
                         values ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'user', 'one more', null)",
                    )
                    .await
                    .expect("the older deployment is not broken");
                written += 1;
                tokio::task::yield_now().await;
            }
            written
        }
    });
    let message = refusal(&database).await;
    stop.store(true, Ordering::Relaxed);
    let written: i64 = writing.await.expect("no panic");
    assert!(message.contains("uvicorn"), "{message}");
    let mut admin = database.connect().await;
    let kept: i64 = sqlx::query_scalar("select count(*) from messages where text = 'one more'")
        .fetch_one(&mut admin)
        .await
        .expect("a count");
    assert_eq!(kept, written);
}

#[tokio::test]
async fn sessions_without_an_open_read_or_write_of_a_table_do_not_prevent_adoption() {
    let database = older_database().await;
    let mut idle = older_session(&database).await;
    idle.execute("select count(*) from users")
        .await
        .expect("read");
    idle.execute("begin; select 1").await.expect("begun");
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_adoptions_both_succeed() {
    let database = older_database().await;
    let (one, two) = tokio::join!(
        migrate(&database, Adoption::Allowed),
        migrate(&database, Adoption::Allowed)
    );
    one.expect("adopted");
    two.expect("adopted");
}
