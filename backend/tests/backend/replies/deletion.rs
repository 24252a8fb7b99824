//! A deleted person gets no reply, and the texts of earlier ones are erased.

use std::time::Duration;

use archety_backend::keyring::Keyring;
use archety_backend::people::delete_person;
use archety_backend::store::replies::Heartbeat;
use archety_backend::store::{Pepper, Pools};
use rstest::rstest;
use shared_protocol::{MAX_COMMANDS_BYTES, MAX_GUID_CHARS, Mode, RelayName, RelayStatus};
use sqlx::{Connection, Executor};
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

async fn take_lease(base: &TestStore) {
    let heartbeat = Heartbeat {
        relay: &RelayName::default(),
        instance: "mac",
        status: &RelayStatus::default(),
        after: None,
        acks: &[],
        lease: None,
    };
    let taken = base.store.take_heartbeat(heartbeat, NOW).await;
    taken.expect("a store");
}

async fn delete(base: &TestStore, user_id: Uuid) {
    let (pepper, keyring) = (Pepper::of([9; 32]), keyring());
    let deleted = delete_person(&base.store, &pepper, &keyring, user_id, at(30));
    assert!(deleted.await.expect("a store"));
}

fn keyring() -> Keyring {
    Keyring::parse("the session secret of the tests 0001").expect("a key")
}

#[rstest]
#[tokio::test]
async fn replies_of_a_deleted_person_are_erased_here_and_at_the_relay(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    take_lease(&base).await;
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

    let user_id = person(&base).await;
    delete(&base, user_id).await;
    assert_eq!(unanswered_count(&base).await, 0);
    replica.run_all(at(100)).await;
    assert_eq!(
        outcomes(&base).await.len(),
        0,
        "the turns went with the conversation"
    );
    assert_eq!(base.number("select count(*) from messages").await, 0);
    let replies = "select count(*) from commands where kind = 'send_message'";
    assert_eq!(base.number(replies).await, 0);
    assert_eq!(
        base.number("select count(*) from command_bubbles where message_id is not null")
            .await,
        0
    );
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

/// A pull locks the relay before its commands. In the other order the two could wait for each other.
#[tokio::test]
async fn a_deletion_locks_the_relay_before_its_commands() {
    let base = TestStore::postgres().await;
    take_lease(&base).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, text("msg_1", "hi", 0)).await;
    replica.run_all(at(2)).await;
    let database = base.database.as_ref().expect("Postgres");
    let (mut locking, mut observer) = (database.connect().await, database.connect().await);
    let mut lock = locking.begin().await.expect("begun");
    let sql = "select 1 from relays for no key update";
    lock.execute(sql).await.expect("locked");
    let user_id = person(&base).await;
    let deleting = tokio::spawn({
        let store = base.store.clone();
        async move { delete_person(&store, &Pepper::of([9; 32]), &keyring(), user_id, at(30)).await }
    });
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting)
        .fetch_one(&mut observer)
        .await
        .expect("a number")
        == 0
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sql = "select 1 from commands for update nowait";
    lock.execute(sql)
        .await
        .expect("the commands are not locked yet");
    lock.rollback().await.expect("unlocked");
    assert!(deleting.await.expect("no panic").expect("a store"));
}

/// A guid has at most 512 characters, and a slice of a deletion a thousand messages.
#[rstest]
#[tokio::test]
async fn commands_to_forget_many_messages_fit_into_an_answer(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    take_lease(&base).await;
    for n in 0..101 {
        let mut message = in_chat(text(&format!("msg_{n}"), "hello all", 10), "any;+;chat1");
        (message.chat.mode, message.chat.owner, message.turn) = (Mode::Group, None, None);
        message.message_guid = Some(format!("{n:04}{}", "🙂".repeat(MAX_GUID_CHARS - 4)));
        store(&base.store, message).await;
    }
    let user_id = person(&base).await;
    delete(&base, user_id).await;
    let told = "select body from commands where kind = 'forget' order by seq";
    let bodies = texts(&base, told).await;
    assert_eq!(bodies.len(), 2);
    assert!(
        bodies
            .iter()
            .all(|body| body.len() < MAX_COMMANDS_BYTES / 4)
    );
}

#[rstest]
#[tokio::test]
async fn a_relay_that_never_pulled_is_told_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "hi", 0)).await;
    let user_id = person(&base).await;
    delete(&base, user_id).await;
    assert_eq!(base.number("select count(*) from commands").await, 0);
}
