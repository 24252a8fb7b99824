//! Mentions: stored with the message, and removed when the mentioned person is deleted.

use archety_backend::keyring::Keyring;
use archety_backend::people::delete_person;
use archety_backend::store::NewMessage;
use rstest::rstest;
use serde_json::Value;
use sqlx::types::Json;

use super::everything::pepper;
use super::handles::erase;
use super::rows::{ADA, BEN, execute, in_group, select, signed_in, store};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const CLEO: &str = "cleo@example.com";

fn mentioning(identity: &str, writer: &str, mentions: &[&str]) -> NewMessage {
    let mut message = in_group(identity, "g", writer, NOW);
    message.chat.participants.clear();
    message.mentions = mentions.iter().map(|&address| address.to_owned()).collect();
    let json = serde_json::json!({ "mentions": mentions, "group_name": "run", "reply_to_part": 1 });
    message.meta_data = Some(json.to_string());
    message
}

/// The mentions in the metadata of each message, and the rows of the table `mentions`.
async fn mentions(s: &TestStore) -> (Vec<Value>, Vec<(String, String)>) {
    let kept: Vec<(Json<Value>,)> = select!(s, "select meta_data from messages order by identity");
    let found = select!(
        s,
        "select m.identity, t.address from mentions t join messages m on m.id = t.message_id \
         order by m.identity, t.address"
    );
    let kept = kept.into_iter().map(|row| {
        let meta_data = row.0.0;
        assert_eq!(meta_data["group_name"], "run");
        assert_eq!(meta_data["reply_to_part"], 1);
        meta_data["mentions"].clone()
    });
    (kept.collect(), found)
}

#[rstest]
#[tokio::test]
async fn mentions_go_with_their_message_and_with_the_mentioned_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await.user_id;
    store(s, mentioning("1", BEN, &[CLEO, ADA, BEN, ADA])).await;
    store(s, mentioning("2", BEN, &[ADA])).await;
    store(s, mentioning("3", BEN, &[CLEO])).await;
    store(s, mentioning("4 by ada", ADA, &[BEN, ADA])).await;
    let keyring = Keyring::parse("the session secret of the tests 0001").expect("long enough");
    delete_person(&s.store, &pepper(), &keyring, ada, NOW)
        .await
        .expect("deleted");
    let (kept, found) = mentions(s).await;
    let expected = [vec![CLEO, BEN], vec![], vec![CLEO]].map(|list| serde_json::json!(list));
    assert_eq!(kept, expected, "{}", s.kind);
    let row = |identity: &str, address: &str| (identity.to_owned(), address.to_owned());
    assert_eq!(
        found,
        [row("1", BEN), row("1", CLEO), row("3", CLEO)],
        "{}",
        s.kind
    );
    execute!(s, "delete from conversations");
    assert_eq!(mentions(s).await, (vec![], vec![]), "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn mentions_of_a_handle_without_a_person_are_deleted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, mentioning("1", BEN, &["tel:+15550100077", CLEO])).await;
    store(s, mentioning("2", BEN, &["+15550100077"])).await;
    assert_eq!(erase(s, "+15550100077").await, 2, "{}", s.kind);
    let (kept, _) = mentions(s).await;
    let expected = [serde_json::json!([CLEO]), serde_json::json!([])];
    assert_eq!(kept, expected, "{}", s.kind);
    assert_eq!(erase(s, "+15550100077").await, 0);
    assert_eq!(erase(s, "E:Cleo@Example.com").await, 1, "{}", s.kind);
    let (kept, found) = mentions(s).await;
    assert_eq!(kept, [serde_json::json!([]), serde_json::json!([])]);
    assert!(found.is_empty(), "{found:?}");
}
