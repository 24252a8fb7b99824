//! The curl commands of the documentation work as printed against a backend without any configuration.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Serving {
    backend: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Serving {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut backend = Command::new(env!("CARGO_BIN_EXE_archety-backend"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(backend.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("a URL");
        Self {
            url: url.to_owned(),
            backend,
            _folder: folder,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.backend.kill();
        let _ = self.backend.wait();
    }
}

/// Sends the body unchanged, as `curl -d` does, with the headers of the printed command.
async fn post(serving: &Serving, path: &str, body: &'static str) -> (u16, Value) {
    let sent = reqwest::Client::new()
        .post(format!("{}{path}", serving.url))
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let status = sent.status().as_u16();
    (status, sent.json().await.expect("JSON"))
}

#[tokio::test]
async fn the_printed_commands_work_as_printed() {
    let serving = Serving::start();
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
        .get(format!("{}/user/profile", serving.url))
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
