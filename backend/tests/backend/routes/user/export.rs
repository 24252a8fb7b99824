//! `GET /user/export`.

use std::time::Duration;

use http::Method;

use rstest::rstest;

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

const ADA: &str = "+15550100001";

#[rstest]
#[tokio::test]
async fn an_export_has_messages_and_sessions_and_like_a_deletion_needs_a_recent_step_up(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.relay().post("msg_1", &message("said")).await;
    let ada = app.signed_in(ADA).await;
    let export = ada.get(&app, "/user/export").await;
    assert_eq!(export.status, 200, "{}", export.text());
    assert_eq!(export.header("content-type"), Some("application/json"));
    let document = export.json();
    assert_eq!(document["messages"][0]["text"], "said");
    assert_eq!(document["sessions"].as_array().map(Vec::len), Some(1));
    assert!(
        !document["auth_events"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    assert!(
        !export.text().contains("token"),
        "the export contains no session token"
    );
    app.clock.advance(Duration::from_mins(11));
    for (method, path) in [(Method::GET, "/user/export"), (Method::DELETE, "/user")] {
        let refused = ada.call(&app, method, path, None).await;
        assert_eq!(
            (refused.status.as_u16(), refused.fault().as_str()),
            (403, "step_up_required")
        );
    }
}
