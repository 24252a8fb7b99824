//! The messages that a person can read: direct conversations, groups, messages of the Mac's owner, and other
//! relays and lines.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::people::{MessagePosition, Reader};
use rstest::rstest;
use shared_protocol::RelayName;
use uuid::Uuid;

use super::rows::{
    ADA, BEN, from_person, in_group, page, reply, select, signed_in, store, texts, themselves,
    typed,
};
use crate::store::message_builder::{from, on_line};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

#[rstest]
#[tokio::test]
async fn a_person_reads_whole_direct_conversations_and_only_their_own_messages_in_groups(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("ada 1", ADA, at(1))).await;
    reply(s, "sage 1", "ada 1", at(2)).await;
    store(s, typed("typed to ada", ADA, at(3))).await;
    store(s, from_person("ben 1", BEN, at(4))).await;
    reply(s, "sage to ben", "ben 1", at(5)).await;
    store(s, in_group("ada in group", "g", ADA, at(6))).await;
    store(s, in_group("ben in group", "g", BEN, at(7))).await;
    reply(s, "sage in group", "ada in group", at(8)).await;
    let mut elsewhere = from_person("ada at mini", ADA, at(9));
    elsewhere.relay = RelayName::parse("mini").expect("valid");
    store(s, elsewhere).await;
    store(
        s,
        on_line(from_person("ada on a line", ADA, at(10)), "+15550100100"),
    )
    .await;
    store(
        s,
        on_line(from_person("ada on another", ADA, at(11)), "+15550100200"),
    )
    .await;
    // Ben writes in Ada's chat. The chat still belongs to Ada, and Ada sees Ben's message.
    let mut changed = from_person("ben in ada's chat", ADA, at(12));
    changed = from(changed, BEN);
    store(s, changed).await;
    // An e-mail handle belongs to no person.
    let mut opaque = from_person("from an address", "ada@example.com", at(13));
    opaque.phone = None;
    store(s, opaque).await;

    let ada = signed_in(s, ADA, at(20)).await;
    let ben = signed_in(s, BEN, at(20)).await;
    let adas = [
        "ben in ada's chat",
        "ada on another",
        "ada on a line",
        "ada at mini",
        "ada in group",
        "typed to ada",
        "sage 1",
        "ada 1",
    ];
    let bens = ["ben in group", "sage to ben", "ben 1"];
    for (actor, expected) in [(&ada, &adas[..]), (&ben, &bens)] {
        assert_eq!(texts(s, &themselves(actor)).await, expected, "{}", s.kind);
        let operator = Reader::Operator(actor.user_id);
        assert_eq!(texts(s, &operator).await, expected, "{}", s.kind);
    }
    let rows = page(s, &themselves(&ada), MessagePosition::TOP, 100, None).await;
    for row in &rows {
        let expected = if row.text.contains("group") {
            "group"
        } else {
            "direct"
        };
        assert_eq!(row.mode, expected, "{}", row.text);
    }
    // A page of one conversation holds its messages if they are Ada's, otherwise none.
    let conversation_of = async |text: &str| -> Uuid {
        let found: Vec<(Uuid,)> = select!(
            s,
            "select conversation_id from messages where text = $1",
            text
        );
        found[0].0
    };
    for (text, expected) in [
        ("ada at mini", vec!["ada at mini"]),
        ("ada in group", vec!["ada in group"]),
        ("ben 1", vec![]),
        ("from an address", vec![]),
    ] {
        let conversation = Some(conversation_of(text).await);
        let rows = page(
            s,
            &themselves(&ada),
            MessagePosition::TOP,
            100,
            conversation,
        )
        .await;
        let found: Vec<_> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(found, expected, "{}", s.kind);
    }
}

#[tokio::test]
async fn postgres_shows_and_changes_nothing_for_a_false_user_id() {
    let s = &TestStore::postgres().await;
    store(s, from_person("ada 1", ADA, at(1))).await;
    let ada = signed_in(s, ADA, at(2)).await;
    let ben = signed_in(s, BEN, at(2)).await;
    // As if the backend confused two people: Ben's subject with Ada's user id. The database goes by the subject.
    let mut mixed_up = ben.clone();
    mixed_up.user_id = ada.user_id;
    let reader = themselves(&mixed_up);
    assert!(texts(s, &reader).await.is_empty());
    assert!(s.store.profile(&reader).await.unwrap().is_none());
    assert!(s.store.traits(&reader).await.unwrap().is_empty());
    assert!(
        s.store
            .rename(&mixed_up, Some("x"), at(3))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(s.store.delete_traits(&mixed_up, None).await.unwrap(), 0);
}
