//! Public methods of the store do the same on both databases.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::{Environment, Retention};
use archety_backend::store::replies::{Heartbeat, TakenHeartbeat};
use archety_backend::store::{
    Adoption, Lease, OpenError, Receipt, ReplayCheck, Store, StoreError, Stored,
};
use rstest::rstest;
use shared_protocol::{RelayName, RelayStatus};

use super::message_builder::{direct, received, signed};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

/// The name of a relay other than the default one.
fn mini() -> RelayName {
    RelayName::parse("mini").expect("valid")
}

#[rstest]
#[tokio::test]
async fn a_message_is_accepted_once_per_relay(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let message = direct("msg_1");
    let id = message.id;
    let store = &store.store;
    assert_eq!(
        store.store_message(message).await.unwrap(),
        Stored::Accepted(id)
    );
    assert_eq!(
        store.store_message(direct("msg_1")).await.unwrap(),
        Stored::Duplicate(id)
    );
    let mut other_body = direct("msg_1");
    other_body.body_hash = [9; 32];
    assert_eq!(
        store.store_message(other_body).await.unwrap(),
        Stored::Conflict(id)
    );
    let mut other_relay = direct("msg_1");
    other_relay.relay = mini();
    let id = other_relay.id;
    assert_eq!(
        store.store_message(other_relay).await.unwrap(),
        Stored::Accepted(id)
    );
    assert_eq!(store.intake_depth(), 0);
}

#[rstest]
#[tokio::test]
async fn a_replay_stores_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let store = &store.store;
    let first = store
        .store_message(signed(direct("msg_1"), "msg_1", 7))
        .await
        .unwrap();
    assert!(matches!(first, Stored::Accepted(_)));
    let replay = signed(direct("msg_2"), "msg_1", 7);
    assert_eq!(store.store_message(replay).await.unwrap(), Stored::Replayed);
    let later = signed(direct("msg_2"), "msg_1", 8);
    assert!(matches!(
        store.store_message(later).await.unwrap(),
        Stored::Accepted(_)
    ));
}

#[rstest]
#[tokio::test]
async fn receipts_are_accepted_once_windows_keep_their_start_and_both_are_deleted_later(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let store = &store.store;
    let receipt = Receipt {
        relay: mini(),
        webhook_id: "pull_1".to_owned(),
        signed_at: 5,
    };
    assert_eq!(
        store.take_receipt(&receipt, NOW).await.unwrap(),
        ReplayCheck::New
    );
    assert_eq!(
        store.take_receipt(&receipt, NOW).await.unwrap(),
        ReplayCheck::Replay
    );
    let other = Receipt {
        relay: RelayName::default(),
        ..receipt.clone()
    };
    assert_eq!(
        store.take_receipt(&other, NOW).await.unwrap(),
        ReplayCheck::New
    );
    let window = async |now| {
        let closed_before = Timestamp::minus(now, Duration::from_mins(10));
        store
            .open_body_window(&mini(), b"hash", now, closed_before)
            .await
            .unwrap()
    };
    assert_eq!(window(NOW).await, NOW);
    assert_eq!(window(NOW.plus(Duration::from_mins(9))).await, NOW);
    let second_window = NOW.plus(Duration::from_mins(10));
    assert_eq!(window(second_window).await, second_window);
    assert_eq!(
        store
            .clean(&Retention::default(), NOW.plus(Duration::from_mins(11)))
            .await
            .unwrap(),
        0,
        "no receipt and no window is older than eleven minutes"
    );
    let late = second_window.plus(Duration::from_mins(12));
    assert_eq!(
        store.clean(&Retention::default(), late).await.unwrap(),
        3,
        "two receipts and a window"
    );
    assert_eq!(
        store.take_receipt(&receipt, late).await.unwrap(),
        ReplayCheck::New
    );
}

#[rstest]
#[tokio::test]
async fn a_lease_has_one_holder(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let store = &store.store;
    let renew = async |instance: &str, now| {
        let heartbeat = Heartbeat {
            relay: &mini(),
            instance,
            status: &RelayStatus::default(),
            after: None,
            acks: &[],
            lease: None,
        };
        let taken = store.take_heartbeat(heartbeat, now).await.unwrap();
        taken != TakenHeartbeat::Elsewhere
    };
    assert!(renew("one", NOW).await);
    assert!(!renew("two", NOW).await);
    let renewed = NOW.plus(Duration::from_mins(1));
    assert!(renew("one", renewed).await);
    assert!(!renew("two", NOW.plus(Lease::TTL)).await);
    assert!(renew("two", renewed.plus(Lease::TTL)).await);
}

