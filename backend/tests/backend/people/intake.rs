//! Intake: the figures of a person's relationship, and deleted messages that are not stored again.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::Stored;
use rstest::rstest;
use shared_protocol::Event;
use tokio::task::JoinSet;

use super::rows::{ADA, execute, from_person, in_group, select, store, typed};
use crate::store::message_builder::tombstone_of;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

type Figures = Vec<(String, String, i64, Option<Timestamp>)>;

async fn figures(s: &TestStore) -> Figures {
    select!(
        s,
        "select persona_id, stage, message_count, last_interaction_at from relationships \
         order by persona_id"
    )
}

#[rstest]
#[tokio::test]
async fn a_relationship_counts_messages_to_its_persona_but_no_edits_and_owners_messages(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let mut old = from_person("backfilled", ADA, at(9));
    old.is_backfill = true;
    store(s, old).await;
    let sage = |count, last| vec![("sage".to_owned(), "new".to_owned(), count, last)];
    assert_eq!(figures(s).await, sage(1, None), "{}", s.kind);
    store(s, from_person("a", ADA, at(2))).await;
    store(s, from_person("a", ADA, at(20))).await;
    store(s, in_group("b", "g", ADA, at(1))).await;
    store(s, typed("typed", ADA, at(30))).await;
    let mut edit = from_person("edit", ADA, at(40));
    edit.event = Event::Edit;
    store(s, edit).await;
    assert_eq!(figures(s).await, sage(3, Some(at(2))), "{}", s.kind);
    execute!(
        s,
        "update relationships set stage = 'friend', trust_score = 0.5"
    );
    let mut other = from_person("c", ADA, at(3));
    other.persona_id = Some("other".to_owned());
    store(s, other).await;
    store(s, from_person("d", ADA, at(4))).await;
    let all = figures(s).await;
    assert_eq!(
        all,
        [
            ("other".to_owned(), "new".to_owned(), 1, Some(at(3))),
            ("sage".to_owned(), "friend".to_owned(), 4, Some(at(4))),
        ]
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_uncounted_when_two_replicas_store_at_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replicas = [s.store.clone(), s.second().await];
    let mut tasks = JoinSet::new();
    for (n, replica) in (0..600_u64).zip(replicas.iter().cycle()) {
        let replica = replica.clone();
        tasks.spawn(async move {
            let number = format!("+1555010{:04}", n * 7 % 13);
            let mut message = from_person(&format!("m{n}"), &number, at(n));
            message.persona_id = Some(format!("p{}", n % 3));
            replica.store_message(message).await
        });
    }
    for stored in tasks.join_all().await {
        assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
    }
    let sum: Vec<(i64, i64)> = select!(
        s,
        "select cast(sum(message_count) as bigint), count(*) from relationships"
    );
    // 13 numbers with three personas each.
    assert_eq!(sum, [(600, 39)], "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn a_message_is_a_duplicate_until_its_tombstone_expires(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    execute!(
        s,
        "insert into tombstones (hash, kind, created_at, expires_at) values ($1, 'message', $2, $3)",
        &tombstone_of("deleted")[..],
        NOW,
        at(100)
    );
    let answered = tokio::join!(
        store(s, from_person("deleted", ADA, at(1))),
        store(s, from_person("other", ADA, at(1))),
    );
    assert!(matches!(answered.0, Stored::Duplicate(_)), "{answered:?}");
    assert!(matches!(answered.1, Stored::Accepted(_)), "{answered:?}");
    let left: Vec<(String,)> = select!(s, "select text from messages");
    assert_eq!(left, [("other".to_owned(),)], "{}", s.kind);
    // Once the tombstone has expired, the message is stored.
    let late = store(s, from_person("deleted", ADA, at(100))).await;
    assert!(matches!(late, Stored::Accepted(_)), "{late:?}");
}
