//! The own rows, in each style.

use messages_stand_in::Style;
use messages_stand_in::osascript::{Mode, Queued};
use rusqlite::types::Value;

use crate::stage::{ANN, LINE, STYLES, Stage};

/// The guid of the chat to which the newest message is joined.
const CHAT_OF_NEWEST: &str = "select guid from chat join chat_message_join on chat_id = chat.ROWID
    where message_id = (select max(ROWID) from message)";
const IS_JOINED: &str = "exists (select 1 from chat_message_join where message_id = message.ROWID)";

#[test]
fn an_own_row_gets_its_sender_its_chat_and_its_delivery_one_after_the_other() {
    for style in STYLES {
        let stage = Stage::new(style);
        // Slow enough for this test to see each state.
        let flip = Mode::LateFlip { after_ms: 1500 };
        assert_eq!(stage.send(flip, "Hi, Ann").expect_code(0), "sent\n");
        assert_eq!(stage.newest::<i64>("is_from_me"), 0);
        assert_eq!(stage.newest::<i64>("handle_id"), 0);
        assert_eq!(stage.newest::<i64>("is_sent"), 0);
        stage.wait_for("is_delivered = 1");
        assert_eq!(stage.newest::<i64>("is_from_me"), 1);
        assert_eq!(stage.newest::<i64>("is_sent"), 1);
        assert_eq!(stage.newest::<i64>("error"), 0);
        assert!(stage.newest::<i64>("date_delivered") >= stage.newest::<i64>("date"));
        assert_eq!(stage.value::<String>(CHAT_OF_NEWEST, []), stage.ann);
        let handle = "(select id from handle where ROWID = handle_id)";
        assert_eq!(stage.newest::<String>(handle), ANN);
        assert_eq!(stage.newest_text(), "Hi, Ann");
        let text: Option<String> = stage.newest("text");
        assert_eq!(text.is_some(), style == Style::Monterey, "{style}");
        let guid: String = stage.newest("guid");
        assert_eq!(stage.last_call().handed_over, Some(guid));
        assert!(stage.newest::<Option<String>>("reply_to_guid").is_some());
    }
}

#[test]
fn the_join_comes_after_the_row() {
    for style in STYLES {
        let stage = Stage::new(style);
        let late = Mode::LateJoin { after_ms: 1500 };
        stage.send(late, "Hi").expect_code(0);
        assert!(!stage.newest::<bool>(IS_JOINED), "{style}");
        stage.wait_for(IS_JOINED);
    }
}

#[test]
fn the_own_address_stands_in_some_styles_only() {
    for style in STYLES {
        let stage = Stage::new(style);
        stage.send(Mode::Ok, "Hi").expect_code(0);
        let expected = match style {
            Style::Tahoe => Value::Null,
            Style::Macos27 => Value::Text(String::new()),
            _ => Value::Text(LINE.to_owned()),
        };
        assert_eq!(stage.newest::<Value>("destination_caller_id"), expected);
        assert_eq!(stage.newest::<String>("account"), format!("P:{LINE}"));
        stage.wait_for("is_delivered = 1");
    }
}

#[test]
fn an_own_row_of_a_group_has_no_handle() {
    for style in STYLES {
        let stage = Stage::new(style);
        let group = stage.group.clone();
        assert_eq!(group.starts_with("any;+;"), style >= Style::Tahoe);
        stage
            .run(&["send-to-chat", &group, "Hi, all"])
            .expect_code(0);
        stage.wait_for("is_delivered = 1");
        assert_eq!(stage.newest::<i64>("handle_id"), 0);
        assert_eq!(stage.value::<String>(CHAT_OF_NEWEST, []), group);
    }
}

#[test]
fn a_participant_is_answered_in_the_direct_chat_and_a_new_one_gets_a_chat() {
    for style in STYLES {
        let stage = Stage::new(style);
        stage
            .run(&["send-to-participant", "iMessage", ANN, "Hi"])
            .expect_code(0);
        stage.wait_for("is_delivered = 1");
        assert_eq!(stage.value::<String>(CHAT_OF_NEWEST, []), stage.ann);
        let chats: i64 = stage.value("select count(*) from chat", []);
        stage
            .run(&["send-to-participant", "SMS", "+15555550155", "Hi"])
            .expect_code(0);
        stage.wait_for("is_sent = 1");
        assert_eq!(stage.newest::<String>("service"), "SMS");
        assert_eq!(
            stage.value::<i64>("select count(*) from chat", []),
            chats + 1
        );
        let last = stage.last_call();
        assert_eq!((last.chat.as_str(), last.bubble), ("+15555550155", Some(1)));
    }
}

#[test]
fn since_macos_26_a_group_named_as_a_direct_chat_takes_texts_and_delivers_none() {
    for style in [Style::Tahoe, Style::Macos27] {
        let stage = Stage::new(style);
        let wrong = stage.group.replacen(";+;", ";-;", 1);
        stage.run(&["find-chat", &wrong]).expect_code(0);
        let before = stage.messages();
        stage.run(&["send-to-chat", &wrong, "Hi"]).expect_code(0);
        assert_eq!(stage.messages(), before);
        assert_eq!(stage.last_call().handed_over, None);
    }
}

#[test]
fn another_line_stands_in_the_row_and_in_its_chat() {
    for style in STYLES {
        let stage = Stage::new(style);
        let address = "+15550007777".to_owned();
        let other = Mode::OtherLine {
            address: address.clone(),
        };
        stage.send(other, "Hi").expect_code(0);
        assert_eq!(stage.newest::<String>("destination_caller_id"), address);
        let chat = "select last_addressed_handle from chat where guid = ?1";
        assert_eq!(stage.value::<String>(chat, [&stage.ann]), address);
        stage.wait_for("is_delivered = 1");
    }
}

#[test]
fn an_echo_is_a_received_row_with_the_same_text() {
    for style in STYLES {
        let stage = Stage::new(style);
        let address = "me@example.com".to_owned();
        stage
            .control
            .queue([Queued::send(Mode::Echo { address }).to(&stage.ann)])
            .unwrap();
        stage
            .run(&["send-to-chat", &stage.ann, "Hi"])
            .expect_code(0);
        let sender = "(select id from handle where ROWID = handle_id) = 'me@example.com'";
        stage.wait_for(sender);
        assert_eq!(stage.newest::<i64>("is_from_me"), 0);
        assert_eq!(stage.newest_text(), "Hi");
    }
}
