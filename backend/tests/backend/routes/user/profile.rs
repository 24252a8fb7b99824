//! Profile, traits, onboarding: read and changed by whoever is signed in, and nobody else.

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestPhone, apps};

const ADA: &str = "+15550100001";
const BEN: &str = "+15550100002";

async fn put(app: &TestApp, who: &TestPhone, traits: &Value) -> crate::support::Answered {
    let body = json!({ "traits": traits });
    who.call(app, Method::PUT, "/user/traits", Some(&body))
        .await
}

#[tokio::test]
async fn the_profile_is_there_after_signing_in() {
    for app in apps().await {
        let mut said = crate::support::message("hello");
        said["persona_id"] = json!("edge");
        app.relay().post("msg_1", &said).await;
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
}

#[tokio::test]
async fn a_name_is_set_kept_and_cleared() {
    for app in apps().await {
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
}

#[tokio::test]
async fn traits_are_set_shown_and_forgotten() {
    for app in apps().await {
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
}

#[tokio::test]
async fn nobody_gets_in_without_a_session() {
    for app in apps().await {
        for (method, path) in [
            (Method::GET, "/user/profile"),
            (Method::PATCH, "/user/profile"),
            (Method::GET, "/user/traits"),
            (Method::PUT, "/user/traits"),
            (Method::DELETE, "/user/traits"),
            (Method::GET, "/user/onboarding"),
            (Method::GET, "/user/messages"),
            (Method::GET, "/user/export"),
            (Method::DELETE, "/user"),
        ] {
            let refused = app.call(method.clone(), path, &[], None).await;
            assert_eq!(refused.status, 401, "{method} {path}");
            let headers = [("authorization", "Bearer not.a.token")];
            let refused = app.call(method.clone(), path, &headers, None).await;
            assert_eq!(refused.status, 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn traits_are_an_object_and_nothing_stands_beside_them() {
    for app in apps().await {
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
}
