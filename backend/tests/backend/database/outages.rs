//! Servers that restart, and databases that take no writes for a while.

use std::sync::Arc;

use archety_backend::config::RelayAuth;
use archety_backend::store::Pools;

use super::*;
use crate::store::message_builder::direct;
use crate::support::{TestApp, TestStore, message, secrets};

/// Runs a task several times at once on the store.
async fn at_once<F>(store: &Store, times: usize, act: fn(Store, usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = (0..times)
        .map(|n| tokio::spawn(act(store.clone(), n)))
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("no panic"));
    }
    done
}

/// Runs more reads at once than the pool has connections.
async fn read(store: &Store) {
    let reading = at_once(store, 12, |store, _| async move {
        store.mentions_of("+15550100001").await.map(drop)
    });
    for read in reading.await {
        read.expect("a read is tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_messages_succeed_across_a_restart_of_the_server() {
    let store = TestStore::postgres().await;
    let database = store.database.as_ref().expect("Postgres");
    let store = &store.store;
    for round in 0..5 {
        read(store).await;
        store
            .store_message(direct(&format!("msg_{round}")))
            .await
            .expect("stored");
        database.cut_connections().await;
        read(store).await;
        database.cut_connections().await;
        let storing = at_once(store, 12, |store, n| async move {
            store.store_message(direct(&format!("msg_of_{n}"))).await
        });
        for stored in storing.await {
            stored.expect("the relay notices nothing");
        }
        read(store).await;
        database.cut_connections().await;
        store.ping().await.expect("ready");
    }
}

/// Nothing was done on a connection whose `begin` fails, so a transaction begins on another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_begins_on_another_connection() {
    let store = TestStore::postgres().await;
    let database = store.database.as_ref().expect("Postgres");
    let store = &store.store;
    for round in 0..5 {
        read(store).await;
        database.cut_connections().await;
        let ending = at_once(store, 6, |store, _| async move {
            store.switch_issuer("urn:uuid:x", NOW).await
        });
        for ended in ending.await {
            ended.unwrap_or_else(|error| panic!("{round}: {error:?}"));
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
        let lift = format!(
            "set transaction read write; alter database {name} reset default_transaction_read_only"
        );
        let mut lifting = admin.begin().await.expect("begun");
        lifting.execute(AssertSqlSafe(lift)).await.expect("lifted");
        lifting.commit().await.expect("committed");
        // The sessions of before are still there, and read-only.
        let id = format!("msg_{round}_after");
        let posted = app.relay().post(&id, &message("kept by the relay")).await;
        assert_eq!(posted.status, 200, "{}", posted.text());
        assert_eq!(app.get("/readyz").await.status, 200);
    }
}

/// A replica is started while the database is read-only, and becomes ready with it.
#[tokio::test]
async fn a_start_on_a_read_only_database_waits_for_it() {
    let store = TestStore::postgres().await;
    let config = DatabaseConfig {
        migrate_on_start: true,
        ..store.config.clone()
    };
    // Another one was started before: the database has its keys.
    let first = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    let database = first.base.database.as_ref().expect("Postgres");
    let name = database.name();
    database
        .run(&format!(
            "alter database {name} set default_transaction_read_only = on"
        ))
        .await;
    let store = open(&config).await.expect("it starts");
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
async fn messages_are_stored_while_requests_hold_all_connections_of_the_pool() {
    let store = TestStore::postgres().await;
    let app = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    let Pools::Postgres(pool) = app.store.pools() else {
        panic!("a server");
    };
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.expect("a connection"));
    }
    assert_eq!(held.len(), 6, "eight, of which two are kept");
    let posted = app.mini().post("msg_1", &message("hello")).await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    assert_eq!(app.get("/readyz").await.status, 200);
}
