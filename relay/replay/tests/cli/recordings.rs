//! Replays of the files that `archety-relay record` and `report` write.

use archety_relay::cli::Cli;
use archety_relay::dispatch::SendLimits;
use archety_relay::lifecycle::ExitCode;
use clap::Parser;
use messages_stand_in::script::Label;
use serde_json::Value;

use super::*;
use crate::home::CONVERSATION;

/// The file that a command of `archety-relay` writes from the home's chat.db.
fn output_of(home: &Home, command: &[&str]) -> Vec<u8> {
    let [chat_db, state, config, out] = ["chat.db", "state", "config.toml", "out.jsonl"]
        .map(|name| home.path(name).display().to_string());
    std::fs::write(&config, "").expect("written");
    let options = ["--chat-db", &chat_db, "--state-dir", &state];
    let options = options
        .into_iter()
        .chain(["--config", &config, "--out", &out]);
    let relay = ["archety-relay"].iter().chain(command).copied();
    let ended = Cli::parse_from(relay.chain(options)).execute(SendLimits::default());
    assert_eq!(ended, ExitCode::Done, "{command:?}");
    let script = std::fs::read(&out).expect("written");
    std::fs::remove_file(&out).expect("removed");
    script
}

/// The messages that a dry run prints. Nothing may be printed to stderr.
fn dry_run(home: &Home, script: &[u8]) -> Vec<Value> {
    let run = home.relay_reading(&["--dry-run", "-"], script);
    run.expect_code(0);
    assert_eq!(run.err, "", "every address is fictional");
    run.json_lines()
}

/// The length of a message's text in UTF-16 code units.
fn text_length(message: &Value) -> Option<usize> {
    let text = message["text"].as_str();
    text.map(|text| text.encode_utf16().count())
}

#[test]
fn a_redacted_recording_replays_with_fictional_addresses_and_texts_of_equal_length() {
    let home = Home::with_chat_db(CONVERSATION);
    let redacted = dry_run(&home, &output_of(&home, &["record", "--redact"]));
    let original = dry_run(&home, &output_of(&home, &["record"]));
    assert_eq!(redacted.len(), 4);
    assert_eq!(redacted.len(), original.len());
    for (redacted, original) in redacted.iter().zip(&original) {
        for field in ["mode", "event", "service", "from_owner"] {
            assert_eq!(redacted[field], original[field], "{field}");
        }
        if redacted["event"] != "tapback" {
            assert_eq!(text_length(redacted), text_length(original));
        }
        assert_eq!(redacted["reply_via"], "inline");
    }
}

#[test]
fn a_report_with_its_comments_can_be_replayed() {
    let home = Home::with_chat_db(CONVERSATION);
    let report = output_of(&home, &["report", &Label::from("first").guid()]);
    let comments = String::from_utf8_lossy(&report)
        .lines()
        .filter(|line| line.starts_with("// "))
        .count();
    assert_eq!(comments, 2 + 4, "two at the head, and one for each message");
    let lengths: Vec<_> = dry_run(&home, &report).iter().map(text_length).collect();
    assert_eq!(lengths[..3], [Some(15), Some(11), Some(4)]);
    assert_eq!(lengths.len(), 4);
}
