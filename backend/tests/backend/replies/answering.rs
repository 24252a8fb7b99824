//! A turn gets one reply, with its messages and its command.

use archety_backend::jobs::JobOutcome;
use archety_backend::replies::ResponderError;
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{Command, CommandBody, Event, Mode, SendMessage};

use super::support::{
    OPENING, Replica, Scripted, at, change, due_in, outcomes, replies, store, text, texts,
    unanswered_count,
};
use crate::jobs::support::execute;
use crate::store::message_builder::{from, in_chat, on_line};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

/// The commands of all relays, in the order of their numbers.
pub(super) async fn commands(base: &TestStore) -> Vec<(Command, SendMessage)> {
    let sql = match base.kind {
        "sqlite" => {
            "select json_object('seq', seq, 'id', id, 'kind', kind, 'fields', json(body))
             from commands order by relay, seq"
        }
        _ => {
            "select json_build_object('seq', seq, 'id', id, 'kind', kind, 'fields', body::json)::text
             from commands order by relay, seq"
        }
    };
    let rows = texts(base, sql).await;
    let parse = |row: String| {
        let row: Value = serde_json::from_str(&row).expect("json");
        let Value::Object(fields) = row["fields"].clone() else {
            panic!("{row}");
        };
        let command = Command {
            seq: row["seq"].as_i64().expect("a number"),
            id: row["id"].as_str().expect("an id").to_owned(),
            kind: row["kind"].as_str().expect("a kind").to_owned(),
            fields,
        };
        match command.parse().expect("a command that relays read") {
            CommandBody::SendMessage(send) => (command, send),
            other => panic!("{other:?}"),
        }
    };
    rows.into_iter().map(parse).collect()
}

#[rstest]
#[tokio::test]
async fn a_turn_is_answered_once_it_is_due(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|_| Ok(vec!["Hi!".into(), "How are\0 you?".into()]));
    let replica = Replica::new(&base.store, responder.clone());
    store(&base.store, on_line(text("msg_1", "hi", 0), "+15550100100")).await;
    let sms = in_chat(text("msg_2", "there", 1), "any;-;+15550100001");
    store(&base.store, on_line(sms, "+15550100100")).await;
    assert_eq!(replica.step(at(2)).await, None, "not due yet");
    assert_eq!(replica.step(at(3)).await, Some(JobOutcome::Done));
    assert_eq!(replica.step(at(100)).await, None);
    assert_eq!(responder.asked(), [["hi", "there"]]);
    assert_eq!(replies(&base).await, ["Hi!", "How are you?"]);
    assert_eq!(outcomes(&base).await, ["replied"]);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
    let (command, send) = commands(&base).await.remove(0);
    assert_eq!((command.seq, command.kind.as_str()), (1, "send_message"));
    assert_eq!(
        send.chat_guid, "any;-;+15550100001",
        "where the newest message was said"
    );
    assert_eq!(send.aliases, ["iMessage;-;+15550100001"]);
    assert_eq!(send.anchor_guid.as_deref(), Some("guid-msg_2"));
    assert_eq!(send.line.as_deref(), Some("+15550100100"));
    assert_eq!(send.not_after, at(3).as_secs() + 6 * 60 * 60);
    let quiet = send.quiet.expect("quiet hours");
    assert_eq!((quiet.to - quiet.from) / 3_600, 10);
    assert_eq!(send.bubbles[0].pause_ms, 0);
    assert!(send.bubbles[1].pause_ms >= 600);
    let pending = base
        .number(
            "select count(*) from command_bubbles b join messages m on m.id = b.message_id
             where b.state = 'pending' and m.role = 'assistant' and m.sender = 'sage'",
        )
        .await;
    assert_eq!(pending, 2);
}

