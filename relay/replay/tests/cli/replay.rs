//! `archety-replay` against a backend: posts, results and refusals.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use shared_protocol::{Message, MessageIdentity, RelayName};

use super::*;
use crate::backend::{Backend, problem};

const SCRIPT: &str = r#"
{"script":1,"about":"two people"}
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","id":"m","chat":"ann","from":"+15550100001","text":"Hello"}
{"do":"edit","of":"m","text":"Hello!","after_ms":300}
{"do":"message","chat":"ann","from":"+15550100001","text":"Are you there?","after_ms":300}
"#;

fn replay(home: &Home, script: &str, args: &[&str]) -> Run {
    home.relay_reading(&[&["-"], args].concat(), script.as_bytes())
}

#[test]
fn each_message_is_posted_with_an_inline_reply_and_its_result_printed_without_text_and_number() {
    let backend = Backend::in_background();
    let home = Home::new();
    let run = replay(&home, SCRIPT, &["--to", &backend.url]);
    let lines: Vec<&str> = run.expect_code(0).lines().collect();
    assert!(lines[0].starts_with("EVENT"), "{run:?}");
    assert!(
        lines[1].starts_with("message") && lines[2].starts_with("edit"),
        "{run:?}"
    );
    assert!(
        lines[3].contains("…0001") && lines[3].contains("accepted"),
        "{run:?}"
    );
    assert!(lines[4].starts_with("3 messages: 3 accepted, 0 duplicate, 0 refused, 0 not sent"));
    assert_eq!(run.err, "");
    assert!(
        !run.out.contains("Hello") && !run.out.contains("+1555"),
        "{run:?}"
    );
    let received = backend.received();
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|message| message["reply_via"] == "inline")
    );
    assert!(
        !home.path("state").exists(),
        "the relay's own state is not created"
    );

    // A second replay to the same backend has other guids.
    replay(&home, SCRIPT, &["--to", &backend.url]).expect_code(0);
    let received = backend.received();
    let guids: BTreeSet<_> = received
        .iter()
        .map(|message| message["message_guid"].to_string())
        .collect();
    // In each replay, the edit has the guid of the message that it edits.
    assert_eq!((received.len(), guids.len()), (6, 4));
}

