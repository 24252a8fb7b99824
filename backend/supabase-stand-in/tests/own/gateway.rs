//! The imitation of the hosted gateway, with keys in the right and in the wrong headers.

use serde_json::json;
use supabase_stand_in::{Gateway, Settings, Signing};

use crate::client::{Scene, answer};

const USERS: &str = "/auth/v1/admin/users?page=1&per_page=1";

#[tokio::test]
async fn a_secret_key_alone_is_replaced_by_a_token() {
    for signing in [Signing::Hs256, Signing::Es256, Signing::Es256Only] {
        let settings = Settings {
            signing,
            ..Settings::default()
        };
        let scene = Scene::new(settings).await;
        let key = scene.stand_in.secret_key();
        let (status, _) = answer(scene.request("GET", USERS).header("apikey", key)).await;
        assert_eq!(status, 200, "{signing:?}");
        let key = scene.stand_in.publishable_key();
        let (status, body) = answer(scene.request("GET", USERS).header("apikey", key)).await;
        assert_eq!((status, &body["error_code"]), (403, &json!("not_admin")));
    }
}

#[tokio::test]
async fn a_secret_key_that_is_also_a_bearer_token_is_passed_on_and_refused() {
    let scene = Scene::new(Settings::default()).await;
    let key = scene.stand_in.secret_key();
    let request = scene
        .request("GET", USERS)
        .header("apikey", key)
        .bearer_auth(key);
    let (status, body) = answer(request).await;
    assert_eq!((status, &body["error_code"]), (403, &json!("bad_jwt")));
}

#[tokio::test]
async fn a_legacy_key_is_required_in_both_headers() {
    let scene = Scene::new(Settings::default()).await;
    let key = scene.stand_in.service_key();
    let request = scene.request("GET", USERS).header("apikey", key);
    let (status, body) = answer(request).await;
    assert_eq!(
        (status, &body["error_code"]),
        (401, &json!("no_authorization"))
    );
    let request = scene
        .request("GET", USERS)
        .header("apikey", key)
        .bearer_auth(key);
    assert_eq!(answer(request).await.0, 200);
}

#[tokio::test]
async fn a_request_without_a_valid_key_gets_only_the_public_keys() {
    let scene = Scene::new(Settings::default()).await;
    let (status, body) = answer(scene.request("GET", "/auth/v1/settings")).await;
    assert_eq!(status, 401);
    assert_eq!(body["message"], "No API key found in request");
    let request = scene
        .request("GET", "/auth/v1/settings")
        .header("apikey", "sb_secret_unknown");
    let (status, body) = answer(request).await;
    assert_eq!((status, &body["message"]), (401, &json!("Invalid API key")));
    // The public keys that verify access tokens need no API key.
    let (status, _) = answer(scene.request("GET", "/auth/v1/.well-known/jwks.json")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_secret_key_in_a_browser_is_refused() {
    let scene = Scene::new(Settings::default()).await;
    let request = scene
        .request("GET", USERS)
        .header("apikey", scene.stand_in.secret_key())
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
    assert_eq!(answer(request).await.0, 401);
}

#[tokio::test]
async fn without_a_gateway_the_prefix_needs_no_key() {
    let settings = Settings {
        gateway: Gateway::None,
        ..Settings::default()
    };
    let scene = Scene::new(settings).await;
    let (status, _) = answer(scene.request("GET", "/auth/v1/settings")).await;
    assert_eq!(status, 200);
    let (status, _) = answer(scene.request("GET", "/auth/v2/settings")).await;
    assert_eq!(status, 404);
}
