//! The sign-in requests that the README shows succeed on a backend without any configuration.

use serde_json::Value;

use crate::cli::Serving;

/// Sends the body unchanged, as `curl -d` does.
async fn post(serving: &Serving, path: &str, body: &'static str) -> (u16, Value) {
    let response = reqwest::Client::new()
        .post(format!("http://{}{path}", serving.address))
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

#[tokio::test]
async fn the_readmes_requests_sign_a_person_in_and_read_their_profile() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serving = Serving::start(folder.path(), &[]);
    let (status, started) = post(
        &serving,
        "/auth/verify/start",
        r#"{"phone": "+15551234567"}"#,
    )
    .await;
    assert_eq!(status, 200, "{started}");
    let confirm =
        "{\n\"phone\": \"+15551234567\",\n\"code\": \"123456\",\n\"name\": \"Test User\"\n}";
    let (status, confirmed) = post(&serving, "/auth/verify/confirm", confirm).await;
    assert_eq!(status, 200, "{confirmed}");
    for field in ["access_token", "refresh_token", "user_id"] {
        assert!(confirmed[field].is_string(), "{field} in {confirmed}");
    }
    let token = confirmed["access_token"].as_str().expect("a token");
    let profile = reqwest::Client::new()
        .get(format!("http://{}/user/profile", serving.address))
        .header("Authorization", format!("Bearer {token}"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(profile.status(), 200);
    let profile: Value = profile.json().await.expect("JSON");
    assert_eq!(profile["user"]["phone"], "+15551234567", "{profile}");
    assert_eq!(profile["user"]["name"], "Test User", "{profile}");
    for part in ["trait_profile", "relationship"] {
        assert!(profile.get(part).is_some(), "{part} in {profile}");
    }
}
