//! The server restarts, the database is read-only for a while, or requests hold all connections of the pool.

use std::sync::Arc;

use archety_backend::config::RelayAuth;
use archety_backend::store::Pools;

use super::*;
use crate::store::message_builder::direct;
use crate::support::{TestApp, TestStore, message, secrets};

/// Runs a task several times concurrently on the store.
async fn run_concurrently<F>(
    store: &Store,
    times: usize,
    task: fn(Store, usize) -> F,
) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = (0..times)
        .map(|n| tokio::spawn(task(store.clone(), n)))
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no panic"));
    }
    results
}

/// Runs more concurrent reads than the pool has connections.
async fn read_on_all_connections(store: &Store) {
    let reads = run_concurrently(store, 12, |store, _| async move {
        store.mentions_of("+15550100001").await.map(drop)
    });
    for read in reads.await {
        read.expect("a read is tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_messages_succeed_across_a_restart_of_the_server() {
    let store = TestStore::postgres().await;
    let database = store.database.as_ref().expect("Postgres");
    let store = &store.store;
    for round in 0..5 {
        read_on_all_connections(store).await;
        store
            .store_message(direct(&format!("msg_{round}")))
            .await
            .expect("stored");
        database.cut_connections().await;
        read_on_all_connections(store).await;
        database.cut_connections().await;
        let messages = run_concurrently(store, 12, |store, n| async move {
            store.store_message(direct(&format!("msg_of_{n}"))).await
        });
        for stored in messages.await {
            stored.expect("the relay notices nothing");
        }
        read_on_all_connections(store).await;
        database.cut_connections().await;
        store.ping().await.expect("ready");
    }
}

/// A connection whose `begin` fails has changed nothing, so the transaction can begin on another connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_succeeds_although_the_servers_restart_cut_its_connection() {
    let store = TestStore::postgres().await;
    let database = store.database.as_ref().expect("Postgres");
    let store = &store.store;
    for round in 0..5 {
        read_on_all_connections(store).await;
        database.cut_connections().await;
        let switches = run_concurrently(store, 6, |store, _| async move {
            store.switch_issuer("urn:uuid:x", NOW).await
        });
        for switched in switches.await {
            switched.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        }
    }
}

#[tokio::test]
async fn a_read_only_database_is_not_ready_until_it_accepts_writes_again() {
    let store = TestStore::postgres().await;
    let app = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    let database = app.base.database.as_ref().expect("Postgres");
    let name = database.name();
    for round in 0..2 {
        database
            .run(&format!(
                "alter database {name} set default_transaction_read_only = on"
            ))
            .await;
        database.cut_connections().await;
        for n in 0..4 {
            let ready = app.get("/readyz").await;
            assert_eq!(
                (ready.status.as_u16(), ready.fault().as_str()),
                (503, "store_unavailable")
            );
            assert!(ready.text().contains("read-only"), "{}", ready.text());
            let id = format!("msg_{round}_{n}");
            let posted = app.relay().post(&id, &message("kept by the relay")).await;
            assert_eq!(posted.status, 503);
            assert!(posted.text().contains("read-only"), "{}", posted.text());
        }
        let mut admin = database.connect().await;
        let set_writable = format!(
            "set transaction read write; alter database {name} reset default_transaction_read_only"
        );
        let mut transaction = admin.begin().await.expect("begun");
        transaction
            .execute(AssertSqlSafe(set_writable))
            .await
            .expect("altered");
        transaction.commit().await.expect("committed");
        // The pool's older sessions are still open and read-only.
        let id = format!("msg_{round}_after");
        let posted = app.relay().post(&id, &message("kept by the relay")).await;
        assert_eq!(posted.status, 200, "{}", posted.text());
        assert_eq!(app.get("/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn a_replica_started_on_a_read_only_database_is_ready_once_the_database_accepts_writes() {
    let store = TestStore::postgres().await;
    let config = DatabaseConfig {
        migrate_on_start: true,
        ..store.config.clone()
    };
    // An earlier replica has stored the keys that a new one needs.
    let first = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    let database = first.base.database.as_ref().expect("Postgres");
    let name = database.name();
    database
        .run(&format!(
            "alter database {name} set default_transaction_read_only = on"
        ))
        .await;
    let store = open(&config).await.expect("the store opens");
    let base = Arc::clone(&first.base);
    let app = TestApp::replica(base, store, RelayAuth::Both, &secrets()).await;
    assert_eq!(app.get("/readyz").await.fault(), "store_unavailable");
    database
        .run(&format!(
            "begin read write; alter database {name} reset default_transaction_read_only; commit"
        ))
        .await;
    assert_eq!(app.get("/readyz").await.status, 200);
    let posted = app.relay().post("msg_1", &message("hello")).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
}

#[tokio::test]
async fn messages_are_stored_and_readiness_answered_while_requests_hold_all_connections_of_the_pool()
 {
    let store = TestStore::postgres().await;
    let app = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    let Pools::Postgres(pool) = app.store.pools() else {
        panic!("a server");
    };
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.expect("a connection"));
    }
    assert_eq!(
        held.len(),
        6,
        "relays and readiness have two of the eight connections for themselves"
    );
    let posted = app.mini().post("msg_1", &message("hello")).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    assert_eq!(app.get("/readyz").await.status, 200);
}
