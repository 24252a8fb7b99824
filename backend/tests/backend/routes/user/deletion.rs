//! `DELETE /user`, and what is left of it for whoever comes back.

use http::Method;
use http::header::SET_COOKIE;

use crate::support::{apps, message};

const ADA: &str = "+15550100001";

#[tokio::test]
async fn a_person_is_gone_at_once_everywhere() {
    for app in apps().await {
        let relay = app.relay();
        relay.post("msg_1", &message("said")).await;
        let ada = app.signed_in(ADA).await;
        let elsewhere = app.signed_in(ADA).await;
        assert_eq!(elsewhere.get(&app, "/user/profile").await.status, 200);
        let deleted = ada.call(&app, Method::DELETE, "/user", None).await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
        for phone in [&ada, &elsewhere] {
            assert_eq!(phone.get(&app, "/user/profile").await.status, 401);
            assert_eq!(phone.get(&app, "/user/messages").await.status, 401);
            assert_eq!(phone.refresh(&app).await.status, 401);
        }
        // The relay never heard that its message was taken, and sends it again.
        let retry = relay.post("msg_1", &message("said")).await;
        assert_eq!(retry.json()["status"], "duplicate", "{}", retry.text());
        let again = app.signed_in(ADA).await;
        assert_ne!(again.user_id, ada.user_id);
        let left = again.get(&app, "/user/messages").await.json();
        assert_eq!(left["messages"], serde_json::json!([]), "{}", app.kind);
    }
}

#[tokio::test]
async fn a_browser_needs_its_csrf_token_and_loses_its_cookies() {
    for app in apps().await {
        let mut browser = app.browser_of(ADA).await;
        let mut forged = browser.clone();
        forged.csrf_token = None;
        let refused = forged.call(&app, Method::DELETE, "/user", None).await;
        assert_eq!(refused.fault(), "csrf_failed");
        let deleted = browser.call(&app, Method::DELETE, "/user", None).await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
        assert!(deleted.headers.get_all(SET_COOKIE).iter().count() >= 2);
    }
}
