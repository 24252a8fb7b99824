//! `record`: writes rows of chat.db as a script. The tests of `archety-replay` replay such scripts.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::home::CONVERSATION;

#[test]
fn an_existing_file_is_not_overwritten() {
    let home = Home::with_chat_db(CONVERSATION);
    std::fs::write(home.path("out.jsonl"), "mine").expect("written");
    let run = home.relay(&["record", "--out", "out.jsonl"]);
    run.expect_code(1);
    run.expect_err("name another file");
    let kept = std::fs::read_to_string(home.path("out.jsonl")).expect("read");
    assert_eq!(kept, "mine");
}

#[test]
fn a_redacted_recording_has_nothing_private_and_a_plain_one_warns() {
    let home = Home::with_chat_db(CONVERSATION);
    let recorded = home.relay(&["record", "--redact"]);
    for private in ["Hello", "book", "Fine", "0100001", "bob@", "club"] {
        assert!(
            !recorded.expect_code(0).contains(private),
            "{private}: {recorded:?}"
        );
    }
    assert_eq!(recorded.err, "");
    let plain = home.relay(&["record"]);
    plain.expect_err("private messages");
}

#[test]
fn options_choose_the_recorded_messages() {
    let home = Home::with_chat_db(CONVERSATION);
    let count = |args: &[&str]| {
        let run = home.relay(&[&["record", "--redact"], args].concat());
        let lines = run.expect_code(0).lines();
        lines
            .filter(|line| line.contains("\"do\":\"message\""))
            .count()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--newest", "1"]), 1);
    assert_eq!(count(&["--rows", "2..3"]), 2);
    let first = messages_stand_in::script::Label("first".into()).guid();
    assert_eq!(count(&["--guid", &first]), 2, "the message and its tapback");
    for no_match in [["--guid", "no-such-guid"], ["--rows", "900..901"]] {
        let run = home.relay(&[&["record", "--redact"], no_match.as_slice()].concat());
        run.expect_code(1);
        run.expect_err("no such message");
    }
    home.relay(&["record", "--newest", "1", "--rows", "1..2"])
        .expect_code(2);
}

#[test]
fn a_recording_is_a_new_file_that_only_its_owner_can_read() {
    let home = Home::with_chat_db(CONVERSATION);
    let args = ["record", "--redact", "--out", "case.jsonl"];
    assert_eq!(home.relay(&args).expect_code(0), "");
    let file = std::fs::metadata(home.path("case.jsonl")).expect("written");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let again = home.relay(&args);
    again.expect_code(1);
    again.expect_err("case.jsonl");
}

#[test]
fn the_error_of_a_missing_or_foreign_database_says_what_to_do() {
    let home = Home::new();
    let run = home.relay(&["record"]);
    run.expect_code(1);
    run.expect_err("does not exist");
    std::fs::write(home.path("chat.db"), vec![b'x'; 8192]).expect("written");
    let run = home.relay(&["record"]);
    run.expect_code(1);
    run.expect_err("not a whole SQLite database");
    std::fs::write(home.path("chat.db"), b"").expect("written");
    let run = home.relay(&["record"]);
    run.expect_code(1);
    run.expect_err("sign in to Messages");
}
