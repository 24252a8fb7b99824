//! Replays of the files that `archety-relay record` and `report` write.

use archety_relay::cli::Cli;
use archety_relay::lifecycle::ExitCode;
use clap::Parser;
use messages_stand_in::script::Label;
use serde_json::Value;

use super::*;
use crate::home::CONVERSATION;

/// The output of a command of `archety-relay` that reads the home's chat.db.
fn written(home: &Home, command: &[&str]) -> Vec<u8> {
    let [chat_db, state, config, out] = ["chat.db", "state", "config.toml", "out.jsonl"]
        .map(|name| home.path(name).display().to_string());
    std::fs::write(&config, "").expect("written");
    let own = ["--chat-db", &chat_db, "--state-dir", &state];
    let own = own.into_iter().chain(["--config", &config, "--out", &out]);
    let relay = ["archety-relay"].iter().chain(command).copied();
    let ended = Cli::parse_from(relay.chain(own)).execute();
    assert_eq!(ended, ExitCode::Done, "{command:?}");
    let script = std::fs::read(&out).expect("written");
    std::fs::remove_file(&out).expect("removed");
    script
}

/// The messages that a dry run prints. Nothing may be printed to stderr.
fn dry_run(home: &Home, script: &[u8]) -> Vec<Value> {
    let run = home.relay_reading(&["--dry-run", "-"], script);
    run.expect_code(0);
    assert_eq!(run.err, "", "every number in it is fictional");
    run.json_lines()
}

fn utf16(message: &Value) -> Option<usize> {
    let text = message["text"].as_str();
    text.map(|text| text.encode_utf16().count())
}

#[test]
fn a_redacted_recording_replays_as_the_same_conversation_of_other_people() {
    let home = Home::with_chat_db(CONVERSATION);
    let redacted = dry_run(&home, &written(&home, &["record", "--redact"]));
    let original = dry_run(&home, &written(&home, &["record"]));
    assert_eq!(redacted.len(), 4);
    assert_eq!(redacted.len(), original.len());
    for (redacted, original) in redacted.iter().zip(&original) {
        for same in ["mode", "event", "service", "from_owner"] {
            assert_eq!(redacted[same], original[same], "{same}");
        }
        if redacted["event"] != "tapback" {
            assert_eq!(utf16(redacted), utf16(original));
        }
        assert_eq!(redacted["reply_via"], "inline");
    }
}

#[test]
fn a_report_can_be_replayed_comments_and_all() {
    let home = Home::with_chat_db(CONVERSATION);
    let report = written(&home, &["report", &Label::from("first").guid()]);
    let comments = String::from_utf8_lossy(&report)
        .lines()
        .filter(|line| line.starts_with("// "))
        .count();
    assert_eq!(comments, 2 + 4, "a head, and one for each message");
    let lengths: Vec<_> = dry_run(&home, &report).iter().map(utf16).collect();
    assert_eq!(lengths[..3], [Some(15), Some(11), Some(4)]);
    assert_eq!(lengths.len(), 4);
}
