//! A backend whose database was restored from a backup meets a relay that knows more than the backup.

use std::time::Duration;

use archety_backend::store::Store;
use archety_backend::store::replies::{Heartbeat, TakenHeartbeat};
use rstest::rstest;
use serde_json::Value;
use shared_protocol::{After, RelayStatus};

use super::support::{
    at, carried, execute, first_pull, mini, pull, pull_after, pull_with_acks, rows, strings, write,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp};

const IDS: &str = "select id from commands order by seq";

/// The commands of an answer without the one that asks for messages, and the time since which that one does.
fn without_resend(answer: &Value) -> (Vec<(i64, String, bool)>, Option<i64>) {
    let mut commands = carried(answer);
    let listed = answer["commands"].as_array().expect("a list");
    let resend = listed
        .iter()
        .find(|command| command["kind"] == "resend_since");
    let since = resend.and_then(|command| command["since"].as_i64());
    if let Some(resend) = resend {
        let id = resend["id"].as_str().expect("an id");
        commands.retain(|(_, other, _)| other != id);
    }
    (commands, since)
}

#[rstest]
#[tokio::test]
async fn a_backup_with_fewer_commands_numbers_its_open_ones_above_those_of_the_relay(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    for id in ["cmd_a", "cmd_b", "cmd_c"] {
        write(&app.store, id, &["1"]).await;
    }
    pull(&relay, "1", &first_pull("one")).await;
    let last_pull_in_the_backup = app.clock.now().as_secs();
    let done = pull_with_acks(&[("cmd_a", 0, "sent"), ("cmd_b", 0, "received")]);
    pull(&relay, "2", &done).await;
    app.clock.advance(Duration::from_mins(1));
    // The relay has stored five more commands that the backup lacks.
    let after = pull_after("one", (8, "cmd_lost"));
    let answer = pull(&relay, "3", &after).await;
    let (commands, since) = without_resend(&answer);
    assert_eq!(commands, rows(&[(9, "cmd_b", true), (10, "cmd_c", false)]));
    assert_eq!(since, Some(last_pull_in_the_backup - 3_600));
    assert!(
        app.metrics()
            .await
            .contains("relay_alerts_total{kind=\"restored_backend\"}")
    );
    // Until the relay has stored them, it asks from below. Nothing is numbered twice.
    let again = pull(&relay, "4", &after).await;
    assert_eq!(again["commands"], answer["commands"]);
    write(&app.store, "cmd_d", &["1"]).await;
    let answer = pull(&relay, "5", &pull_after("one", (10, "cmd_c"))).await;
    let (commands, since) = without_resend(&answer);
    assert_eq!(
        (commands, since.is_some()),
        (rows(&[(12, "cmd_d", false)]), true)
    );
}

#[rstest]
#[tokio::test]
async fn another_command_under_the_number_of_the_relay_shows_the_restore(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    for id in ["cmd_a", "cmd_b", "cmd_c", "cmd_d"] {
        write(&app.store, id, &["1"]).await;
    }
    // The backend has gone on after the restore, and has used number 2 for another command, which is finished.
    pull(&relay, "1", &pull_with_acks(&[("cmd_b", 0, "sent")])).await;
    let after = pull_after("one", (2, "cmd_other"));
    let (commands, since) = without_resend(&pull(&relay, "2", &after).await);
    assert_eq!(
        commands,
        rows(&[
            (5, "cmd_a", false),
            (7, "cmd_c", false),
            (8, "cmd_d", false)
        ])
    );
    assert!(since.is_some());
    let ids = strings(&app.base, IDS).await;
    assert_eq!(ids[..5], ["cmd_other", "cmd_a", "cmd_b", "cmd_c", "cmd_d"]);
    let (again, _) = without_resend(&pull(&relay, "3", &after).await);
    assert_eq!(again, commands);
}

/// A command is derived from what it answers, so the restored backend may make it again, under another number.
#[rstest]
#[tokio::test]
async fn a_command_that_was_made_again_gets_the_number_that_the_relay_knows(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    for id in ["cmd_new", "cmd_again"] {
        write(&app.store, id, &["1"]).await;
    }
    let after = pull_after("one", (5, "cmd_again"));
    let (commands, _) = without_resend(&pull(&relay, "1", &after).await);
    assert_eq!(commands, rows(&[(6, "cmd_new", false)]));
    assert_eq!(strings(&app.base, IDS).await[..2], ["cmd_again", "cmd_new"]);
    let acks = pull_with_acks(&[("cmd_again", 0, "sent")]);
    let mut acks = acks;
    acks["after"] = after["after"].clone();
    pull(&relay, "2", &acks).await;
    let finished = "select count(*) from commands where done_at is not null";
    assert_eq!(app.base.number(finished).await, 1);
}

