//! Users that a test adds and changes directly.

use std::time::Duration;

use serde_json::json;
use supabase_stand_in::{Seed, Settings};

use crate::client::{PASSWORD, PHONE, Scene};

#[tokio::test]
async fn a_seeded_user_is_as_described() {
    let scene = Scene::new(Settings::default()).await;
    let seed = Seed::phone(PHONE)
        .password(PASSWORD)
        .unconfirmed()
        .and_email("someone@example.com")
        .identity("google")
        .factor()
        .app_metadata("plan", json!("x"))
        .user_metadata("name", json!("Ada"));
    let id = scene.stand_in.seed(seed);
    let (status, body) = scene.grant(PHONE, PASSWORD).await;
    assert_eq!(
        (status, &body["error_code"]),
        (400, &json!("phone_not_confirmed"))
    );
    let (_, user) = scene
        .as_admin("GET", &format!("/admin/users/{id}"), &json!({}))
        .await;
    assert_eq!(
        user["app_metadata"]["providers"],
        json!(["email", "phone", "google"])
    );
    assert_eq!(user["app_metadata"]["plan"], "x");
    assert_eq!(user["factors"][0]["status"], "verified");
    let person = scene.stand_in.person(id).unwrap();
    assert_eq!(person.phone, "15550100150");
    assert!(!person.phone_confirmed);
}

#[tokio::test]
async fn a_test_can_ban_expire_and_delete() {
    let scene = Scene::new(Settings::default()).await;
    let stand_in = &scene.stand_in;
    let id = stand_in.seed(Seed::phone(PHONE).password(PASSWORD));
    let (_, one) = scene.grant(PHONE, PASSWORD).await;
    let (_, two) = scene.grant(PHONE, PASSWORD).await;
    assert_eq!(stand_in.session_count(id), 2);

    stand_in.ban(id, Duration::from_hours(1));
    assert_eq!(
        scene.refresh(&one["refresh_token"]).await.1["error_code"],
        "user_banned"
    );
    assert_eq!(stand_in.session_count(id), 2);
    stand_in.clock().advance(Duration::from_hours(2));
    assert_eq!(scene.refresh(&one["refresh_token"]).await.0, 200);
    stand_in.ban(id, Duration::from_hours(1));
    stand_in.unban(id);

    let sessions = stand_in.person(id).unwrap().sessions;
    stand_in.expire_session(sessions[1]);
    let (_, body) = scene.refresh(&two["refresh_token"]).await;
    assert_eq!(body["error_code"], "session_expired");
    let token = json!(stand_in.access_token(sessions[1]));
    assert_eq!(scene.show_own_user(&token).await.0, 200);

    stand_in.end_sessions(id);
    assert_eq!(
        scene.show_own_user(&token).await.1["error_code"],
        "session_not_found"
    );
    stand_in.set_password(id, "another");
    assert_eq!(
        scene.grant(PHONE, PASSWORD).await.1["error_code"],
        "invalid_credentials"
    );
    stand_in.unconfirm_phone(id);
    assert_eq!(
        scene.grant(PHONE, "another").await.1["error_code"],
        "phone_not_confirmed"
    );
    stand_in.delete(id);
    assert_eq!(
        scene.show_own_user(&token).await.1["error_code"],
        "user_not_found"
    );
    assert!(stand_in.person_by_phone(PHONE).is_none());
}
