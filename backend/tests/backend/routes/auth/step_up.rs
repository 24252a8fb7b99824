//! What needs a code that was confirmed just now, in this very session.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::{TestApp, TestPhone, apps};

async fn step_up_until(app: &TestApp, phone: &TestPhone) -> Option<String> {
    let session = phone.get(app, "/auth/session").await.json();
    session["step_up_until"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_code_counts_for_ten_minutes_and_can_be_renewed_in_the_session() {
    for app in apps().await {
        let ada = app.signed_in("+15550100001").await;
        assert!(
            step_up_until(&app, &ada).await.is_some(),
            "the code that opened it"
        );
        app.clock.advance(Duration::from_mins(11));
        assert_eq!(step_up_until(&app, &ada).await, None);
        let ask = json!({ "phone": "+15550100001", "purpose": "step_up" });
        let started = ada
            .call(&app, Method::POST, "/auth/verify/start", Some(&ask))
            .await;
        assert_eq!(started.status, 200, "{}", started.text());
        let confirm = json!({
            "phone": "+15550100001",
            "code": "100001",
            "challenge_id": started.json()["challenge_id"],
        });
        // Nobody else's session, and no sign-in, can use it.
        let eve = app.signed_in("+15550100002").await;
        let answer = eve
            .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
            .await;
        assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
        let answer = app.post_json("/auth/verify/confirm", &confirm).await;
        assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
        let confirmed = ada
            .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
            .await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        assert!(
            confirmed.json()["access_token"].is_null(),
            "it is the same session"
        );
        assert!(step_up_until(&app, &ada).await.is_some());
        let again = ada
            .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
            .await;
        assert_eq!(again.fault(), "code_expired", "once");
    }
}

#[tokio::test]
async fn only_a_signed_in_person_steps_up_and_only_by_their_own_number() {
    for app in apps().await {
        let ask = json!({ "phone": "+15550100001", "purpose": "step_up" });
        let answer = app.post_json("/auth/verify/start", &ask).await;
        assert_eq!(answer.status, 401);
        let eve = app.signed_in("+15550100002").await;
        let answer = eve
            .call(&app, Method::POST, "/auth/verify/start", Some(&ask))
            .await;
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
}
