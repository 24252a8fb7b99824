//! A deleted person gets no reply, and the texts of earlier ones are erased.

use archety_backend::keyring::Keyring;
use archety_backend::people::delete_person;
use archety_backend::store::{Pepper, Pools};
use rstest::rstest;
use shared_protocol::{Mode, RelayName, RelayStatus};
use uuid::Uuid;

use super::support::{Replica, Scripted, at, outcomes, store, text, texts, unanswered_count};
use crate::store::message_builder::in_chat;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

async fn person(base: &TestStore) -> Uuid {
    let sql = "select id from users";
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a person")
}

#[rstest]
#[tokio::test]
async fn replies_of_a_deleted_person_are_erased_here_and_at_the_relay(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let relay = RelayName::default();
    let status = RelayStatus::default();
    let lease = base.store.renew_lease(&relay, "mac", &status, NOW);
    lease.await.expect("a store");
    let replica = Replica::new(
        &base.store,
        Scripted::new(|_| Ok(vec!["a secret".to_owned()])),
    );
    store(&base.store, text("msg_1", "hi", 0)).await;
    replica.run_all(at(2)).await;
    let mut in_group = in_chat(text("msg_2", "hello all", 10), "any;+;chat1");
    (in_group.chat.mode, in_group.chat.owner, in_group.turn) = (Mode::Group, None, None);
    store(&base.store, in_group).await;
    store(&base.store, text("msg_3", "and you?", 20)).await;

    let keyring = Keyring::parse("the session secret of the tests 0001").expect("a key");
    let user_id = person(&base).await;
    let pepper = Pepper::of([9; 32]);
    let deleted = delete_person(&base.store, &pepper, &keyring, user_id, at(30));
    assert!(deleted.await.expect("a store"));
    assert_eq!(unanswered_count(&base).await, 0);
    replica.run_all(at(100)).await;
    assert_eq!(
        outcomes(&base).await.len(),
        0,
        "the turns went with the conversation"
    );
    assert_eq!(base.number("select count(*) from messages").await, 0);
    let erased = "select count(*) from commands
                  where kind = 'send_message' and body is null and done_at is not null";
    assert_eq!(base.number(erased).await, 1);
    let told = "select body from commands where kind = 'forget' order by seq";
    assert_eq!(
        texts(&base, told).await,
        [
            r#"{"chat_guids":["iMessage;-;+15550100001"]}"#,
            r#"{"message_guids":["guid-msg_2"]}"#,
        ]
    );
}

/// The person is deleted while the responder works.
#[rstest]
#[tokio::test]
async fn a_reply_to_a_person_who_is_deleted_meanwhile_is_not_committed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "hi", 0)).await;
    let user_id = person(&base).await;
    let other = base.store.clone();
    let responder = Scripted::with_meanwhile(
        |_| Ok(vec!["a secret".to_owned()]),
        move |_| {
            let other = other.clone();
            Box::pin(async move {
                let keyring = Keyring::parse("the session secret of the tests 0001");
                let (keyring, pepper) = (keyring.expect("a key"), Pepper::of([9; 32]));
                let deleted = delete_person(&other, &pepper, &keyring, user_id, at(2));
                assert!(deleted.await.expect("a store"));
            })
        },
    );
    let replica = Replica::new(&base.store, responder.clone());
    replica.run_all(at(2)).await;
    replica.run_all(at(60)).await;
    assert_eq!(responder.asked().len(), 1, "{}", base.kind);
    for count in [
        "select count(*) from messages",
        "select count(*) from commands",
        "select count(*) from turns",
        "select count(*) from unanswered_messages",
    ] {
        assert_eq!(base.number(count).await, 0, "{count}");
    }
}

#[rstest]
#[tokio::test]
async fn a_relay_that_never_pulled_is_told_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "hi", 0)).await;
    let keyring = Keyring::parse("the session secret of the tests 0001").expect("a key");
    let user_id = person(&base).await;
    let pepper = Pepper::of([9; 32]);
    let deleted = delete_person(&base.store, &pepper, &keyring, user_id, at(30));
    assert!(deleted.await.expect("a store"));
    assert_eq!(base.number("select count(*) from commands").await, 0);
}
