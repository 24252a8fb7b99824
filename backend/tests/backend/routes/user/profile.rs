//! `GET` and `PATCH /user/profile`, `GET /user/onboarding`.

use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Postgres, Sqlite, TestApp};

const ADA: &str = "+15550100001";
const BEN: &str = "+15550100002";

#[rstest]
#[tokio::test]
async fn a_profile_has_number_relationship_and_onboarding_status_after_the_first_sign_in(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut first_message = crate::support::message("hello");
    first_message["persona_id"] = json!("edge");
    app.relay().post("msg_1", &first_message).await;
    let ada = app.signed_in(ADA).await;
    let answer = ada.get(&app, "/user/profile").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let profile = answer.json();
    assert_eq!(profile["user"]["id"], ada.user_id.as_str());
    assert_eq!(profile["user"]["phone"], ADA);
    assert_eq!(profile["trait_profile"], Value::Null);
    assert_eq!(profile["relationship"]["persona_id"], "edge");
    assert_eq!(profile["relationship"]["stage"], "new");
    assert_eq!(profile["relationship"]["message_count"], 1);
    assert_eq!(profile["onboarding"], json!({ "status": "not_started" }));
    let onboarding = ada.get(&app, "/user/onboarding").await;
    assert_eq!(onboarding.json(), json!({ "status": "not_started" }));
}

#[rstest]
#[tokio::test]
async fn a_name_is_set_and_removed_and_invalid_names_and_other_fields_are_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ada = app.signed_in(ADA).await;
    let patch = async |body: Value| {
        ada.call(&app, Method::PATCH, "/user/profile", Some(&body))
            .await
    };
    let named = patch(json!({ "name": " Ada " })).await;
    assert_eq!(named.json()["user"]["name"], "Ada");
    for field in ["phone", "id", "Name"] {
        let refused = patch(json!({ "name": "Eve", field: BEN })).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.json()["violations"][0]["field"], field);
    }
    assert_eq!(patch(json!({})).await.json()["user"]["name"], "Ada");
    assert_eq!(
        patch(json!({ "name": null })).await.json()["user"]["name"],
        Value::Null
    );
    for wrong in [
        json!(""),
        json!("a\u{0}b"),
        json!("x".repeat(256)),
        json!("a\nb"),
        json!("\u{200b}\u{200e}"),
        json!(1),
        json!([]),
    ] {
        let refused = patch(json!({ "name": wrong })).await;
        assert_eq!(refused.fault(), "invalid_fields", "{wrong}");
        assert_eq!(refused.json()["violations"][0]["field"], "name");
    }
}
