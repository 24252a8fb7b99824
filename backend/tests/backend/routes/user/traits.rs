//! `GET`, `PUT` and `DELETE /user/traits`.

use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Postgres, Sqlite, TestApp, TestPhone};

const ADA: &str = "+15550100001";
const BEN: &str = "+15550100002";

async fn put(app: &TestApp, person: &TestPhone, traits: &Value) -> crate::support::Answered {
    let body = json!({ "traits": traits });
    person
        .call(app, Method::PUT, "/user/traits", Some(&body))
        .await
}

#[rstest]
#[tokio::test]
async fn traits_are_set_shown_to_their_person_and_deleted_and_invalid_ones_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ada = app.signed_in(ADA).await;
    let ben = app.signed_in(BEN).await;
    let set = put(
        &app,
        &ada,
        &json!({ "likes": ["tea", 1, null], "mood": "calm" }),
    )
    .await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(
        set.json()["traits"]["likes"]["value"],
        json!(["tea", 1, null])
    );
    assert_eq!(set.json()["traits"]["mood"]["source"], "user");
    put(&app, &ada, &json!({ "mood": null })).await;
    let shown = ada.get(&app, "/user/traits").await.json();
    assert_eq!(shown["traits"]["mood"]["value"], Value::Null);
    assert_eq!(
        shown["traits"].as_object().map(serde_json::Map::len),
        Some(2)
    );
    assert_eq!(
        ben.get(&app, "/user/traits").await.json(),
        json!({ "traits": {} })
    );
    for (wrong, field) in [
        (json!({ "Bad Name": 1 }), "traits"),
        (json!({ "big": "x".repeat(5_000) }), "traits.big"),
        (json!({ "nul": "\u{0}" }), "traits.nul"),
        (json!([]), "traits"),
    ] {
        let refused = put(&app, &ada, &wrong).await;
        assert_eq!(refused.fault(), "invalid_fields", "{wrong}");
        assert_eq!(refused.json()["violations"][0]["field"], field);
    }
    let delete = async |path: &str| ada.call(&app, Method::DELETE, path, None).await.status;
    assert_eq!(delete("/user/traits?name=likes").await, 204);
    assert_eq!(delete("/user/traits?name=A%20B").await, 422);
    assert_eq!(
        ada.get(&app, "/user/traits").await.json()["traits"]["likes"],
        Value::Null
    );
    assert_eq!(delete("/user/traits").await, 204);
    assert_eq!(
        ada.get(&app, "/user/traits").await.json(),
        json!({ "traits": {} })
    );
}

#[rstest]
#[tokio::test]
async fn a_body_with_anything_but_an_object_of_traits_is_refused_without_its_values(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ada = app.signed_in(ADA).await;
    for (body, field) in [
        (json!({ "traits": [] }), "traits"),
        (json!({ "traits": [["mood", "calm"]] }), "traits"),
        (json!({ "traits": "calm" }), "traits"),
        (json!({ "traits": null }), "traits"),
        (json!([{ "mood": "calm" }]), "(body)"),
        (json!({ "traits": {}, "mood": "calm" }), "mood"),
        (json!({ "traits": {}, "so me": "calm" }), "(unknown)"),
    ] {
        let refused = ada
            .call(&app, Method::PUT, "/user/traits", Some(&body))
            .await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text());
        let violation = &refused.json()["violations"][0];
        assert_eq!(violation["field"], field, "{body}");
        assert!(
            !violation["message"].to_string().contains("calm"),
            "{violation}"
        );
    }
}
