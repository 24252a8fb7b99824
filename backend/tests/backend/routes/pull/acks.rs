//! What relays report about the bubbles of commands.

use archety_backend::store::replies::TakenAcks;
use rstest::rstest;
use serde_json::json;
use shared_protocol::{Ack, AckState};

use super::support::{
    carried, execute, first_pull, pull, pull_with_acks, rows, states, strings, take, value, write,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

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
    let six_hours = 6 * 3_600;
    let now = app.clock.now().as_secs();
    for (ack, at) in [
        (seen(AckState::Received, None, None, i64::MIN), 0),
        (
            seen(AckState::RowSeen, None, Some("GUID"), now - six_hours),
            now - six_hours,
        ),
        (
            seen(AckState::Failed, Some("error_22"), None, now + six_hours),
            now + six_hours,
        ),
        (seen(AckState::Sent, None, None, i64::MAX), 253_402_300_799),
    ] {
        take(&app.store, &[ack]).await;
        let stored = value(&app.base, "select reached_at from command_bubbles").await;
        assert_eq!(
            stored.as_secs(),
            at,
            "by the Mac's clock, which may be far off"
        );
    }
    let guids = "select message_guid from command_bubbles";
    assert_eq!(strings(&app.base, guids).await, ["GUID"]);
    let without_code = "select count(*) from command_bubbles where code is null";
    assert_eq!(app.base.number(without_code).await, 1);
}

#[rstest]
#[tokio::test]
async fn an_ack_that_is_repeated_changes_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_a", &["1"]).await;
    let ack = |state| Ack {
        id: "cmd_a".to_owned(),
        bubble: 0,
        state,
        code: None,
        at: 0,
        message_guid: None,
    };
    let sent = ack(AckState::Sent);
    let taken = take(&app.store, &[sent.clone(), sent.clone()]).await;
    assert_eq!(
        (taken.changes.len(), taken.finished),
        (1, 1),
        "twice in one pull"
    );
    for acks in [vec![sent.clone()], vec![ack(AckState::Dispatched), sent]] {
        let taken = take(&app.store, &acks).await;
        assert_eq!(taken, TakenAcks::default(), "late, or in a further pull");
    }
}

/// A relay may find a row twice, or name one that is no row of ours.
#[rstest]
#[tokio::test]
async fn the_guid_of_another_message_changes_neither_that_message_nor_another_bubble(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    let mut theirs = message("theirs");
    theirs["message_guid"] = json!("THEIRS");
    assert_eq!(relay.post("msg_1", &theirs).await.status, 200);
    write(&app.store, "cmd_a", &["1", "2"]).await;
    for (n, bubble) in [(1, 0), (2, 1)] {
        let mut acks = pull_with_acks(&[("cmd_a", bubble, "sent")]);
        acks["acks"][0]["message_guid"] = json!("THEIRS");
        pull(&relay, &n.to_string(), &acks).await;
    }
    assert_eq!(states(&app.base).await, ["sent", "sent"]);
    let stored = "select count(*) from messages where role = 'user' and message_guid = 'THEIRS'";
    assert_eq!(app.base.number(stored).await, 1);
    assert_eq!(
        relay.post("msg_1", &theirs).await.json()["status"],
        "duplicate"
    );
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
            take(&app.store, &[ack]).await.finished
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

#[rstest]
#[tokio::test]
async fn five_thousand_acks_are_taken_500_at_a_time_and_more_at_once_are_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    let bubbles = ["1"; 50];
    let ids: Vec<_> = (0..100).map(|n| format!("cmd_{n}")).collect();
    for id in &ids {
        write(&app.store, id, &bubbles).await;
    }
    let all: Vec<_> = (0..5_000_u32)
        .map(|n| (&*ids[n as usize / 50], n % 50, "delivered"))
        .collect();
    let refused = relay.pull("pull_1", &pull_with_acks(&all[..501])).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["violations"][0]["field"], "acks");
    let refused = relay.pull("pull_2", &pull_with_acks(&all)).await;
    assert_eq!(refused.status, 413, "the body is too large for a pull");
    assert_eq!(strings(&app.base, OPEN).await.len(), 100);
    for (n, acks) in all.chunks(500).enumerate() {
        pull(&relay, &format!("taken_{n}"), &pull_with_acks(acks)).await;
    }
    assert_eq!(strings(&app.base, OPEN).await.len(), 0);
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
