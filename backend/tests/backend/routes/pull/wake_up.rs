//! A held pull is answered as soon as a command is committed, on whichever replica.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archety_backend::config::{Environment, RelayAuth};
use archety_backend::store::Store;
use rstest::rstest;

use super::support::{carried, held_pull, mini, rows, write};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestApp, TestStore, secrets};

/// Far more than a wake-up takes, and less than the pause between two looks.
const SOON: Duration = Duration::from_millis(500);

#[rstest]
#[tokio::test]
async fn a_commit_wakes_the_held_pull(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let listening = tokio::spawn({
        let store = app.store.clone();
        async move { store.listen().await }
    });
    let mut waits = Vec::new();
    let mut after = (0, String::new());
    for n in 1..=20 {
        let held = held_pull(&app, &n.to_string(), (after.0, &after.1)).await;
        let id = format!("cmd_{n}");
        write(&app.store, &id, &["Hi!"]).await;
        let committed = Instant::now();
        let answer = held.answer().await;
        waits.push(committed.elapsed());
        assert_eq!(carried(&answer), rows(&[(n, &id, false)]));
        after = (n, id);
    }
    waits.sort();
    println!(
        "{}: commit to answer p50 {:?}, max {:?}",
        app.kind, waits[10], waits[19]
    );
    // The first pull on Postgres may be held before anything listens.
    assert!(waits[18] < SOON, "{waits:?}");
    listening.abort();
}

/// The replica that holds the pull is not the one that commits the command.
#[tokio::test]
async fn a_commit_of_another_replica_wakes_the_held_pull() {
    let base = TestStore::postgres().await;
    let (writing, holding) = (base.store.clone(), base.second().await);
    let base = Arc::new(base);
    let app = TestApp::replica(base, holding.clone(), RelayAuth::Both, &secrets()).await;
    let listening = tokio::spawn(async move { holding.listen().await });
    let mut waits = Vec::new();
    let mut after = (0, String::new());
    for n in 1..=20 {
        let held = held_pull(&app, &n.to_string(), (after.0, &after.1)).await;
        let id = format!("cmd_{n}");
        write(&writing, &id, &["Hi!"]).await;
        let committed = Instant::now();
        let answer = held.answer().await;
        waits.push(committed.elapsed());
        assert_eq!(carried(&answer), rows(&[(n, &id, false)]));
        after = (n, id);
    }
    waits.sort();
    println!(
        "two replicas: commit to answer p50 {:?}, max {:?}",
        waits[10], waits[19]
    );
    assert!(waits[18] < SOON, "{waits:?}");
    listening.abort();
}

/// A command of `archety-backend` writes beside a running server, and a notification may get lost.
#[rstest]
#[tokio::test]
async fn a_look_finds_a_command_of_which_no_bell_told(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let beside = Store::open_beside(&app.base.config, Environment::Development, NOW).await;
    let beside = beside.expect("a store beside the server");
    let held = held_pull(&app, "1", (0, "")).await;
    let held_too = held_pull(&app, "2", (0, "")).await;
    app.store.look_for_commands().await.expect("looked");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(held.is_held() && held_too.is_held(), "there is no command");
    write(&beside, "cmd_a", &["Hi!"]).await;
    app.store.look_for_commands().await.expect("looked");
    for held in [held, held_too] {
        assert_eq!(carried(&held.answer().await), rows(&[(1, "cmd_a", false)]));
    }
    assert!(!app.store.holds_pull_of(&mini()));
    beside.close().await;
}
