//! What relays report about the bubbles of commands.

use rstest::rstest;
use serde_json::json;
use shared_protocol::{Ack, AckState};

use super::support::{
    at, carried, execute, first_pull, mini, pull, pull_with_acks, rows, states, strings, write,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp};

const OPEN: &str = "select id from commands where done_at is null order by seq";
const WITH_TEXT: &str = "select id from commands where body is not null order by seq";

#[rstest]
#[tokio::test]
async fn the_furthest_state_of_each_bubble_stays_in_any_order(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["1", "2", "3"]).await;
    let base = &app.base;
    for (n, acks, expected) in [
        (
            1,
            &[("cmd_a", 0, "received"), ("cmd_a", 1, "received")][..],
            ["received", "received", "pending"],
        ),
        (
            2,
            &[("cmd_a", 0, "row_seen"), ("cmd_a", 0, "dispatched")],
            ["row_seen", "received", "pending"],
        ),
        (
            3,
            &[("cmd_a", 0, "dispatched"), ("cmd_a", 2, "held")],
            ["row_seen", "received", "held"],
        ),
        (
            4,
            &[("cmd_a", 1, "unknown"), ("cmd_a", 0, "delivered")],
            ["delivered", "unknown", "held"],
        ),
        (
            5,
            &[("cmd_a", 0, "sent"), ("cmd_a", 2, "failed")],
            ["delivered", "unknown", "failed"],
        ),
        (
            6,
            &[("cmd_a", 1, "sent"), ("cmd_a", 2, "delivered")],
            ["delivered", "sent", "delivered"],
        ),
    ] {
        pull(&relay, &n.to_string(), &pull_with_acks(acks)).await;
        assert_eq!(states(base).await, expected, "{} {n}", app.kind);
        let is_open = n < 5;
        assert_eq!(strings(base, OPEN).await.len(), usize::from(is_open), "{n}");
        assert_eq!(
            strings(base, WITH_TEXT).await.len(),
            usize::from(is_open),
            "the text leaves once every bubble is final"
        );
    }
    let kept = "select count(*) from commands where body_hash is not null";
    assert_eq!(base.number(kept).await, 1);
}

#[rstest]
#[tokio::test]
async fn code_guid_and_time_of_a_state_are_stored(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    let seen = |state: AckState, code: Option<&str>, guid: Option<&str>, secs: i64| Ack {
        id: "cmd_a".to_owned(),
        bubble: 0,
        state,
        code: code.map(str::to_owned),
        at: secs,
        message_guid: guid.map(str::to_owned),
    };
    let take = async |ack: Ack| {
        let taken = app.store.take_acks(&mini(), &[ack], at(0)).await;
        taken.expect("taken")
    };
    take(seen(AckState::RowSeen, None, Some("GUID"), 7)).await;
    take(seen(AckState::Failed, Some("error_22"), None, 8)).await;
    // The Mac's clock may be far off.
    take(seen(AckState::Sent, None, None, i64::MAX)).await;
    let guids = "select message_guid from command_bubbles";
    assert_eq!(strings(&app.base, guids).await, ["GUID"]);
    let without_code =
        "select count(*) from command_bubbles where code is null and reached_at is not null";
    assert_eq!(app.base.number(without_code).await, 1);
}

#[rstest]
#[tokio::test]
async fn acks_of_forgotten_commands_are_counted_and_not_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    let acks = [
        ("cmd_gone", 0, "sent"),
        ("cmd_a", 9, "sent"),
        ("cmd_a", 0, "sent"),
    ];
    pull(&app.mini(), "1", &pull_with_acks(&acks)).await;
    assert_eq!(states(&app.base).await, ["sent"]);
    assert!(app.metrics().await.contains("forgotten_acks_total"));
    // The other relay has no such command.
    write(&app.store, "cmd_b", &["1"]).await;
    pull(&app.relay(), "2", &pull_with_acks(&[("cmd_b", 0, "sent")])).await;
    assert_eq!(states(&app.base).await, ["sent", "pending"]);
}

#[rstest]
#[tokio::test]
async fn only_the_installation_with_the_lease_reports(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    pull(&app.mini(), "1", &first_pull("two")).await;
    let acks = pull_with_acks(&[("cmd_a", 0, "sent")]);
    let refused = app.mini().pull("pull_2", &acks).await;
    assert_eq!(refused.fault(), "relay_elsewhere");
    assert_eq!(states(&app.base).await, ["pending"]);
}

