//! The commands of an answer: their order, their limits, and who gets them.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use shared_protocol::{
    Cancel, Command, CommandBody, MAX_BUBBLE_CHARS, MAX_BUBBLES, MAX_COMMANDS_BYTES, MAX_GUID_CHARS,
};

use super::support::{
    carried, execute, first_pull, held_pull, pull, pull_after, pull_with_acks, rows, text, write,
    write_body,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp};

#[rstest]
#[tokio::test]
async fn commands_come_in_their_order_until_the_relay_has_stored_them(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["Hi!", "How are you?"]).await;
    let cancel = CommandBody::Cancel(Cancel {
        ids: vec!["cmd_a".to_owned()],
        chat_guid: None,
    });
    assert!(write_body(&app.store, "cmd_b", &cancel).await);
    let is_new = write_body(&app.store, "cmd_b", &cancel).await;
    assert!(!is_new, "an id is used once");
    let answer = pull(&relay, "1", &first_pull("one")).await;
    let commands: Vec<Command> =
        serde_json::from_value(answer["commands"].clone()).expect("commands");
    let bodies: Vec<_> = commands.iter().map(Command::parse).collect();
    assert_eq!(bodies, [Ok(text(&["Hi!", "How are you?"])), Ok(cancel)]);
    assert_eq!(
        carried(&answer),
        rows(&[(1, "cmd_a", false), (2, "cmd_b", false)])
    );
    assert_eq!(answer.get("more"), None);
    let answer = pull(&relay, "2", &pull_after("one", (1, "cmd_a"))).await;
    assert_eq!(carried(&answer), rows(&[(2, "cmd_b", false)]));
    let answer = pull(&relay, "3", &pull_after("one", (2, "cmd_b"))).await;
    assert_eq!(carried(&answer), []);
    // The relay that signs with the other secret, and the rehearsals of this one, have their own commands.
    let answer = pull(&app.relay(), "4", &first_pull("two")).await;
    assert_eq!(carried(&answer), []);
    let mut rehearsal = first_pull("three");
    rehearsal["rehearsal"] = json!(true);
    let answer = pull(&relay, "5", &rehearsal).await;
    assert_eq!(carried(&answer), []);
}

#[rstest]
#[tokio::test]
async fn an_answer_has_at_most_100_commands_and_says_that_more_wait(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    for n in 0..201 {
        write(&app.store, &format!("cmd_{n}"), &["Hi!"]).await;
    }
    let mut after = (0, String::new());
    let mut sizes = Vec::new();
    loop {
        let n = sizes.len().to_string();
        let answer = pull(&relay, &n, &pull_after("one", (after.0, &after.1))).await;
        let commands = carried(&answer);
        let last = commands.last().expect("commands").clone();
        assert_eq!(commands[0].0, after.0 + 1);
        sizes.push(commands.len());
        after = (last.0, last.1);
        if answer["more"] != true {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 1]);
}

#[rstest]
#[tokio::test]
async fn five_thousand_commands_come_in_fifty_answers(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    write(&app.store, "cmd_1", &["Hi!"]).await;
    let copies = "with recursive copies (n) as (
                    select 2 union all select n + 1 from copies where n < 5000
                  )
                  insert into commands (relay, id, seq, kind, body, body_hash, created_at)
                  select relay, 'cmd_' || n, n, kind, body, body_hash, created_at from commands, copies";
    execute(&app.base, copies).await;
    let (mut after, mut answers) = ((0, String::new()), 0);
    loop {
        let answer = pull(
            &app.mini(),
            &answers.to_string(),
            &pull_after("one", (after.0, &after.1)),
        )
        .await;
        let commands = carried(&answer);
        assert_eq!(commands.len(), 100);
        assert_eq!(commands[0].0, after.0 + 1);
        let (seq, id, _) = commands.last().expect("commands").clone();
        (after, answers) = ((seq, id), answers + 1);
        if answer["more"] != true {
            break;
        }
    }
    assert_eq!((after.0, answers), (5_000, 50));
}

/// The backend writes at most this many aliases, and each name of a chat is at most so long.
#[tokio::test]
async fn the_largest_text_fits_into_an_answer() {
    let app = TestApp::new(Sqlite).await;
    let longest = "🙂".repeat(MAX_BUBBLE_CHARS);
    let bubbles = [&*longest; MAX_BUBBLES];
    let CommandBody::SendMessage(mut send) = text(&bubbles) else {
        unreachable!("a text");
    };
    let guid = "🙂".repeat(MAX_GUID_CHARS);
    send.aliases = vec![guid.clone(); 16];
    (send.chat_guid, send.anchor_guid) = (guid.clone(), Some(guid));
    assert_eq!(send.check(), Ok(()));
    write_body(&app.store, "cmd_a", &CommandBody::SendMessage(send)).await;
    let answer = app.mini().pull("pull_1", &first_pull("one")).await;
    assert_eq!(carried(&answer.json()).len(), 1);
    assert!(
        answer.body.len() < MAX_COMMANDS_BYTES,
        "{}",
        answer.body.len()
    );
}

#[rstest]
#[tokio::test]
async fn an_answer_has_at_most_a_mebibyte_but_a_larger_command_comes_alone(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    let large = "🙂".repeat(2_000);
    let bubbles = [&*large; 40];
    for id in ["cmd_a", "cmd_b", "cmd_c", "cmd_d"] {
        write(&app.store, id, &bubbles).await;
    }
    let guids = (0..40_000).map(|n| format!("{n:036}")).collect();
    let forget = CommandBody::Forget(shared_protocol::Forget {
        chat_guids: Vec::new(),
        message_guids: guids,
    });
    assert!(write_body(&app.store, "cmd_e", &forget).await);
    write(&app.store, "cmd_f", &["Hi!"]).await;
    let mut after = (0, String::new());
    let mut sizes = Vec::new();
    for n in 0..4 {
        let request = pull_after("one", (after.0, &after.1));
        let answer = relay.pull(&format!("pull_{n}"), &request).await;
        let commands = carried(&answer.json());
        assert!(answer.body.len() <= MAX_COMMANDS_BYTES || commands.len() == 1);
        assert_eq!(answer.json()["more"] == true, n < 3);
        sizes.push(commands.len());
        let (seq, id, _) = commands.last().expect("commands").clone();
        after = (seq, id);
    }
    assert_eq!(sizes, [3, 1, 1, 1]);
    assert_eq!(after.1, "cmd_f");
}

#[rstest]
#[tokio::test]
async fn finished_commands_are_not_carried(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_a", &["Hi!"]).await;
    write(&app.store, "cmd_b", &["Hi!"]).await;
    let acks = pull_with_acks(&[("cmd_a", 0, "sent")]);
    assert_eq!(
        carried(&pull(&relay, "1", &acks).await),
        rows(&[(2, "cmd_b", false)])
    );
}

/// A relay of the first release pulls again at once and reads no commands.
#[tokio::test]
async fn a_relay_that_names_no_command_gets_none_and_is_held() {
    let app = TestApp::new(Sqlite).await;
    write(&app.store, "cmd_a", &["Hi!"]).await;
    let began = std::time::Instant::now();
    let first_release = json!({ "instance_id": "one", "wait_seconds": 1, "after_seq": 0 });
    let answer = pull(&app.mini(), "1", &first_release).await;
    assert_eq!(carried(&answer), []);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_held_pull_without_commands_ends_when_draining_begins() {
    let app = TestApp::new(Sqlite).await;
    let held = held_pull(&app, "1", (0, "")).await;
    app.lifecycle.start_draining();
    assert_eq!(carried(&held.answer().await), []);
}
