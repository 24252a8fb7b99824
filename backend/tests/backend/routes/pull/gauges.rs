//! What the last heartbeats say stands in `/metrics`.

use std::time::Duration;

use archety_backend::relay::gauges;
use rstest::rstest;
use serde_json::json;

use super::support::first_pull;
use crate::support::{Engine, Postgres, Sqlite, TestApp, TestRelay};

/// All tests share the metrics of the process, so each database has a relay of its own.
#[rstest]
#[case(Sqlite, "mini", TestApp::mini)]
#[case(Postgres, "default", TestApp::relay)]
#[tokio::test]
async fn metrics_tell_queues_ledger_breaker_and_the_last_pull_of_a_relay(
    #[case] engine: Engine,
    #[case] name: &str,
    #[case] relay: fn(&TestApp) -> TestRelay<'_>,
) {
    let app = TestApp::new(engine).await;
    let now = app.clock.now().as_secs();
    let mut body = first_pull("one");
    body["status"] = json!({
        "version": "0.1.0", "last_good_scan_at": now - 1, "outbox_depth": 3, "parked": 1,
        "waiting": 2, "quarantined": 4, "doctor_codes": ["automation_denied"],
        "free_disk_bytes": 50_000,
        "sending": {
            "paused": true, "queued": 5, "open": 6, "held": 7, "unknown": 8, "limited": 9,
            "stopped_until": now + 60,
        },
    });
    assert_eq!(relay(&app).pull("pull_1", &body).await.status, 200);
    let mut rehearsal = first_pull("two");
    rehearsal["rehearsal"] = json!(true);
    assert_eq!(relay(&app).pull("pull_2", &rehearsal).await.status, 200);
    let metrics = async || {
        gauges::update(&app.store, app.clock.now())
            .await
            .expect("read");
        app.metrics().await
    };
    let told = metrics().await;
    for (metric, labels, value) in [
        ("last_seen_timestamp_seconds", "", now),
        ("last_scan_timestamp_seconds", "", now - 1),
        ("outbox_messages", "", 3),
        ("parked_messages", "", 1),
        ("waiting_rows", "", 2),
        ("quarantined_messages", "", 4),
        ("failing_checks", "", 1),
        ("free_disk_bytes", "", 50_000),
        ("bubbles", ",state=\"queued\"", 5),
        ("bubbles", ",state=\"open\"", 6),
        ("bubbles", ",state=\"held\"", 7),
        ("bubbles", ",state=\"unknown\"", 8),
        ("limited_chats", "", 9),
        ("sending_stopped", ",reason=\"owner\"", 1),
        ("sending_stopped", ",reason=\"breaker\"", 1),
    ] {
        let line = format!("relay_{metric}{{relay=\"{name}\"{labels}}} {value}\n");
        assert!(told.contains(&line), "{line}{told}");
    }
    assert!(!told.contains(&format!("{name}/rehearsal")));
    app.clock.advance(Duration::from_mins(1));
    let closed = format!("relay_sending_stopped{{relay=\"{name}\",reason=\"breaker\"}} 0\n");
    assert!(metrics().await.contains(&closed), "the breaker tries again");
}
