//! Replies whose messages are older than messages are kept.

use std::time::Duration;

use archety_backend::config::Retention;
use archety_backend::store::Pepper;
use archety_backend::store::replies::{Heartbeat, TakenHeartbeat};
use rstest::rstest;
use shared_protocol::{Ack, AckState, RelayName, RelayStatus};

use super::support::{Replica, Scripted, at, store, text, texts};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const DAY: Duration = Duration::from_hours(24);

#[rstest]
#[tokio::test]
async fn a_reply_that_outlives_its_messages_ends_without_its_words_and_is_listed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let relay = RelayName::default();
    let pull = async |acks: &[Ack]| {
        let heartbeat = Heartbeat {
            relay: &relay,
            instance: "mac",
            status: &RelayStatus::default(),
            after: None,
            acks,
            lease: None,
        };
        match base
            .store
            .take_heartbeat(heartbeat, NOW)
            .await
            .expect("stored")
        {
            TakenHeartbeat::Taken { acks, .. } => acks,
            TakenHeartbeat::Elsewhere => panic!("another installation has the lease"),
        }
    };
    pull(&[]).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, text("msg_1", "one", 0)).await;
    replica.run_all(at(2)).await;
    let handing = base.store.hand_commands(&relay, "mac", 0, 100, 1_000_000);
    handing.await.expect("handed");
    store(&base.store, text("msg_2", "two", 20)).await;
    replica.run_all(at(22)).await;

    let keep = Retention {
        messages: Some(DAY),
        ..Retention::default()
    };
    let now = at(22).plus(DAY).plus(Duration::from_secs(1));
    let pepper = Pepper::of([9; 32]);
    for _ in 0..2 {
        let cleaned = base.store.clean_history(&keep, &pepper, now);
        cleaned.await.expect("cleaned");
    }
    let replies = "select count(*) from messages where role = 'assistant'";
    assert_eq!(base.number(replies).await, 0);
    let ended = "select count(*) from commands where body is null and done_at is not null";
    assert_eq!(base.number(ended).await, 2);
    let states = "select b.state from command_bubbles b join commands c
                  on c.relay = b.relay and c.id = b.command_id order by c.seq";
    assert_eq!(texts(&base, states).await, ["unknown", "expired"]);
    assert_eq!(base.store.attention_count().await.expect("counted"), 2);

    let ids = texts(&base, "select id from commands order by seq").await;
    let sent = Ack {
        id: ids[0].clone(),
        bubble: 0,
        state: AckState::Sent,
        code: None,
        at: 0,
        message_guid: None,
    };
    let forgotten = Ack {
        id: "cmd_forgotten".to_owned(),
        ..sent.clone()
    };
    let taken = pull(&[sent, forgotten]).await;
    assert_eq!((taken.changes.len(), taken.forgotten), (1, 1));
    assert_eq!(texts(&base, states).await, ["sent", "expired"]);
}
