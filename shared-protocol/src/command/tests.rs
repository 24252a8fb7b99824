//! Tests of commands: how each kind is read, which fields are refused, and ids that never change.

use serde_json::json;

use super::*;

fn send(bubbles: &[&str]) -> SendMessage {
    SendMessage {
        chat_guid: "iMessage;-;+15550100001".to_owned(),
        aliases: Vec::new(),
        anchor_guid: None,
        line: None,
        service: None,
        bubbles: bubbles.iter().copied().map(bubble).collect(),
        priority: Priority::Reply,
        not_before: None,
        not_after: 1_700_000_000,
        quiet: None,
        handed: false,
    }
}

fn bubble(text: &str) -> Bubble {
    Bubble {
        text: text.to_owned(),
        pause_ms: 0,
    }
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let bodies = [
        CommandBody::SendMessage(SendMessage {
            aliases: vec!["any;-;+15550100001".to_owned()],
            anchor_guid: Some("A".to_owned()),
            line: Some("+15550100000".to_owned()),
            service: Some("iMessage".to_owned()),
            priority: Priority::Otp,
            not_before: Some(1),
            quiet: Some(QuietHours { from: 1, to: 2 }),
            handed: true,
            ..send(&["Hi!", "two\nlines\t\"quoted\" \\ 👩‍👩‍👧"])
        }),
        CommandBody::Cancel(Cancel {
            ids: vec!["cmd_1".to_owned()],
            chat_guid: Some("c".to_owned()),
        }),
        CommandBody::Ping,
        CommandBody::ResendSince(ResendSince { since: 5 }),
        CommandBody::Forget(Forget {
            chat_guids: vec!["c".to_owned()],
            message_guids: vec!["m".to_owned()],
        }),
    ];
    for body in bodies {
        let command = Command::new(1, "cmd_1", &body);
        let json = serde_json::to_string(&command).expect("plain data");
        let read: Command = serde_json::from_str(&json).expect("the same");
        assert_eq!(read.parse().as_ref(), Ok(&body), "{json}");
    }
}

#[test]
fn an_unknown_kind_is_unsupported() {
    let command: Command =
        serde_json::from_value(json!({ "seq": 1, "id": "x", "kind": "dance", "to": 1 })).expect("");
    assert_eq!(command.parse(), Err(CommandRefusal::Unsupported));
}

#[test]
fn a_command_without_a_number_or_a_kind_is_invalid() {
    let refusal = |seq: i64, kind: &str| {
        let command = Command {
            seq,
            id: "x".to_owned(),
            kind: kind.to_owned(),
            fields: Map::new(),
        };
        command.parse().err()
    };
    assert_eq!(refusal(MAX_SEQ, "ping"), None);
    for seq in [0, -1, MAX_SEQ + 1] {
        assert_eq!(refusal(seq, "ping"), Some(CommandRefusal::Invalid("seq")));
    }
    assert_eq!(refusal(1, ""), Some(CommandRefusal::Invalid("kind")));
}

#[test]
fn fields_that_break_a_rule_are_named_without_their_values() {
    let refusal = |id: &str, kind: &str, fields: serde_json::Value| {
        let command = Command {
            seq: 1,
            id: id.to_owned(),
            kind: kind.to_owned(),
            fields: fields.as_object().expect("an object").clone(),
        };
        command.parse().expect_err("broken")
    };
    let invalid = CommandRefusal::Invalid;
    assert_eq!(refusal("", "ping", json!({})), invalid("id"));
    assert_eq!(refusal("a b", "ping", json!({})), invalid("id"));
    assert_eq!(refusal("x", "send_message", json!({})), invalid("fields"));
    assert_eq!(
        refusal("x", "resend_since", json!({"since": "now"})),
        invalid("fields")
    );
    let texts = [
        String::new(),
        " \n".to_owned(),
        "a\0b".to_owned(),
        "\u{1b}[31m".to_owned(),
        "x".repeat(MAX_BUBBLE_CHARS + 1),
    ];
    for text in &texts {
        let fields = serde_json::to_value(send(&[text])).expect("plain");
        assert_eq!(
            refusal("x", "send_message", fields),
            invalid("bubbles"),
            "{text:?}"
        );
    }
    for count in [0, MAX_BUBBLES + 1] {
        let fields = serde_json::to_value(send(&vec!["x"; count])).expect("plain");
        assert_eq!(refusal("x", "send_message", fields), invalid("bubbles"));
    }
    let mut without_chat = send(&["x"]);
    without_chat.chat_guid.clear();
    let fields = serde_json::to_value(without_chat).expect("plain");
    assert_eq!(refusal("x", "send_message", fields), invalid("chat_guid"));
}

#[test]
fn the_id_of_a_reply_never_changes() {
    // Relays compare ids over years: a restored backend must make the ids that the relay has in its ledger.
    let relay = RelayName::parse("default").expect("valid");
    let conversation = ["+15550100000", "-;+15550100001"];
    let id = reply_command_id(&relay, &conversation, "msg_1");
    assert_eq!(id, "cmd_59ee323f152120db3646fc7e76eeabde");
    let run_together = ["+15550100000-", ";+15550100001"];
    assert_ne!(id, reply_command_id(&relay, &run_together, "msg_1"));
}