#[rstest]
#[tokio::test]
async fn the_mark_that_a_relay_has_signed_is_stored_for_that_relay_alone(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let mut store = TestStore::new(engine).await;
    assert!(!store.store.has_signed(&mini()).await.unwrap());
    store
        .store
        .note_first_signature(&mini(), NOW)
        .await
        .unwrap();
    store
        .store
        .note_first_signature(&mini(), NOW.plus(Duration::from_secs(9)))
        .await
        .unwrap();
    assert!(store.store.has_signed(&mini()).await.unwrap());
    assert!(!store.store.has_signed(&RelayName::default()).await.unwrap());
    store.store = store.second().await;
    assert!(store.store.has_signed(&mini()).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn the_newest_message_of_a_relay_is_its_last_stored_one_that_is_no_backfill(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let store = &store.store;
    let newest = async || {
        let newest = store.newest_message(&RelayName::default()).await.unwrap();
        newest.map(|row| (row.message_guid, row.sent_at))
    };
    assert_eq!(newest().await, None);
    let second = |n: u64| NOW.plus(Duration::from_micros(n * 1_000_001));
    let years_ahead = NOW.plus(Duration::from_hours(5 * 365 * 24));
    for (identity, at, sent, backfill, expected) in [
        ("a", second(20), second(9), false, ("guid-a", second(9))),
        ("b", second(21), second(5), false, ("guid-b", second(5))),
        ("c", second(22), second(22), true, ("guid-b", second(5))),
        // A sending time in the future counts as the time of arrival, so the next message is the newest.
        ("d", second(23), years_ahead, false, ("guid-d", second(23))),
        ("e", second(24), second(24), false, ("guid-e", second(24))),
    ] {
        let mut message = received(direct(identity), at);
        (message.sent_at, message.is_backfill) = (sent, backfill);
        store.store_message(message).await.unwrap();
        let (guid, sent) = expected;
        assert_eq!(newest().await, Some((guid.to_owned(), sent)));
    }
    assert_eq!(store.newest_message(&mini()).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn a_database_belongs_to_one_environment(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let closed = store.close().await;
    let production = Environment::Production;
    let served = Store::open(&closed.config, production, NOW).await.err();
    let migrated = Store::migrate(&closed.config, production, Adoption::Refused, NOW).await;
    for refused in [served, migrated.err()] {
        let refused = refused.expect("the database belongs to development");
        assert!(
            matches!(refused, OpenError::OtherEnvironment { .. }),
            "{refused:?}"
        );
        let message = refused.to_string();
        assert!(
            message.contains("`development`") && message.contains("`production`"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn sqlite_serves_one_process() {
    let store = crate::support::TestStore::sqlite().await;
    let second = Store::open(&store.config, Environment::Development, NOW)
        .await
        .err();
    assert!(
        matches!(second, Some(OpenError::Locked { .. })),
        "{second:?}"
    );
}

#[rstest]
#[tokio::test]
async fn a_closing_store_keeps_accepted_messages_and_stores_no_refused_message(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let store = store.store.clone();
            tokio::spawn(async move { store.store_message(direct(&format!("msg_{n}"))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let closed = store.close().await;
    let mut stored = 0;
    for result in waiting {
        // A message that came in time is stored. Any other message is refused with a retryable error.
        match result.await.expect("no panic") {
            Ok(Stored::Accepted(_)) => stored += 1,
            Err(StoreError::Closed) => {}
            other => panic!("{other:?}"),
        }
    }
    let again = closed.open().await;
    let mut found = 0;
    for n in 0..50 {
        let outcome = again.store_message(direct(&format!("msg_{n}"))).await;
        if matches!(outcome.unwrap(), Stored::Duplicate(_)) {
            found += 1;
        }
    }
    assert_eq!(found, stored, "exactly the accepted messages are stored");
}
