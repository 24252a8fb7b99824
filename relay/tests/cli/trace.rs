//! `trace` and `report`: the row, the decision and the posts of one message.

use messages_stand_in::Script;
use messages_stand_in::script::{Label, Step, TimedStep};

use test_process::wait_until;

use super::*;

const SCRIPT: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","id":"first","chat":"ann","from":"+15550100001","text":"Hello Bob"}
{"do":"message","id":"second","chat":"ann","from":"+15550100001","text":"Shall we meet?","after_ms":500}
"#;

fn guid(name: &str) -> String {
    Label(name.to_owned()).guid()
}

/// A home whose relay has read the messages and delivered none of them.
fn home_after_a_run() -> Home {
    let home = Home::with_chat_db(SCRIPT);
    let mut relay = home.start_run(&["--since", "1h", "--auth", "bearer"]);
    wait_until("both messages are in the outbox", || {
        let run = home.relay(&["outbox", "list", "--json"]);
        run.code == Some(0) && run.json().as_array().is_some_and(|posts| posts.len() == 2)
    });
    assert_eq!(relay.terminate().expect("it ends"), Some(0));
    home
}

#[test]
fn trace_shows_a_message_from_its_row_to_its_post() {
    let home = home_after_a_run();
    let run = home.relay(&["trace", &guid("first"), "--json"]);
    run.expect_code(0);
    let trace = run.json();
    assert_eq!(trace["chat_db"]["Ok"]["text_chars"], 9);
    assert_eq!(trace["decision"]["outcome"], "backfilled");
    assert_eq!(trace["posts"][0]["state"], "pending");
    let run = home.relay(&["trace", &guid("first")]);
    assert!(run.expect_code(0).contains("backfilled"), "{run:?}");
    assert!(
        !run.out.contains("Hello") && !run.out.contains("5550100001"),
        "{run:?}"
    );

    let run = home.relay(&["trace", "no-such-guid"]);
    assert!(run.expect_code(1).contains("no such message"), "{run:?}");
}

#[test]
fn trace_names_the_row_to_which_an_edit_notice_belongs() {
    let home = Home::with_chat_db(
        r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","id":"edited","chat":"ann","from":"+15550100001","text":"at sven"}
{"do":"message","id":"notice","chat":"ann","from":"+15550100001","text":"Edited to “at seven”","after_ms":500}
{"do":"edit","of":"edited","text":"at seven","told_by":"notice","after_ms":100}
"#,
    );
    let mut relay = home.start_run(&["--since", "1h", "--auth", "bearer"]);
    let mut trace = serde_json::Value::Null;
    wait_until("both rows are decided", || {
        trace = home.relay(&["trace", &guid("notice"), "--json"]).json();
        trace["decision"].is_object()
    });
    assert_eq!(relay.terminate().expect("it ends"), Some(0));
    assert_eq!(trace["chat_db"]["Ok"]["relation"], "edit_notice");
    let edited = guid("edited");
    assert_eq!(trace["chat_db"]["Ok"]["related_to"], edited.as_str());
    assert_eq!(trace["posts"].as_array().map(Vec::len), Some(0));
    let run = home.relay(&["trace", &guid("notice")]);
    assert!(
        run.expect_code(0)
            .contains(&format!("edit_notice {edited}")),
        "{run:?}"
    );
}

#[test]
fn a_report_has_the_rows_as_a_script_and_nothing_private() {
    let home = home_after_a_run();
    home.relay(&["report", &guid("second"), "--out", "case.jsonl"])
        .expect_code(0);
    let report = std::fs::read_to_string(home.path("case.jsonl")).expect("written");
    for private in ["Hello", "Bob", "Shall", "meet", "0100001"] {
        assert!(!report.contains(private), "{private}: {report}");
    }
    let comments: Vec<&str> = report
        .lines()
        .filter_map(|line| line.strip_prefix("// "))
        .collect();
    let message_line = comments
        .iter()
        .find_map(|line| line.strip_prefix("the message: "));
    let timings: serde_json::Value =
        serde_json::from_str(message_line.expect("a line")).expect("JSON");
    assert_eq!(timings["guid"], guid("second").as_str());
    assert_eq!(timings["outcome"], "backfilled");
    assert_eq!(timings["posts"][0]["state"], "pending");
    assert!(timings["decided_at"].as_i64() > timings["sent_at"].as_i64());
    let nearby_lines = comments
        .iter()
        .filter(|line| line.starts_with("around it: "));
    assert_eq!(nearby_lines.count(), 1);

    let script = Script::parse(&report).expect("still a script");
    let lengths: Vec<usize> = script.steps.iter().filter_map(text_length).collect();
    assert_eq!(lengths, [9, 14]);
}

fn text_length(timed: &TimedStep) -> Option<usize> {
    match &timed.step {
        Step::Message(message) => Some(message.runs.iter().map(|run| run.text.len()).sum()),
        _ => None,
    }
}

#[test]
fn a_report_needs_a_known_message_and_overwrites_no_file() {
    let home = Home::with_chat_db(SCRIPT);
    let run = home.relay(&["report", "no-such-guid"]);
    run.expect_code(1);
    run.expect_err("neither chat.db nor the relay's state");
    let run = home.relay(&["report", &guid("first"), "--out", "chat.db"]);
    run.expect_code(1);
    run.expect_err("chat.db");
    // Without a state, the report has only the script.
    let run = home.relay(&["report", &guid("first")]);
    assert!(run.expect_code(0).contains("\"do\":\"message\""), "{run:?}");
    run.expect_err("has not run here yet");
}
