//! `/auth/…`.

mod bad_input;
mod browser;
mod confirm;
mod cookies;
mod start;

use serde_json::json;

use crate::support::TestApp;

/// Asks for a code; returns the status and the code of the problem, or `ok`.
async fn start(app: &TestApp, phone: &str) -> (u16, String) {
    let answer = app
        .post_json("/auth/verify/start", &json!({ "phone": phone }))
        .await;
    let code = match answer.status.as_u16() {
        200 => "ok".to_owned(),
        _ => answer.fault(),
    };
    (answer.status.as_u16(), code)
}
