//! Traits of a person: setting, limit on their number, deletion.

use archety_backend::people::MAX_TRAITS;
use archety_backend::store::people::TraitsError;
use archety_backend::store::{Actor, Store};
use rstest::rstest;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::rows::{ADA, BEN, signed_in, themselves};
use crate::store::message_builder::id;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

async fn set(store: &Store, actor: &Actor, given: &[(&str, &str)]) -> Result<usize, TraitsError> {
    let values: Vec<Box<RawValue>> = given
        .iter()
        .map(|(_, json)| RawValue::from_string((*json).to_owned()).expect("json"))
        .collect();
    let given: Vec<_> = given
        .iter()
        .zip(&values)
        .map(|((name, _), value)| (id(), *name, &**value))
        .collect();
    let rows = store
        .set_traits(actor, &given, "user", MAX_TRAITS, NOW)
        .await?;
    Ok(rows.len())
}

/// Each trait as `name=value by source`.
async fn shown(s: &TestStore, actor: &Actor) -> Vec<String> {
    let rows = s.store.traits(&themselves(actor)).await.expect("read");
    rows.iter()
        .map(|row| format!("{}={} by {}", row.name, row.value.0, row.source))
        .collect()
}

#[rstest]
#[tokio::test]
async fn traits_are_set_replaced_and_deleted_by_name(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await;
    let ben = signed_in(s, BEN, NOW).await;
    set(&s.store, &ada, &[("likes", "[\"tea\"]"), ("null", "null")])
        .await
        .unwrap();
    set(&s.store, &ada, &[("likes", "1")]).await.unwrap();
    set(&s.store, &ben, &[("likes", "\"coffee\"")])
        .await
        .unwrap();
    assert_eq!(
        shown(s, &ada).await,
        ["likes=1 by user", "null=null by user"]
    );
    assert_eq!(s.store.delete_traits(&ada, Some("likes")).await.unwrap(), 1);
    assert_eq!(s.store.delete_traits(&ada, Some("likes")).await.unwrap(), 0);
    assert_eq!(shown(s, &ada).await, ["null=null by user"]);
    assert_eq!(s.store.delete_traits(&ada, None).await.unwrap(), 1);
    assert_eq!(
        shown(s, &ben).await,
        ["likes=\"coffee\" by user"],
        "{}",
        s.kind
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_sets_of_traits_stay_within_the_limit_and_an_unknown_person_gets_none(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let ada = signed_in(&s, ADA, NOW).await;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (store, ada) = (s.second().await, ada.clone());
        tasks.spawn(async move {
            let names: Vec<String> = (0..30).map(|m| format!("t{n}.{m}")).collect();
            let given: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
            set(&store, &ada, &given).await.is_ok()
        });
    }
    let accepted = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|is_accepted| *is_accepted)
        .count();
    // A person has at most 100 traits, so only three of the eight sets of 30 fit.
    assert_eq!(accepted, 3, "{}", s.kind);
    assert_eq!(shown(&s, &ada).await.len(), 90);
    let mut unknown = ada.clone();
    unknown.user_id = id();
    let refused = set(&s.store, &unknown, &[("x", "1")]).await;
    assert!(matches!(refused, Err(TraitsError::Gone)), "{refused:?}");
}