#[test]
fn posts_are_marked_as_rehearsals_have_their_own_ids_and_leave_the_relays_files_unchanged() {
    let backend = Backend::in_background();
    let home = Home::with_chat_db(SCRIPT);
    let files = |home: &Home| {
        let folder = std::fs::read_dir(home.path("")).expect("the home");
        let names = folder.map(|entry| entry.expect("an entry").file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = (
        files(&home),
        std::fs::read(home.path("chat.db")).expect("read"),
    );
    replay(
        &home,
        SCRIPT,
        &["--to", &backend.url, "--relay-name", "mini"],
    )
    .expect_code(0);
    let after = (
        files(&home),
        std::fs::read(home.path("chat.db")).expect("read"),
    );
    assert!(
        before == after,
        "the files of this machine's relay are unchanged"
    );

    let relay = RelayName::parse("mini").expect("a name");
    let received = backend.received();
    assert_eq!(received.len(), 3);
    for (body, id) in received.iter().zip(backend.ids()) {
        assert_eq!(body["rehearsal"], true, "{body}");
        assert_eq!(body["relay_id"], "mini", "the relay name of the secret");
        let message = Message::from_json(body.to_string().as_bytes()).expect("a message");
        let identity = |relay: &RelayName| {
            MessageIdentity {
                relay,
                message_guid: message.message_guid.as_deref().expect("a guid"),
                event: message.event,
                revision: message.revision,
            }
            .webhook_id()
        };
        assert_eq!(id, identity(&relay.rehearsal()).as_str());
        assert_ne!(id, identity(&relay).as_str());
    }
    // A dry run prints bodies that are marked as well.
    let dry_run = replay(&home, SCRIPT, &["--dry-run"]);
    for line in dry_run.expect_code(0).lines() {
        assert!(line.contains(r#""rehearsal":true"#), "{line}");
    }
}

#[test]
fn nothing_is_sent_to_a_backend_without_rehearsals() {
    let backend = Backend::in_background();
    backend.hide_rehearsal_support();
    let home = Home::new();
    let run = replay(&home, SCRIPT, &["--to", &backend.url]);
    run.expect_code(1);
    run.expect_err("is of an earlier release");
    assert!(backend.received().is_empty());
}

#[test]
fn a_script_without_a_step_fails() {
    let home = Home::new();
    for script in ["", "\n\n", "{\"script\":1}\n", "// nothing happens\n"] {
        for args in [&[][..], &["--dry-run"]] {
            let run = replay(&home, script, args);
            run.expect_code(1);
            run.expect_err("nothing to replay");
        }
    }
}

#[test]
fn a_script_without_a_message_to_post_fails_with_the_reason() {
    const HEAD: &str = r#"{"script":1,"since":"sequoia"}"#;
    let chat = r#"{"do":"chat","id":"ann","with":["+15550100001"]}"#;
    let in_ann =
        |rest: &str| format!("{HEAD}\n{chat}\n{{\"do\":\"message\",\"chat\":\"ann\",{rest}}}");
    let filtered = in_ann(r#""from":"+15550100001","text":"cheap""#)
        .replace(r#""with""#, r#""filter":2,"with""#);
    let backend = Backend::in_background();
    let home = Home::new();
    for (script, reason) in [
        (chat.to_owned(), "the script has no message"),
        (
            format!("{chat}\n{{\"do\":\"pause\",\"after_ms\":100}}"),
            "the script has no message",
        ),
        (
            r#"{"do":"pause","after_ms":100}"#.to_owned(),
            "the script has no message",
        ),
        (filtered, "1 not posted: held back by Apple's filters"),
        (
            in_ann(
                r#""from":"me","text":"later","columns":{"schedule_type":2,"schedule_state":1}"#,
            ),
            "1 not posted: to be sent later by Messages",
        ),
        (
            r#"{"do":"message","from":"+15550100001","text":"never joined"}"#.to_owned(),
            "1 not posted: incomplete to the end",
        ),
    ] {
        for args in [&["--to", &backend.url][..], &["--dry-run"]] {
            let run = replay(&home, &script, args);
            assert_eq!(run.expect_code(1), "", "{script} {args:?}");
            run.expect_err("there is nothing to post");
            run.expect_err(reason);
        }
    }
    assert!(backend.received().is_empty());
    // A script with one message succeeds; rows that are not posted are counted on stderr.
    let scheduled_and_sent =
        in_ann(r#""from":"me","text":"later","columns":{"schedule_type":2,"schedule_state":1}"#)
            + "\n"
            + r#"{"do":"message","chat":"ann","from":"+15550100001","text":"hi"}"#;
    for args in [&["--to", &backend.url][..], &["--dry-run"]] {
        let run = replay(&home, &scheduled_and_sent, args);
        assert_ne!(run.expect_code(0), "");
        assert_eq!(run.err, "1 not posted: to be sent later by Messages\n");
    }
}

#[test]
fn a_refused_message_gives_exit_code_1_and_all_outcomes_are_counted() {
    let backend = Backend::in_background();
    backend.answer_next_message(422, problem(422, "invalid_fields"));
    let duplicate = json!({"status": "duplicate", "message_id": "m", "should_respond": false,
        "version": "1.0.0", "environment": "development"});
    backend.answer_next_message(200, duplicate);
    let home = Home::new();
    let run = replay(&home, SCRIPT, &["--to", &backend.url]);
    let out = run.expect_code(1);
    assert!(out.contains("refused: invalid_fields"), "{run:?}");
    assert!(
        out.contains("1 accepted, 1 duplicate, 1 refused, 0 not sent"),
        "{run:?}"
    );
}

#[test]
fn an_unreachable_backend_stops_the_replay_after_the_first_message() {
    let home = Home::new();
    let run = replay(&home, SCRIPT, &[]);
    assert!(
        run.expect_code(1).contains("1 refused, 2 not sent"),
        "{run:?}"
    );
    run.expect_err("the backend cannot be reached");
}

#[test]
fn a_replay_keeps_the_given_rate_and_refuses_a_rate_of_zero() {
    let backend = Backend::in_background();
    let home = Home::new();
    let started = Instant::now();
    replay(&home, SCRIPT, &["--to", &backend.url, "--rate", "10"]).expect_code(0);
    assert!(started.elapsed() >= Duration::from_millis(200));
    replay(&home, SCRIPT, &["--rate", "0"]).expect_code(2);
}

#[test]
fn nothing_is_sent_to_another_host_or_with_real_addresses_without_really() {
    let backend = Backend::in_background();
    let home = Home::new();
    let real = SCRIPT.replace("+15550100001", "+19990000017");
    let run = replay(&home, &real, &["--to", &backend.url]);
    run.expect_code(1);
    run.expect_err("nothing was sent");
    run.expect_err("…0017");
    assert!(!run.err.contains("999"), "{run:?}");
    assert!(backend.received().is_empty());

    let run = replay(&home, SCRIPT, &["--to", "https://backend.example.com"]);
    run.expect_code(1);
    run.expect_err("https://backend.example.com is not this machine");
    run.expect_err("--really");

    replay(&home, &real, &["--to", &backend.url, "--really"]).expect_code(0);
    assert_eq!(backend.received().len(), 3);
}

#[test]
fn a_dry_run_needs_no_secret_and_a_replay_needs_one_but_no_backend_url() {
    let home = Home::new();
    std::fs::write(home.path("case.jsonl"), SCRIPT).expect("written");
    let args = ["--dry-run", "case.jsonl"];
    let run = Run::of(&mut home.bare_command(&args));
    run.expect_code(0);
    let messages = run.json_lines();
    let texts = messages.iter().map(|message| &message["text"]);
    assert!(texts.eq(["Hello", "Hello!", "Are you there?"]), "{run:?}");
    let args = ["case.jsonl"];
    let run = Run::of(&mut home.bare_command(&args));
    run.expect_code(78);
    run.expect_err("RELAY_WEBHOOK_SECRET");
    assert!(
        !run.err.contains("backend_url"),
        "the backend of this machine is the default: {run:?}"
    );
}

#[test]
fn a_file_that_is_no_script_is_refused_with_the_line() {
    let home = Home::new();
    for (script, complaint) in [
        ("{\"do\":\"chat\",\"id\":\"a\"}\nnot json", "line 2"),
        ("{\"do\":\"dance\"}", "unknown variant"),
        ("{\"script\":2}", "version 2"),
        (
            "{\"do\":\"message\",\"chat\":\"nowhere\",\"from\":\"me\",\"text\":\"x\"}",
            "nowhere",
        ),
    ] {
        let run = replay(&home, script, &["--dry-run"]);
        assert_eq!(run.expect_code(1), "");
        run.expect_err(complaint);
    }
    let run = home.relay(&["no-such-file.jsonl"]);
    run.expect_code(1);
    run.expect_err("cannot read no-such-file.jsonl");
}