/// The backup had open turns. Its backend answers them as the one before did, before the relay asks.
#[rstest]
#[tokio::test]
async fn the_same_commands_under_the_same_numbers_show_the_restore_until_they_are_handed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    pull(&relay, "0", &first_pull("one")).await;
    for id in ["cmd_a", "cmd_b", "cmd_c"] {
        write(&app.store, id, &["1"]).await;
    }
    let after = pull_after("one", (2, "cmd_b"));
    let (commands, since) = without_resend(&pull(&relay, "1", &after).await);
    assert_eq!(commands, rows(&[(4, "cmd_a", false), (5, "cmd_c", false)]));
    assert!(since.is_some());
    // The number that the relay names counts as handed now, so nothing gets another number.
    let (again, _) = without_resend(&pull(&relay, "2", &after).await);
    assert_eq!(again, commands);
}

#[rstest]
#[tokio::test]
async fn numbers_of_deleted_commands_are_no_sign_of_a_restore(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["1"]).await;
    write(&app.store, "cmd_b", &["1"]).await;
    execute(&app.base, "delete from commands where id = 'cmd_a'").await;
    let answer = pull(&relay, "1", &pull_after("one", (1, "cmd_a"))).await;
    assert_eq!(carried(&answer), rows(&[(2, "cmd_b", false)]));
    assert_eq!(strings(&app.base, IDS).await, ["cmd_b"]);
}

/// An empty database is no backup: there is no time since which messages are missing.
#[rstest]
#[tokio::test]
async fn an_empty_database_asks_for_no_messages(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let after = pull_after("one", (8, "cmd_lost"));
    let answer = pull(&app.mini(), "1", &after).await;
    assert_eq!(carried(&answer), []);
    write(&app.store, "cmd_a", &["1"]).await;
    let answer = pull(&app.mini(), "2", &after).await;
    assert_eq!(carried(&answer), rows(&[(9, "cmd_a", false)]));
}

#[tokio::test]
async fn two_replicas_that_see_the_restore_at_once_number_the_commands_once() {
    let app = TestApp::new(Postgres).await;
    let store = app.base.second().await;
    write(&app.store, "cmd_a", &["1"]).await;
    pull(&app.mini(), "1", &first_pull("one")).await;
    let renumber = |store: Store| async move {
        let heartbeat = Heartbeat {
            relay: &mini(),
            instance: "one",
            status: &RelayStatus::default(),
            after: Some(&After {
                seq: 8,
                id: "cmd_lost".to_owned(),
            }),
            acks: &[],
            lease: None,
        };
        let taken = store.take_heartbeat(heartbeat, at(1)).await;
        let TakenHeartbeat::Taken { restored, .. } = taken.expect("stored") else {
            panic!("another installation has the lease");
        };
        restored.is_some()
    };
    let (a, b) = tokio::join!(renumber(app.store.clone()), renumber(store));
    assert!(a != b, "one of the two: {a} {b}");
    assert_eq!(strings(&app.base, IDS).await.len(), 3);
}

/// A statement in place of which the database stops: as if the process died there.
async fn break_renumbering(app: &TestApp) {
    match app.kind {
        "postgres" => {
            execute(
                &app.base,
                "alter table commands add constraint broken check (kind <> 'lost')",
            )
            .await;
        }
        _ => {
            execute(
                &app.base,
                "create trigger broken before insert on commands when new.kind = 'lost'
                 begin select raise(abort, 'broken'); end",
            )
            .await;
        }
    }
}

async fn mend_renumbering(app: &TestApp) {
    let sql = match app.kind {
        "postgres" => "alter table commands drop constraint broken",
        _ => "drop trigger broken",
    };
    execute(&app.base, sql).await;
}

#[rstest]
#[tokio::test]
async fn a_pull_that_fails_while_commands_are_numbered_keeps_the_time_of_the_last_pull(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["1"]).await;
    pull(&relay, "1", &first_pull("one")).await;
    let last_pull_in_the_backup = app.clock.now().as_secs();
    let after = pull_after("one", (8, "cmd_lost"));
    break_renumbering(&app).await;
    for n in ["2", "3"] {
        app.clock.advance(Duration::from_mins(1));
        let failed = relay.pull(&format!("pull_{n}"), &after).await;
        assert_eq!(failed.status, 500);
    }
    mend_renumbering(&app).await;
    app.clock.advance(Duration::from_mins(1));
    let (commands, since) = without_resend(&pull(&relay, "4", &after).await);
    assert_eq!(commands, rows(&[(9, "cmd_a", false)]));
    assert_eq!(since, Some(last_pull_in_the_backup - 3_600));
}
