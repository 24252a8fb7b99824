//! The conversation and the people of a stored message.

use archety_backend::clock::Timestamp;
use archety_backend::store::{NewMessage, Pools};
use rstest::rstest;
use uuid::Uuid;

use super::message_builder::{direct, from, in_chat, on_line, received};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct ConversationOfMessage {
    id: Uuid,
    line: String,
    /// The handle of the conversation's first sender.
    owner_handle: Option<String>,
    /// The phone number of the person to whom the conversation belongs.
    owner_phone: Option<String>,
    sender_phone: Option<String>,
    created_at: Timestamp,
}

const CONVERSATION_OF_MESSAGE: &str = "
    select c.id, c.line, c.owner_handle, o.phone as owner_phone, s.phone as sender_phone, c.created_at
    from messages m
    join conversations c on c.id = m.conversation_id
    left join users o on o.id = c.user_id
    left join users s on s.id = m.user_id
    where m.identity = $1";

async fn store_message(store: &TestStore, message: NewMessage) -> ConversationOfMessage {
    let identity = message.identity.clone();
    store.store.store_message(message).await.expect("stored");
    conversation_of(store, &identity).await
}

async fn conversation_of(store: &TestStore, identity: &str) -> ConversationOfMessage {
    match store.store.pools() {
        Pools::Postgres(pool) => {
            sqlx::query_as(CONVERSATION_OF_MESSAGE)
                .bind(identity)
                .fetch_one(pool)
                .await
        }
        Pools::Sqlite { writer, .. } => {
            sqlx::query_as(CONVERSATION_OF_MESSAGE)
                .bind(identity)
                .fetch_one(writer)
                .await
        }
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
    let base = TestStore::new(engine).await;
    let first = store_message(&base, direct("a")).await;
    for (identity, guid) in [("b", "SMS;-;+15550100001"), ("c", "any;-;+15550100001")] {
        let other = store_message(&base, in_chat(direct(identity), guid)).await;
        assert_eq!(other.id, first.id);
    }
    let aliases = column(
        &base,
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
    let base = TestStore::new(engine).await;
    let first = store_message(&base, direct("a")).await;
    let claimed = store_message(&base, on_line(direct("b"), "+15550100100")).await;
    assert_eq!(
        (claimed.id, claimed.line.as_str()),
        (first.id, "+15550100100")
    );
    let other = store_message(
        &base,
        received(on_line(direct("c"), "+15550100200"), NOW.plus(SECOND)),
    )
    .await;
    assert_ne!(other.id, first.id, "two lines are two conversations");
    assert_eq!(
        store_message(&base, on_line(direct("d"), "+15550100200"))
            .await
            .id,
        other.id
    );
    let unnamed = store_message(&base, direct("e")).await;
    assert_eq!(
        unnamed.id, first.id,
        "a message without a line joins the oldest conversation"
    );
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

#[rstest]
#[tokio::test]
async fn a_chat_belongs_to_its_first_sender_and_never_to_a_person_if_that_sender_has_no_phone_number(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let first = store_message(&base, direct("a")).await;
    assert_eq!(first.owner_phone.as_deref(), Some("+15550100001"));
    let later = store_message(&base, from(direct("b"), "+15550100002")).await;
    assert_eq!(later.sender_phone.as_deref(), Some("+15550100002"));
    assert_eq!((later.id, later.owner_phone), (first.id, first.owner_phone));
    // The first sender of this chat has no phone number, so the chat belongs to no person, also later.
    let guid = "iMessage;-;ada@example.com";
    let without_phone =
        store_message(&base, in_chat(from(direct("c"), "ada@example.com"), guid)).await;
    assert_eq!(
        (
            without_phone.owner_phone.as_ref(),
            without_phone.sender_phone.as_ref()
        ),
        (None, None)
    );
    let phone = store_message(&base, in_chat(direct("d"), guid)).await;
    assert_eq!((phone.id, phone.owner_phone), (without_phone.id, None));
}

#[rstest]
#[tokio::test]
async fn the_owner_of_the_mac_owns_no_chat(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let mut by_owner = from(direct("a"), "+15550100900");
    by_owner.from_owner = true;
    by_owner.phone = None;
    by_owner.chat.owner = None;
    let by_owner = store_message(&base, by_owner).await;
    assert_eq!((by_owner.owner_phone, by_owner.owner_handle), (None, None));
    let by_other_person = store_message(&base, direct("b")).await;
    assert_eq!(by_other_person.owner_phone.as_deref(), Some("+15550100001"));
    assert_eq!(
        column(&base, "select phone from users").await,
        ["+15550100001"]
    );
}

#[rstest]
#[tokio::test]
async fn all_participants_ever_seen_in_a_chat_are_kept(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let with_participants = |identity: &str, digest: u8, people: &[&str]| {
        let mut message = direct(identity);
        message.chat.participants = people.iter().map(|&p| p.to_owned()).collect();
        message.chat.participants_digest = [digest; 32];
        message
    };
    store_message(
        &base,
        with_participants("a", 1, &["+15550100001", "+15550100001"]),
    )
    .await;
    store_message(
        &base,
        with_participants("b", 2, &["+15550100002", "+15550100001"]),
    )
    .await;
    store_message(
        &base,
        with_participants("c", 2, &["never written: the digest says nothing changed"]),
    )
    .await;
    let people = column(&base, "select handle from participants order by handle").await;
    assert_eq!(people, ["+15550100001", "+15550100002"]);
}

#[rstest]
#[tokio::test]
async fn concurrent_messages_share_one_conversation_with_its_owner_aliases_and_participants(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let mut by_owner = direct("a");
    (by_owner.chat.owner, by_owner.phone, by_owner.from_owner) = (None, None, true);
    let by_sms = in_chat(direct("b"), "SMS;-;+15550100001");
    let mut with_others = direct("c");
    with_others.chat.participants = vec!["+15550100001".into(), "+15550100002".into()];
    with_others.chat.participants_digest = [3; 32];
    // All three messages are queued before the first is written.
    let stored = tokio::join!(
        base.store.store_message(by_owner),
        base.store.store_message(by_sms),
        base.store.store_message(with_others),
    );
    stored.0.and(stored.1).and(stored.2).expect("all stored");
    let conversation = conversation_of(&base, "a").await;
    assert_eq!(conversation.owner_handle.as_deref(), Some("+15550100001"));
    assert_eq!(conversation.owner_phone.as_deref(), Some("+15550100001"));
    let aliases = "select chat_guid from conversation_aliases order by chat_guid";
    assert_eq!(
        column(&base, aliases).await,
        ["SMS;-;+15550100001", "iMessage;-;+15550100001"]
    );
    let people = column(&base, "select handle from participants order by handle").await;
    assert_eq!(people, ["+15550100001", "+15550100002"], "{}", base.kind);
}
