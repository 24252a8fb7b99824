//! A number is proved, a session begins: for an app with tokens, for a browser with cookies.

use http::Method;
use serde_json::json;

use crate::support::{TestBrowser, apps};

#[tokio::test]
async fn an_app_signs_in_with_a_number_and_its_code() {
    for app in apps().await {
        let start = json!({ "phone": "+15551234567" });
        let started = app.post_json("/auth/verify/start", &start).await;
        assert_eq!(started.status, 200, "{}", started.text());
        let told = started.json();
        assert_eq!(told["code_length"], 6);
        assert!(told["challenge_id"].is_string() && told["expires_in"].as_u64() > Some(60));
        let confirm = json!({ "phone": "+15551234567", "code": "123456", "name": "Test User" });
        let confirmed = app.post_json("/auth/verify/confirm", &confirm).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        let body = confirmed.json();
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(body["expires_in"], 3600);
        assert!(confirmed.header("set-cookie").is_none());
        assert_eq!(confirmed.header("cache-control"), Some("no-store"));
        let bearer = format!("Bearer {}", body["access_token"].as_str().expect("a token"));
        let session = app
            .call(
                Method::GET,
                "/auth/session",
                &[("authorization", &bearer)],
                None,
            )
            .await
            .json();
        assert_eq!(session["authenticated"], true);
        assert_eq!(session["user_id"], body["user_id"]);
        assert_eq!(session["phone"], "+15551234567");
    }
}

#[tokio::test]
async fn a_browser_signs_in_and_no_script_gets_a_token() {
    for app in apps().await {
        let mut browser = TestBrowser::new();
        let confirmed = browser.sign_in(&app, "+15550100001").await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        let body = confirmed.json();
        assert!(
            body["access_token"].is_null() && body["refresh_token"].is_null(),
            "{body}"
        );
        assert!(body["csrf_token"].is_string());
        let session = browser.get(&app, "/auth/session").await.json();
        assert_eq!(session["authenticated"], true, "{session}");
        assert_eq!(session["user_id"], body["user_id"]);
    }
}