#[rstest]
#[tokio::test]
async fn each_turn_of_a_conversation_has_its_own_number_and_command(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    for n in 0..3 {
        store(
            &base.store,
            text(&format!("msg_{n}"), &format!("text {n}"), n * 100),
        )
        .await;
        assert_eq!(replica.run_all(at(n * 100 + 2)).await, 1);
    }
    let seqs: Vec<i64> = commands(&base).await.iter().map(|(it, _)| it.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(replies(&base).await, ["text 0", "text 1", "text 2"]);
    assert_eq!(base.number("select max(number) from turns").await, 3);
    assert_eq!(base.number("select command_seq from relays").await, 3);
}

#[rstest]
#[tokio::test]
async fn the_responder_sees_texts_as_they_are_and_nothing_unsent(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::echo();
    let replica = Replica::new(&base.store, responder.clone());
    let mut other = text("msg_0", "[Location]", 0);
    (other.event, other.turn) = (Event::Other, None);
    store(&base.store, text("msg_1", "on", 0)).await;
    store(&base.store, other).await;
    store(&base.store, text("msg_2", "secret", 0)).await;
    let mut edit = change("msg_1", Event::Edit, 2, 1);
    "one".clone_into(&mut edit.text);
    store(&base.store, edit).await;
    let mut unsend = change("msg_2", Event::Unsend, 1, 1);
    unsend.meta_data = Some(json!({ "edit": { "fully_unsent": true } }).to_string());
    store(&base.store, unsend).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    assert_eq!(responder.asked(), [["one"]]);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_turn_of_which_nothing_is_left_is_cancelled(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::echo();
    let replica = Replica::new(&base.store, responder.clone());
    store(&base.store, text("msg_1", "oops", 0)).await;
    store(&base.store, change("msg_1", Event::Unsend, 1, 1)).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    assert_eq!(responder.asked().len(), 0);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
    assert_eq!(replies(&base).await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn silence_failure_and_age_end_a_turn_without_a_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|turn| match &*turn.messages.last().expect("one").text {
        "silence" => Ok(vec![" \n".to_owned()]),
        _ => Err(ResponderError::Never("it does not know how")),
    });
    let replica = Replica::new(&base.store, responder.clone());
    store(&base.store, text("msg_1", "silence", 0)).await;
    replica.run_all(at(2)).await;
    store(&base.store, text("msg_2", "fail", 10)).await;
    replica.run_all(at(12)).await;
    let mut old = text("msg_3", "old", 20);
    old.sent_at = NOW.minus(std::time::Duration::from_hours(13));
    store(&base.store, old).await;
    replica.run_all(at(22)).await;
    let mut without_fields = text("msg_4", "silence", 30);
    without_fields.sent_at = NOW.minus(std::time::Duration::from_hours(13));
    without_fields.message_guid = None;
    store(&base.store, without_fields).await;
    replica.run_all(at(32)).await;
    assert_eq!(
        outcomes(&base).await,
        ["silent", "failed", "too_old", "silent"]
    );
    assert_eq!(responder.asked().len(), 3);
    assert_eq!(commands(&base).await.len(), 0);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_responder_that_fails_is_asked_again_and_holds_up_no_other_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|turn| {
        if turn.now < at(5) && super::support::unanswered(turn) == ["first"] {
            return Err(ResponderError::Later(None));
        }
        Ok(super::support::unanswered(turn))
    });
    let replica = Replica::new(&base.store, responder.clone());
    store(&base.store, text("msg_1", "first", 0)).await;
    let other = in_chat(
        from(text("msg_2", "second", 1), "+15550100002"),
        "any;-;+15550100002",
    );
    store(&base.store, other).await;
    assert_eq!(replica.step(at(3)).await, Some(JobOutcome::Postponed));
    assert_eq!(replica.step(at(3)).await, Some(JobOutcome::Done));
    assert_eq!(replies(&base).await, ["second"]);
    assert_eq!(replica.step(at(10)).await, Some(JobOutcome::Done));
    assert_eq!(replies(&base).await, ["second", "first"]);
}

#[rstest]
#[tokio::test]
async fn a_responder_that_hangs_is_asked_again(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::with_meanwhile(
        |_| Ok(vec!["at last".to_owned()]),
        |n| {
            Box::pin(async move {
                if n == 1 {
                    std::future::pending::<()>().await;
                }
            })
        },
    );
    let timeout = std::time::Duration::from_millis(100);
    let replica = Replica::impatient(&base.store, responder.clone(), timeout);
    store(&base.store, text("msg_1", "hi", 0)).await;
    assert_eq!(replica.step(at(2)).await, Some(JobOutcome::Postponed));
    assert_eq!(replica.step(at(10)).await, Some(JobOutcome::Done));
    assert_eq!(responder.asked().len(), 2);
    assert_eq!(replies(&base).await, ["at last"], "{}", base.kind);
}

#[rstest]
#[tokio::test]
async fn a_turn_waits_at_its_run_for_what_intake_could_not_know(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    let mut hasty = text("msg_1", "well,", 0);
    hasty.turn = Some(OPENING);
    store(&base.store, hasty).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    assert_eq!(
        (replies(&base).await.len(), due_in(&base).await),
        (0, vec![4])
    );
    assert_eq!(replica.run_all(at(4)).await, 1);
    assert_eq!(replies(&base).await, ["well,"]);
}

#[rstest]
#[tokio::test]
async fn a_group_is_answered_when_it_speaks_to_us(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|turn| Ok(vec![format!("to {}", turn.messages.len())]));
    let replica = Replica::new(&base.store, responder.clone());
    let in_group = |identity: &str, said: &str, secs| {
        let mut message = in_chat(text(identity, said, secs), "any;+;chat1");
        (message.chat.mode, message.chat.owner) = (Mode::Group, None);
        on_line(message, "+15550100100")
    };
    store(&base.store, in_group("msg_1", "Sage, when?", 0)).await;
    replica.run_all(at(2)).await;
    assert_eq!(replies(&base).await.len(), 1);
    let send = commands(&base).await.remove(0).1;
    assert_eq!(
        send.chat_guid, "any;+;chat1",
        "in the group, not in private"
    );
    let mut mention = in_group("msg_2", "hey you", 100);
    mention.meta_data = Some(json!({ "mentions": ["tel:+1 555 010 0100"] }).to_string());
    store(&base.store, mention).await;
    replica.run_all(at(102)).await;
    let mut of_another = in_group("msg_3", "hey you", 200);
    of_another.meta_data = Some(json!({ "mentions": ["+15550100009"] }).to_string());
    store(&base.store, of_another).await;
    replica.run_all(at(202)).await;
    let mut reply = in_group("msg_4", "yes", 300);
    reply.meta_data = Some(json!({ "reply_to_guid": "bubble-1" }).to_string());
    store(&base.store, reply).await;
    replica.run_all(at(302)).await;
    assert_eq!(
        outcomes(&base).await,
        ["replied"; 2],
        "nothing was sent as bubble-1 yet"
    );
    execute(
        &base.store,
        "update command_bubbles set message_guid = 'bubble-1'",
    )
    .await;
    let mut reply = in_group("msg_5", "yes", 400);
    reply.meta_data = Some(json!({ "reply_to_guid": "bubble-1" }).to_string());
    store(&base.store, reply).await;
    replica.run_all(at(402)).await;
    assert_eq!(outcomes(&base).await, ["replied"; 3]);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn another_line_of_ours_and_a_line_of_another_relay_are_not_answered(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::echo();
    let replica = Replica::new(&base.store, responder.clone());
    execute(
        &base.store,
        "insert into relay_lines (relay, address, line) values
         ('mini', '+15550100200', '+15550100200'), ('default', 'a@example.com', '+15550100100'),
         ('default', '+15550100100', '+15550100100')",
    )
    .await;
    let ours = in_chat(
        from(text("msg_1", "hi", 0), "+15550100200"),
        "any;-;+15550100200",
    );
    store(&base.store, on_line(ours, "+15550100100")).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    assert_eq!(responder.asked().len(), 0);
    store(
        &base.store,
        on_line(text("msg_2", "hi", 10), "a@example.com"),
    )
    .await;
    replica.run_all(at(12)).await;
    let owners = "select line || ' ' || relay from line_owners order by line";
    let of_both_addresses = ["+15550100100 default", "a@example.com default"];
    assert_eq!(texts(&base, owners).await, of_both_addresses);
    let mut elsewhere = on_line(text("msg_3", "hi", 20), "+15550100100");
    elsewhere.relay = shared_protocol::RelayName::parse("mini").expect("a name");
    store(&base.store, elsewhere).await;
    replica.run_all(at(22)).await;
    assert_eq!(outcomes(&base).await, ["replied"]);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}
