//! Rules without a recording, which follow from other recordings or from the real server's source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use supabase_stand_in::{RefreshTokens, Seed, Settings};

use crate::client::{PASSWORD, PHONE, Scene, answer};

fn seed_user(scene: &Scene) {
    scene.stand_in.seed(Seed::phone(PHONE).password(PASSWORD));
}

#[tokio::test]
async fn without_a_race_a_second_create_is_a_duplicate() {
    let settings = Settings {
        creation_race: Duration::ZERO,
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    let body = json!({ "phone": PHONE, "phone_confirm": true });
    assert_eq!(scene.as_admin("POST", "/admin/users", &body).await.0, 200);
    assert_eq!(scene.as_admin("POST", "/admin/users", &body).await.0, 422);
}

#[tokio::test]
async fn each_password_check_takes_the_configured_time() {
    let settings = Settings {
        grant_delay: Duration::from_millis(50),
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    seed_user(&scene);
    let before = std::time::Instant::now();
    let (one, two) = tokio::join!(scene.grant(PHONE, PASSWORD), scene.grant(PHONE, PASSWORD));
    assert_eq!((one.0, two.0), (200, 200));
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert_ne!(one.1["refresh_token"], two.1["refresh_token"]);
}

#[tokio::test]
async fn an_idle_session_ends_and_a_refreshed_one_does_not() {
    let settings = Settings {
        session_inactivity: Some(Duration::from_hours(2)),
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    seed_user(&scene);
    let (_, idle) = scene.grant(PHONE, PASSWORD).await;
    let (_, mut used) = scene.grant(PHONE, PASSWORD).await;
    for _ in 0..3 {
        scene.stand_in.clock().advance(Duration::from_hours(1));
        let (status, next) = scene.refresh(&used["refresh_token"]).await;
        assert_eq!(status, 200);
        used = next;
    }
    let (_, body) = scene.refresh(&idle["refresh_token"]).await;
    assert_eq!(body["error_code"], "session_expired");
    assert!(body["msg"].as_str().unwrap().contains("Inactivity"));
}

#[tokio::test]
async fn a_reused_token_of_the_newer_kind_ends_the_session_unless_rotation_is_off() {
    for rotation in [true, false] {
        let settings = Settings {
            refresh_tokens: RefreshTokens::V2,
            rotation,
            ..Settings::default()
        };
        let scene = Scene::new(settings).await;
        seed_user(&scene);
        let (_, first) = scene.grant(PHONE, PASSWORD).await;
        let (_, second) = scene.refresh(&first["refresh_token"]).await;
        let (_, third) = scene.refresh(&second["refresh_token"]).await;
        scene.stand_in.clock().advance(Duration::from_secs(11));
        let (status, body) = scene.refresh(&first["refresh_token"]).await;
        assert_eq!(
            (status, &body["error_code"]),
            (400, &json!("refresh_token_already_used"))
        );
        let expected = if rotation { 400 } else { 200 };
        assert_eq!(scene.refresh(&third["refresh_token"]).await.0, expected);
    }
}

#[tokio::test]
async fn a_refresh_token_of_another_server_is_refused() {
    let settings = Settings {
        refresh_tokens: RefreshTokens::V2,
        ..Settings::default()
    };
    let (scene, other) = (
        Scene::new(settings.clone()).await,
        Scene::new(settings).await,
    );
    seed_user(&scene);
    seed_user(&other);
    let (_, foreign) = other.grant(PHONE, PASSWORD).await;
    assert_eq!(scene.refresh(&foreign["refresh_token"]).await.0, 400);
}

#[tokio::test]
async fn with_autoconfirm_a_sign_up_confirms_any_number() {
    let settings = Settings {
        sms_autoconfirm: true,
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    let body = json!({ "phone": PHONE, "password": PASSWORD });
    let (status, answer) = scene.as_admin("POST", "/signup", &body).await;
    assert_eq!(
        (status, answer["user"]["phone"].as_str()),
        (200, Some("15550100150"))
    );
    assert_eq!(scene.grant(PHONE, PASSWORD).await.0, 200);
    let (_, again) = scene.as_admin("POST", "/signup", &body).await;
    assert_eq!(again["error_code"], "user_already_exists");
}

#[tokio::test]
async fn an_unconfirmed_sign_up_stores_its_password_and_metadata() {
    let mut codes = BTreeMap::new();
    codes.insert("15550100150".to_owned(), "123456".to_owned());
    let settings = Settings {
        sms_test_otp: codes,
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    let body = json!({ "phone": PHONE, "password": "Strangers-Own-1", "data": { "name": "x" } });
    assert_eq!(scene.as_admin("POST", "/signup", &body).await.0, 200);
    let person = scene.stand_in.person_by_phone(PHONE).unwrap();
    assert!(!person.phone_confirmed);
    assert_eq!(person.password, "Strangers-Own-1");
    assert_eq!(person.user_metadata["name"], "x");
    // To another number no code can be sent, and no user is created.
    let body = json!({ "phone": "+15550100151", "password": "Strangers-Own-1" });
    assert_eq!(scene.as_admin("POST", "/signup", &body).await.0, 500);
    assert!(scene.stand_in.person_by_phone("+15550100151").is_none());
}

#[tokio::test]
async fn metadata_is_merged_by_key_and_null_removes_a_key() {
    let scene = Scene::new(Settings::default()).await;
    let seed = Seed::phone(PHONE)
        .app_metadata("a", json!(1))
        .app_metadata("b", json!(2));
    let id = scene.stand_in.seed(seed);
    let change = json!({ "app_metadata": { "a": null, "c": 3 } });
    let path = format!("/admin/users/{id}");
    let (_, user) = scene.as_admin("PUT", &path, &change).await;
    let metadata = &user["app_metadata"];
    assert_eq!(
        (metadata.get("a"), &metadata["b"], &metadata["c"]),
        (None, &json!(2), &json!(3))
    );
}

#[tokio::test]
async fn a_password_change_requires_the_current_password() {
    let settings = Settings {
        require_current_password: true,
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    seed_user(&scene);
    let (_, session) = scene.grant(PHONE, PASSWORD).await;
    let change = |body: Value| {
        let token = session["access_token"].as_str().unwrap();
        answer(
            scene
                .request("PUT", "/user")
                .bearer_auth(token)
                .body(body.to_string()),
        )
    };
    let wrong = json!({ "password": "Users-Own-1", "current_password": "no" });
    assert_eq!(change(wrong).await.0, 400);
    let right = json!({ "password": "Users-Own-1", "current_password": PASSWORD });
    assert_eq!(change(right).await.0, 200);
    assert_eq!(scene.grant(PHONE, "Users-Own-1").await.0, 200);
}

#[tokio::test]
async fn a_page_links_to_the_next_and_the_last() {
    let scene = Scene::new(Settings::default()).await;
    for number in 0..5 {
        scene
            .stand_in
            .seed(Seed::phone(&format!("1555010016{number}")));
    }
    let mut phones = Vec::new();
    for page in 1..=3 {
        let path = format!("/admin/users?page={page}&per_page=2");
        let request = scene
            .request("GET", &path)
            .bearer_auth(scene.stand_in.service_key());
        let response = request.send().await.unwrap();
        let link = response.headers()["link"].to_str().unwrap().to_owned();
        assert_eq!(link.contains("rel=\"next\""), page < 3, "{link}");
        let body: Value = response.json().await.unwrap();
        phones.extend(
            body["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["phone"].clone()),
        );
    }
    let newest_first = [
        "15550100164",
        "15550100163",
        "15550100162",
        "15550100161",
        "15550100160",
    ];
    assert_eq!(phones, newest_first);
}
