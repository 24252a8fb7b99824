//! Groups: replies stay in the group, and two personas in one group do not answer each other.

use archety_backend::store::{NewMessage, Opens};
use rstest::rstest;
use shared_protocol::{Event, Mode, RelayName};

use super::answering::commands;
use super::support::{
    OPENING, Replica, Scripted, at, change, outcomes, replies, store, text, texts, unanswered_count,
};
use crate::jobs::support::execute;
use crate::store::message_builder::{from, in_chat, on_line};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

const GROUP: &str = "any;+;chat1";
const LINE: &str = "+15550100100";
const LINE_OF_MINI: &str = "+15550100200";

/// A message in the group, as the relay of the line has brought it in.
fn in_group(identity: &str, said: &str, secs: u64) -> NewMessage {
    let mut message = in_chat(text(identity, said, secs), GROUP);
    (message.chat.mode, message.chat.owner) = (Mode::Group, None);
    on_line(message, LINE)
}

/// The same message as the relay `mini` has brought it in.
fn of_mini(mut message: NewMessage, line: &str) -> NewMessage {
    message.relay = RelayName::parse("mini").expect("a name");
    on_line(message, line)
}

async fn with_lines_of_two_relays(engine: Engine) -> TestStore {
    let base = TestStore::new(engine).await;
    execute(
        &base.store,
        "insert into relay_lines (relay, address, line) values
         ('default', '+15550100100', '+15550100100'), ('mini', '+15550100200', '+15550100200')",
    )
    .await;
    base
}

/// Each persona has its own inbox. The bubbles of the one come in at the other as messages of a participant.
#[rstest]
#[tokio::test]
async fn two_personas_in_a_group_answer_people_and_not_each_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = with_lines_of_two_relays(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, in_group("msg_1", "Sage, when?", 0)).await;
    store(
        &base.store,
        of_mini(in_group("msg_1", "Sage, when?", 0), LINE_OF_MINI),
    )
    .await;
    assert_eq!(replica.run_all(at(2)).await, 2);
    assert_eq!(
        outcomes(&base).await,
        ["replied", "replied"],
        "{}",
        base.kind
    );
    let said_by = |identity: &str, said: &str, sender: &str| {
        let mut message = from(in_group(identity, said, 10), sender);
        (message.chat.owner, message.phone) = (None, None);
        message
    };
    let bubble = said_by("msg_2", "sage says: at nine", LINE);
    store(&base.store, of_mini(bubble, LINE_OF_MINI)).await;
    let bubble = said_by("msg_3", "Sage agrees", "tel:+1 (555) 010-0200");
    store(&base.store, bubble).await;
    assert_eq!(replica.run_all(at(12)).await, 2);
    assert_eq!(outcomes(&base).await, ["replied", "replied"]);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_group_that_two_relays_of_one_line_bring_in_gets_one_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = with_lines_of_two_relays(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    for secs in [0, 100] {
        let identity = format!("msg_{secs}");
        store(&base.store, in_group(&identity, "sage?", secs)).await;
        store(
            &base.store,
            of_mini(in_group(&identity, "sage?", secs), LINE),
        )
        .await;
        assert_eq!(replica.run_all(at(secs + 2)).await, 2);
    }
    assert_eq!(
        outcomes(&base).await,
        ["replied", "replied"],
        "{}",
        base.kind
    );
    let relays = texts(&base, "select distinct relay from commands").await;
    assert_eq!(relays.len(), 1, "always the same relay: {relays:?}");
    assert_eq!(unanswered_count(&base).await, 0);
}

/// Messages has joined the row of the group to the direct chat of its sender, too.
#[rstest]
#[tokio::test]
async fn a_late_text_of_a_group_is_answered_in_the_group(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    let mut without_text = in_group("msg_1", "", 0);
    (without_text.event, without_text.turn) = (Event::Other, None);
    store(&base.store, without_text).await;
    let mut late = change("msg_1", Event::Edit, 0, 1);
    "Sage, when?".clone_into(&mut late.text);
    let mut opening = OPENING;
    opening.opens = Opens::TurnIfTextWasMissing;
    late.turn = Some(opening);
    assert_eq!(late.chat.chat_guid, "iMessage;-;+15550100001");
    store(&base.store, late).await;
    assert_eq!(replica.run_all(at(3)).await, 1);
    assert_eq!(replies(&base).await, ["Sage, when?"]);
    let send = commands(&base).await.remove(0).1;
    assert_eq!(send.chat_guid, GROUP, "{}", base.kind);
    let in_messages = "select chat_guid from messages where role = 'assistant'";
    assert_eq!(texts(&base, in_messages).await, [GROUP]);
}
