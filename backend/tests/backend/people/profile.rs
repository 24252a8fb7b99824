//! The profile of a person: user, traits, relationship and onboarding.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::people::ProfileView;
use archety_backend::store::people::Reader;
use rstest::rstest;
use serde_json::{Value, json};

use super::rows::{ADA, BEN, execute, from_person, signed_in, store, themselves};
use crate::store::message_builder::id;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

async fn profile(s: &TestStore, reader: &Reader) -> Value {
    let row = s.store.profile(reader).await.expect("read");
    serde_json::to_value(ProfileView::from(&row.expect("a person"))).expect("json")
}

#[rstest]
#[tokio::test]
async fn a_profile_has_the_trait_profile_and_the_newest_relationship_and_onboarding_if_any(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await;
    let reader = themselves(&ada);
    let empty = profile(s, &reader).await;
    assert_eq!(
        empty,
        json!({
            "user": {
                "id": ada.user_id,
                "phone": ADA,
                "name": null,
                "created_at": "2026-09-21T14:13:20Z",
                "updated_at": null,
                "last_sign_in_at": "2026-09-21T14:13:20Z",
            },
            "trait_profile": null,
            "relationship": null,
            "onboarding": { "status": "not_started" },
        })
    );
    store(s, from_person("a", ADA, at(1))).await;
    let mut to_other = from_person("b", ADA, at(2));
    to_other.persona_id = Some("other".to_owned());
    store(s, to_other).await;
    let json_of =
        |text: &str| sqlx::types::Json(serde_json::from_str::<Value>(text).expect("json"));
    execute!(
        s,
        "insert into trait_profiles (user_id, profile, created_at, updated_at) values ($1, $2, $3, $3)",
        ada.user_id,
        json_of(r#"{"openness": 0.5, "words": ["kind"]}"#),
        NOW
    );
    for (started, stage) in [(at(1), "first"), (at(2), "asked_name")] {
        execute!(
            s,
            "insert into onboarding_sessions (id, user_id, persona_id, stage, answers, started_at, updated_at) \
             values ($1, $2, 'sage', $3, $4, $5, $5)",
            id(),
            ada.user_id,
            stage,
            json_of(r#"{"name": "Ada"}"#),
            started
        );
    }
    let full = profile(s, &reader).await;
    assert_eq!(
        full["trait_profile"],
        json!({ "openness": 0.5, "words": ["kind"] })
    );
    assert_eq!(
        full["relationship"],
        json!({
            "persona_id": "other",
            "stage": "new",
            "trust_score": 0.0,
            "message_count": 1,
            "last_interaction_at": "2026-09-21T14:13:22Z",
        })
    );
    assert_eq!(
        full["onboarding"],
        json!({
            "status": "in_progress",
            "persona_id": "sage",
            "stage": "asked_name",
            "answers": { "name": "Ada" },
            "completed": false,
            "started_at": "2026-09-21T14:13:22Z",
            "updated_at": "2026-09-21T14:13:22Z",
            "completed_at": null,
        })
    );
    let ben = signed_in(s, BEN, NOW).await;
    assert_eq!(
        profile(s, &themselves(&ben)).await["relationship"],
        Value::Null
    );
}

#[rstest]
#[tokio::test]
async fn a_name_is_changed_and_removed_but_not_for_an_unknown_id(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await;
    for name in [Some("Ada"), None] {
        let row = s.store.rename(&ada, name, at(5)).await.expect("renamed");
        let user = row.expect("a person").user;
        assert_eq!((user.name.as_deref(), user.updated_at), (name, Some(at(5))));
    }
    let mut unknown = ada.clone();
    unknown.user_id = id();
    assert!(
        s.store
            .rename(&unknown, Some("x"), NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        s.store
            .profile(&themselves(&unknown))
            .await
            .unwrap()
            .is_none()
    );
}