/// A relay gives up a pull when it has acks, and the backend may still work on the one before.
#[rstest]
#[tokio::test]
async fn pulls_that_report_the_last_bubbles_at_once_finish_the_command(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    for n in 0..10 {
        let id = format!("cmd_{n}");
        write(&app.store, &id, &["1", "2", "3"]).await;
        let take = async |bubble: u32| {
            let ack = Ack {
                id: id.clone(),
                bubble,
                state: AckState::Sent,
                code: None,
                at: 0,
                message_guid: None,
            };
            let taken = app.store.take_acks(&mini(), &[ack], at(0)).await;
            taken.expect("taken").finished
        };
        let (a, b, c) = tokio::join!(take(0), take(1), take(2));
        assert_eq!(a + b + c, 1, "{}", app.kind);
    }
    assert_eq!(strings(&app.base, OPEN).await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_new_state_needs_attention_again(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    let count = async || app.store.attention_count().await.expect("counted");
    for (n, (state, listed)) in [("held", 1), ("unknown", 1), ("sent", 0)]
        .iter()
        .enumerate()
    {
        pull(
            &app.mini(),
            &n.to_string(),
            &pull_with_acks(&[("cmd_a", 0, state)]),
        )
        .await;
        assert_eq!(count().await, *listed, "{state}");
        execute(
            &app.base,
            "update command_bubbles set resolved_at = (select created_at from commands)",
        )
        .await;
        assert_eq!(count().await, 0);
    }
}

#[tokio::test]
async fn five_hundred_acks_are_taken_and_more_are_refused() {
    let app = TestApp::new(Sqlite).await;
    let bubbles = ["1"; 50];
    for n in 0..10 {
        write(&app.store, &format!("cmd_{n}"), &bubbles).await;
    }
    let ids: Vec<_> = (0..10).map(|n| format!("cmd_{n}")).collect();
    let all: Vec<_> = (0..500_u32)
        .map(|n| (&*ids[n as usize / 50], n % 50, "delivered"))
        .collect();
    pull(&app.mini(), "1", &pull_with_acks(&all)).await;
    assert_eq!(strings(&app.base, OPEN).await.len(), 0);
    let mut more = pull_with_acks(&all);
    let again = more["acks"][0].clone();
    more["acks"].as_array_mut().expect("a list").push(again);
    let refused = app.mini().pull("pull_2", &more).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["violations"][0]["field"], "acks");
}

#[tokio::test]
async fn malformed_acks_are_refused_with_their_field() {
    let app = TestApp::new(Sqlite).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["1"]).await;
    let cases = [
        (json!({ "id": "", "state": "sent" }), "acks[1].id"),
        (
            json!({ "id": "x".repeat(209), "state": "sent" }),
            "acks[1].id",
        ),
        (json!({ "id": "a\u{0}", "state": "sent" }), "acks[1].id"),
        (
            json!({ "id": "a", "bubble": 64, "state": "sent" }),
            "acks[1].bubble",
        ),
        (
            json!({ "id": "a", "state": "sent", "code": "\n" }),
            "acks[1].code",
        ),
        (
            json!({ "id": "a", "state": "sent", "message_guid": "\u{0}" }),
            "acks[1].message_guid",
        ),
        (json!({ "id": "a", "state": "seen" }), "(body)"),
        (json!({ "id": "a" }), "(body)"),
    ];
    for (n, (ack, field)) in cases.iter().enumerate() {
        let mut body = pull_with_acks(&[("cmd_a", 0, "sent")]);
        body["acks"]
            .as_array_mut()
            .expect("a list")
            .push(ack.clone());
        let refused = relay.pull(&format!("pull_{n}"), &body).await;
        assert_eq!(refused.status, 422, "{field}");
        assert_eq!(refused.json()["violations"][0]["field"], *field);
    }
    assert_eq!(states(&app.base).await, ["pending"], "nothing was taken");
    let answer = pull(&relay, "last", &first_pull("one")).await;
    assert_eq!(carried(&answer), rows(&[(1, "cmd_a", false)]));
}
