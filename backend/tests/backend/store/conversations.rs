//! Which conversation and which person a message ends up with.

use archety_backend::clock::Timestamp;
use archety_backend::store::{NewMessage, Pools};
use rstest::rstest;
use uuid::Uuid;

use super::message_builder::{direct, from, in_chat, on_line, received};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Home {
    id: Uuid,
    line: String,
    owner_handle: Option<String>,
    phone: Option<String>,
    sender_phone: Option<String>,
    created_at: Timestamp,
}

const HOME: &str = "
    select c.id, c.line, c.owner_handle, o.phone, s.phone as sender_phone, c.created_at
    from messages m
    join conversations c on c.id = m.conversation_id
    left join users o on o.id = c.user_id
    left join users s on s.id = m.user_id
    where m.identity = $1";

async fn store(store: &TestStore, message: NewMessage) -> Home {
    let identity = message.identity.clone();
    store.store.store_message(message).await.expect("stored");
    home(store, &identity).await
}

async fn home(store: &TestStore, identity: &str) -> Home {
    match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(HOME).bind(identity).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(HOME).bind(identity).fetch_one(writer).await,
    }
    .expect("stored")
}

async fn column(store: &TestStore, sql: &'static str) -> Vec<String> {
    match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_all(writer).await,
    }
    .expect("texts")
}

#[rstest]
#[tokio::test]
async fn messages_of_all_services_of_a_chat_are_in_one_conversation(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let first = store(&s, direct("a")).await;
    for (identity, guid) in [("b", "SMS;-;+15550100001"), ("c", "any;-;+15550100001")] {
        let other = store(&s, in_chat(direct(identity), guid)).await;
        assert_eq!(other.id, first.id);
    }
    let aliases = column(
        &s,
        "select chat_guid from conversation_aliases order by chat_guid",
    )
    .await;
    let all = [
        "SMS;-;+15550100001",
        "any;-;+15550100001",
        "iMessage;-;+15550100001",
    ];
    assert_eq!(aliases, all);
}

#[rstest]
#[tokio::test]
async fn a_chat_without_a_line_gets_the_first_line_that_a_message_names(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let first = store(&s, direct("a")).await;
    let claimed = store(&s, on_line(direct("b"), "+15550100100")).await;
    assert_eq!(
        (claimed.id, claimed.line.as_str()),
        (first.id, "+15550100100")
    );
    let other = store(
        &s,
        received(on_line(direct("c"), "+15550100200"), NOW.plus(SECOND)),
    )
    .await;
    assert_ne!(other.id, first.id, "two lines are two histories");
    assert_eq!(
        store(&s, on_line(direct("d"), "+15550100200")).await.id,
        other.id
    );
    let unnamed = store(&s, direct("e")).await;
    assert_eq!(unnamed.id, first.id, "without a line: the oldest");
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

#[rstest]
#[tokio::test]
async fn a_later_sender_does_not_become_the_owner(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = TestStore::new(engine).await;
    let first = store(&s, direct("a")).await;
    assert_eq!(first.phone.as_deref(), Some("+15550100001"));
    let later = store(&s, from(direct("b"), "+15550100002")).await;
    assert_eq!(later.sender_phone.as_deref(), Some("+15550100002"));
    assert_eq!((later.id, later.phone), (first.id, first.phone));
    // A sender without a phone number wrote first: the chat has no owner.
    let guid = "iMessage;-;ada@example.com";
    let opaque = store(&s, in_chat(from(direct("c"), "ada@example.com"), guid)).await;
    assert_eq!(
        (opaque.phone.as_ref(), opaque.sender_phone.as_ref()),
        (None, None)
    );
    let phone = store(&s, in_chat(direct("d"), guid)).await;
    assert_eq!((phone.id, phone.phone), (opaque.id, None));
}

#[rstest]
#[tokio::test]
async fn the_owner_of_the_mac_owns_no_chat(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = TestStore::new(engine).await;
    let mut typed = from(direct("a"), "+15550100900");
    typed.from_owner = true;
    typed.phone = None;
    typed.chat.owner = None;
    let typed = store(&s, typed).await;
    assert_eq!((typed.phone, typed.owner_handle), (None, None));
    let answered = store(&s, direct("b")).await;
    assert_eq!(answered.phone.as_deref(), Some("+15550100001"));
    assert_eq!(
        column(&s, "select phone from users").await,
        ["+15550100001"]
    );
}

#[rstest]
#[tokio::test]
async fn all_participants_ever_seen_in_a_chat_are_kept(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = TestStore::new(engine).await;
    let with = |identity: &str, digest: u8, people: &[&str]| {
        let mut message = direct(identity);
        message.chat.participants = people.iter().map(|&p| p.to_owned()).collect();
        message.chat.participants_digest = [digest; 32];
        message
    };
    store(&s, with("a", 1, &["+15550100001", "+15550100001"])).await;
    store(&s, with("b", 2, &["+15550100002", "+15550100001"])).await;
    store(
        &s,
        with("c", 2, &["never written: the digest says nothing changed"]),
    )
    .await;
    let people = column(&s, "select handle from participants order by handle").await;
    assert_eq!(people, ["+15550100001", "+15550100002"]);
}

#[rstest]
#[tokio::test]
async fn concurrent_messages_are_stored_like_sequential_ones(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let mut typed = direct("a");
    (typed.chat.owner, typed.phone, typed.from_owner) = (None, None, true);
    let by_sms = in_chat(direct("b"), "SMS;-;+15550100001");
    let mut with_others = direct("c");
    with_others.chat.participants = vec!["+15550100001".into(), "+15550100002".into()];
    with_others.chat.participants_digest = [3; 32];
    // All three messages are queued before the first is written.
    let stored = tokio::join!(
        s.store.store_message(typed),
        s.store.store_message(by_sms),
        s.store.store_message(with_others),
    );
    stored.0.and(stored.1).and(stored.2).expect("all stored");
    let home = home(&s, "a").await;
    assert_eq!(home.owner_handle.as_deref(), Some("+15550100001"));
    assert_eq!(home.phone.as_deref(), Some("+15550100001"));
    let aliases = "select chat_guid from conversation_aliases order by chat_guid";
    assert_eq!(
        column(&s, aliases).await,
        ["SMS;-;+15550100001", "iMessage;-;+15550100001"]
    );
    let people = column(&s, "select handle from participants order by handle").await;
    assert_eq!(people, ["+15550100001", "+15550100002"], "{}", s.kind);
}
