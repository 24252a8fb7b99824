//! Faults: what the client sees, and whether the request took effect.

use std::time::Duration;

use serde_json::{Value, json};
use supabase_stand_in::{Answer, Fault, Seed, Settings, faults};

use crate::client::{PASSWORD, PHONE, Scene, answer};

async fn scene() -> Scene {
    let scene = Scene::new(Settings::default()).await;
    scene.stand_in.seed(Seed::phone(PHONE).password(PASSWORD));
    scene
}

fn session_count(scene: &Scene) -> usize {
    scene
        .stand_in
        .person_by_phone(PHONE)
        .unwrap()
        .sessions
        .len()
}

#[tokio::test]
async fn a_request_takes_effect_if_only_its_answer_is_dropped() {
    let scene = scene().await;
    let body = json!({ "phone": PHONE, "password": PASSWORD }).to_string();
    let grant = || {
        scene
            .request("POST", "/token?grant_type=password")
            .body(body.clone())
    };

    scene.stand_in.faults().next("/token", Fault::Drop);
    assert!(grant().send().await.is_err());
    assert_eq!(session_count(&scene), 0);

    scene.stand_in.faults().next("/token", Fault::DropAfter);
    assert!(grant().send().await.is_err());
    assert_eq!(session_count(&scene), 1);

    assert_eq!(grant().send().await.unwrap().status(), 200);
    let logged = scene.stand_in.requests().all();
    let statuses: Vec<_> = logged.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, None, Some(200)]);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_repeated_with_the_old_token() {
    let scene = scene().await;
    let (_, first) = scene.grant(PHONE, PASSWORD).await;
    let old = &first["refresh_token"];
    let lost = scene.request("POST", "/token?grant_type=refresh_token");
    scene
        .stand_in
        .faults()
        .next("grant_type=refresh_token", Fault::DropAfter);
    let body = json!({ "refresh_token": old }).to_string();
    assert!(lost.body(body).send().await.is_err());
    scene.stand_in.clock().advance(Duration::from_mins(5));
    let (status, second) = scene.refresh(old).await;
    assert_eq!(status, 200);
    assert_ne!(second["refresh_token"], *old);
    assert_eq!(scene.refresh(&second["refresh_token"]).await.0, 200);
}

#[tokio::test]
async fn a_client_that_disconnects_stops_a_delayed_request_but_not_a_delayed_answer() {
    let scene = scene().await;
    let body = json!({ "phone": PHONE, "password": PASSWORD }).to_string();
    for (fault, expected_sessions) in [
        (Fault::Hang(Duration::from_mins(1)), 0),
        (Fault::HangAfter(Duration::from_mins(1)), 1),
    ] {
        scene.stand_in.faults().next("/token", fault);
        let request = scene
            .request("POST", "/token?grant_type=password")
            .timeout(Duration::from_millis(100));
        assert!(
            request
                .body(body.clone())
                .send()
                .await
                .unwrap_err()
                .is_timeout()
        );
        assert_eq!(session_count(&scene), expected_sessions);
    }
}

#[tokio::test]
async fn html_redirects_and_error_answers_can_be_scheduled() {
    let scene = scene().await;
    let get = |fault: Fault| {
        scene.stand_in.faults().next("GET /settings", fault);
        answer(scene.request("GET", "/settings"))
    };
    let (status, body) = get(Fault::html(502)).await;
    assert_eq!(status, 502);
    assert!(body.as_str().unwrap().starts_with("<html>"));
    let (status, body) = get(Fault::garbage()).await;
    assert!(status == 200 && body.is_string());
    assert_eq!(get(Fault::redirect("http://127.0.0.1:9/")).await.0, 302);
    assert_eq!(
        get(Fault::empty(401)).await,
        (401, Value::String(String::new()))
    );
    for (fault, status, code) in [
        (faults::rate_limited(), 429, "over_request_rate_limit"),
        (faults::conflict(), 409, "conflict"),
        (faults::timed_out(), 504, "request_timeout"),
        (faults::unrecognized_kid(), 403, "bad_jwt"),
        (
            faults::phone_provider_disabled(),
            422,
            "phone_provider_disabled",
        ),
    ] {
        let (got, body) = get(fault).await;
        assert_eq!((got, &body["error_code"]), (status, &json!(code)));
    }
    assert_eq!(get(faults::bad_api_key()).await.0, 401);
    assert_eq!(answer(scene.request("GET", "/settings")).await.0, 200);
}

#[tokio::test]
async fn a_timed_out_request_may_have_taken_effect() {
    let scene = scene().await;
    scene
        .stand_in
        .faults()
        .next("/token", faults::timed_out_after_writing());
    assert_eq!(scene.grant(PHONE, PASSWORD).await.0, 504);
    assert_eq!(session_count(&scene), 1);
    let answer = Answer::empty(reqwest::StatusCode::BAD_GATEWAY);
    scene
        .stand_in
        .faults()
        .times(2, "/token", Fault::Answer(answer));
    assert_eq!(scene.grant(PHONE, PASSWORD).await.0, 502);
    scene.stand_in.faults().clear();
    assert_eq!(scene.grant(PHONE, PASSWORD).await.0, 200);
}

#[tokio::test]
async fn a_stopped_server_closes_idle_connections() {
    let Scene { stand_in, .. } = Scene::new(Settings::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/health", stand_in.url());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 200);
    drop(stand_in);
    assert!(http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn the_log_holds_each_request_with_its_headers_and_body() {
    let scene = scene().await;
    scene.grant(PHONE, PASSWORD).await;
    scene.grant(PHONE, "wrong").await;
    let requests = scene.stand_in.requests();
    assert_eq!(requests.count("POST /token?grant_type=password"), 2);
    let first = &requests.all()[0];
    assert!(
        first.headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Bearer ey")
    );
    assert!(first.body.contains(PHONE));
    requests.clear();
    assert_eq!(requests.all().len(), 0);
}
