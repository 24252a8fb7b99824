//! The store writes a turn together with the message that opens it.

use std::collections::BTreeSet;
use std::time::Duration;

use archety_backend::store::{Opens, Pepper, Stored};
use rstest::rstest;
use shared_protocol::Event;

use super::support::{OPENING, at, change, due_in, store, text, texts, unanswered_count};
use crate::store::message_builder::{from, in_chat, on_line};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

#[rstest]
#[tokio::test]
async fn a_message_waits_for_an_answer_from_its_own_commit_on(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "hi", 0)).await;
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (1, vec![2])
    );
    let again = base.store.store_message(text("msg_1", "hi", 1)).await;
    assert!(matches!(again, Ok(Stored::Duplicate(_))));
    let mut silent = text("msg_2", "not for us", 1);
    silent.turn = None;
    store(&base.store, silent).await;
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (1, vec![2])
    );
    let guid = "select chat_guid from messages where identity = 'msg_1'";
    assert_eq!(texts(&base, guid).await, ["iMessage;-;+15550100001"]);
}

#[rstest]
#[tokio::test]
async fn further_messages_put_the_turn_off_but_not_for_ever(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    for secs in [0, 1, 3] {
        store(&base.store, text(&format!("msg_{secs}"), "and", secs)).await;
        let due = i64::try_from(secs).expect("small") + 2;
        assert_eq!(due_in(&base).await, [due], "{}", base.kind);
    }
    for secs in [7, 9] {
        store(&base.store, text(&format!("msg_{secs}"), "and", secs)).await;
    }
    assert_eq!(due_in(&base).await, [10], "ten seconds after the first");
    let other_chat = in_chat(
        from(text("msg_x", "hi", 9), "+15550100002"),
        "any;-;+15550100002",
    );
    store(&base.store, other_chat).await;
    assert_eq!(due_in(&base).await, [10, 11]);
    assert_eq!(unanswered_count(&base).await, 6);
}

#[rstest]
#[tokio::test]
async fn a_message_after_the_claim_gets_a_job_of_its_own(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "hi", 0)).await;
    let leases = [("answer_turn", Duration::from_secs(20))].into();
    let claimed = base.store.claim_jobs("turns", &leases, 9, at(2)).await;
    assert_eq!(claimed.expect("a store").len(), 1);
    store(&base.store, text("msg_2", "there", 2)).await;
    assert_eq!(due_in(&base).await, [2, 4]);
    let blocked = base.store.claim_jobs("turns", &leases, 9, at(5)).await;
    assert_eq!(
        blocked.expect("a store").len(),
        0,
        "one at a time in a conversation"
    );
    let next = base.store.next_due("turns", at(2)).await.expect("a store");
    assert_eq!(next, Some(at(4)));
}

#[rstest]
#[tokio::test]
async fn a_late_text_opens_a_turn_only_if_there_was_none_before(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let mut opens = OPENING;
    opens.opens = Opens::TurnIfTextWasMissing;
    for (n, (first, expected)) in [("", 1), ("see https://example.com", 1)]
        .into_iter()
        .enumerate()
    {
        let first_identity = format!("first_{n}");
        let mut told = text(&first_identity, first, 0);
        (told.event, told.turn) = (Event::Other, None);
        store(&base.store, told).await;
        let mut late = change(&first_identity, Event::Edit, 0, 1);
        late.turn = Some(opens);
        store(&base.store, late).await;
        assert_eq!(unanswered_count(&base).await, expected, "{first:?}");
    }
    let mut unknown = change("unknown", Event::Edit, 0, 1);
    unknown.turn = Some(opens);
    store(&base.store, unknown).await;
    assert_eq!(unanswered_count(&base).await, 2);
}

#[rstest]
#[tokio::test]
async fn a_transcript_hastens_the_turn_that_waits_for_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let mut hasten = OPENING;
    (hasten.quiet, hasten.opens) = (Duration::ZERO, Opens::NothingButHastensWaitingTurn);
    let mut early = change("none", Event::AttachmentUpdate, 1, 0);
    early.turn = Some(hasten);
    store(&base.store, early).await;
    assert_eq!(due_in(&base).await, Vec::<i64>::new(), "it opens no turn");
    let mut voice = text("msg_1", "", 0);
    voice.turn = Some(OPENING);
    if let Some(turn) = &mut voice.turn {
        (turn.quiet, turn.longest) = (Duration::from_secs(20), Duration::from_secs(20));
    }
    store(&base.store, voice).await;
    store(&base.store, text("msg_2", "wait", 3)).await;
    assert_eq!(due_in(&base).await, [20]);
    let mut heard = change("msg_1", Event::AttachmentUpdate, 1, 6);
    heard.turn = Some(hasten);
    store(&base.store, heard).await;
    assert_eq!(due_in(&base).await, [6]);
    assert_eq!(unanswered_count(&base).await, 2);
}

/// On Postgres two replicas store messages of the same chats at the same moment, several of a chat in a batch.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_messages_open_one_turn_for_each_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replicas = [base.store.clone(), base.second().await];
    let tasks: Vec<_> = (0..600)
        .map(|n: usize| {
            let replica = replicas[n % 2].clone();
            tokio::spawn(async move {
                let number = format!("+1555010{:04}", n % 13);
                let message = text(&format!("msg_{n}"), "hi", (n % 3) as u64);
                let message = in_chat(from(message, &number), &format!("any;-;{number}"));
                replica
                    .store_message(on_line(message, "+15550100100"))
                    .await
            })
        })
        .collect();
    for task in tasks {
        let stored = task.await.expect("no panic").expect("a store");
        assert!(matches!(stored, Stored::Accepted(_)), "{stored:?}");
    }
    assert_eq!(unanswered_count(&base).await, 600);
    assert_eq!(due_in(&base).await, [4; 13]);
    let lanes = texts(&base, "select lane from jobs where queue = 'turns'").await;
    assert_eq!(lanes.iter().collect::<BTreeSet<_>>().len(), 13);
}

#[rstest]
#[tokio::test]
async fn what_is_unanswered_goes_with_its_message(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let message = text("msg_1", "hi", 0);
    let id = message.id;
    store(&base.store, message).await;
    let pepper = Pepper::of([9; 32]);
    let deleted = base.store.delete_messages_by_id(&[id], &pepper, NOW).await;
    deleted.expect("a store");
    assert_eq!(unanswered_count(&base).await, 0);
}
