//! Two replicas work on the commands of one relay at once. Only Postgres has two replicas.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::config::RelayAuth;
use serde_json::Value;
use shared_protocol::{Cancel, CommandBody};
use sqlx::{Connection, PgConnection};

use super::support::{
    carried, first_pull, pull_after, pull_with_acks, states, strings, write, write_body,
};
use crate::support::{TestApp, TestStore, secrets};

/// Two replicas on one database.
async fn replicas() -> [TestApp; 2] {
    let base = TestStore::postgres().await;
    let stores = [base.store.clone(), base.second().await];
    let base = Arc::new(base);
    let [a, b] = stores.map(|store| {
        let base = Arc::clone(&base);
        async move { TestApp::replica(base, store, RelayAuth::Both, &secrets()).await }
    });
    [a.await, b.await]
}

/// Ids of commands whose alphabetical order is not that of their numbers.
fn ids() -> Vec<String> {
    (0..300).map(|n| format!("cmd_{}", n * 7 % 300)).collect()
}

async fn answered(app: &TestApp, n: &str, body: &Value) -> Value {
    let answer = app.mini().pull(&format!("pull_{n}"), body).await;
    assert_eq!(answer.status, 200, "{n}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_ack_hand_renumber_and_write_hundreds_of_commands_at_once() {
    const ROUNDS: usize = 8;
    let apps = Box::pin(replicas()).await;
    for id in ids() {
        write(&apps[0].store, &id, &["1", "2"]).await;
    }
    let mut work = tokio::task::JoinSet::new();
    for (r, app) in apps.iter().enumerate() {
        // Each replica acks all bubbles, in an order of its own, in lists that overlap.
        for state in ["received", "row_seen", "sent"] {
            let app = app.clone();
            work.spawn(async move {
                let mut ids = ids();
                if r == 1 {
                    ids.reverse();
                }
                for (n, ids) in ids.chunks(50).enumerate() {
                    let acks: Vec<_> = (ids.iter())
                        .flat_map(|id| [(&**id, 1, state), (&**id, 0, state)])
                        .collect();
                    answered(
                        &app,
                        &format!("ack_{r}_{state}_{n}"),
                        &pull_with_acks(&acks),
                    )
                    .await;
                }
            });
        }
        let handing = app.clone();
        work.spawn(async move {
            for n in 0..ROUNDS {
                answered(&handing, &format!("hand_{r}_{n}"), &first_pull("one")).await;
            }
        });
        let renumbering = app.clone();
        work.spawn(async move {
            for n in 0..ROUNDS {
                let seq = 10_000 * (i64::try_from(n).expect("small") + 1);
                let after = pull_after("one", (seq, &format!("cmd_lost_{n}")));
                answered(&renumbering, &format!("restored_{r}_{n}"), &after).await;
            }
        });
        let writing = app.clone();
        work.spawn(async move {
            for n in 0..ROUNDS * 4 {
                let cancel = CommandBody::Cancel(Cancel {
                    ids: vec![format!("cmd_{n}")],
                    chat_guid: None,
                });
                write_body(&writing.store, &format!("cmd_cancel_{r}_{n}"), &cancel).await;
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.expect("no panic");
    }
    let base = &apps[0].base;
    let not_sent = "select count(*) from command_bubbles b join commands c on c.relay = b.relay
                    and c.id = b.command_id where c.kind = 'send_message' and b.state <> 'sent'";
    assert_eq!(base.number(not_sent).await, 0);
    let open = "select count(*) from commands where kind = 'send_message' and done_at is null";
    assert_eq!(base.number(open).await, 0, "finished");
    let all = "select count(*) from commands where kind = 'cancel'";
    assert_eq!(base.number(all).await, 64);
    // Every open command can still be handed: none has a number that the relay has passed.
    let mut after = (80_000, "cmd_lost_7".to_owned());
    let mut rest = 0;
    loop {
        let body = pull_after("one", (after.0, &after.1));
        let answer = answered(&apps[1], &format!("rest_{}", after.0), &body).await;
        let commands = carried(&answer);
        let Some((seq, id, _)) = commands.last().cloned() else {
            break;
        };
        rest += commands.len();
        after = (seq, id);
    }
    let unfinished = base.number("select count(*) from commands where done_at is null");
    assert_eq!(i64::try_from(rest).expect("few"), unfinished.await);
}

/// How many statements wait for a lock.
async fn waiting(connection: &mut PgConnection) -> i64 {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    let waiting = sqlx::query_scalar(sql).fetch_one(connection).await;
    waiting.expect("a number")
}

/// The acks of an installation wait for a bubble. Meanwhile the relay is moved, and another installation pulls.
#[tokio::test]
async fn the_lease_cannot_be_lost_while_its_acks_are_stored() {
    let [one, two] = Box::pin(replicas()).await;
    write(&one.store, "cmd_a", &["1"]).await;
    answered(&one, "1", &first_pull("one")).await;
    let database = one.base.database.as_ref().expect("Postgres");
    let (mut locking, mut observer) = (database.connect().await, database.connect().await);
    let mut lock = locking.begin().await.expect("begun");
    sqlx::query("select 1 from command_bubbles for update")
        .execute(&mut *lock)
        .await
        .expect("locked");
    let acking = tokio::spawn({
        let app = one.clone();
        async move { answered(&app, "2", &pull_with_acks(&[("cmd_a", 0, "sent")])).await }
    });
    while waiting(&mut observer).await < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    two.clock.advance(Duration::from_secs(91));
    let taking = tokio::spawn({
        let app = two.clone();
        async move { app.mini().pull("pull_3", &first_pull("two")).await.status }
    });
    while waiting(&mut observer).await < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let holder = "select lease_instance from relays";
    assert_eq!(strings(&one.base, holder).await, ["one"]);
    lock.rollback().await.expect("unlocked");
    acking.await.expect("answered");
    assert_eq!(
        taking.await.expect("no panic"),
        200,
        "the lease has expired"
    );
    assert_eq!(states(&one.base).await, ["sent"]);
    assert_eq!(strings(&one.base, holder).await, ["two"]);
}
