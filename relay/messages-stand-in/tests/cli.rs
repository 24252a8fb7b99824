//! The command line: output and errors; and the long history that `--rows` adds.

use std::path::Path;
use std::process::Command;

use messages_stand_in::{ChatDb, Date, Style, bulk, schema};
use test_process::Run;

fn run(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messages-stand-in"));
    Run::of(command.args(arguments))
}

/// The output of a command, which must succeed.
fn output_of(arguments: &[&str]) -> String {
    run(arguments).expect_code(0).to_owned()
}

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    folder.join(name).to_string_lossy().into_owned()
}

#[test]
fn play_prints_each_step_with_its_rowid_guid_and_commit_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let db = path.to_str().unwrap();
    let late_text = script("late-text.jsonl");
    let run = run(&["play", &late_text, "--db", db, "--speed", "1000"]);
    run.expect_code(0);
    let played = run.json_lines();
    let names: Vec<_> = played
        .iter()
        .map(|line| line["do"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["chat", "message", "message", "text"]);
    let rowids = [&played[1], &played[2], &played[3]].map(|line| line["rowid"].as_i64().unwrap());
    assert_eq!(rowids, [1, 2, 1]);
    assert_eq!(played[1]["guid"], played[3]["guid"]);
    let commit_times: Vec<_> = played
        .iter()
        .map(|line| line["committed_at_us"].as_i64())
        .collect();
    assert!(commit_times.is_sorted() && commit_times[0].is_some());
    assert_eq!(ChatDb::open(&path).unwrap().sequence().unwrap(), 2);
}

#[test]
fn each_play_of_a_script_adds_new_messages_to_the_same_chats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let db = path.to_str().unwrap();
    let count = |sql: &str| -> i64 {
        let db = ChatDb::open(&path).unwrap();
        db.raw().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let conversation = script("conversation.jsonl");
    let play = || {
        let arguments = ["play", &conversation, "--db", db, "--speed", "1000"];
        output_of(&arguments).lines().count()
    };
    let steps = play();
    let [messages, files] =
        ["message", "attachment"].map(|table| count(&format!("select count(*) from {table}")));
    let guids = "select count(distinct guid) from message";
    for plays in 2..=3 {
        assert_eq!(play(), steps);
        assert_eq!(count("select count(*) from message"), plays * messages);
        assert_eq!(count("select count(*) from attachment"), plays * files);
        assert_eq!(count(guids), plays * messages);
        assert_eq!(count("select count(*) from chat"), 2);
        assert_eq!(count("select count(*) from handle"), 2);
    }
    // Another script uses the same names and chats.
    let edits = script("edits.jsonl");
    output_of(&["play", &edits, "--db", db, "--speed", "1000"]);
    assert_eq!(count("select count(*) from chat"), 2);
    // The tapbacks of each play refer to messages that exist.
    let without_target =
        "select count(*) from message m where associated_message_guid is not null and not
        exists (select 1 from message o where 'p:0/' || o.guid = m.associated_message_guid)";
    assert_eq!(count(without_target), 0);
}

#[test]
fn a_second_play_with_the_same_salt_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let text = r#"{"do":"message","from":"+15555550101","text":"hi"}"#;
    let script = folder.path().join("hi.jsonl");
    std::fs::write(&script, text).unwrap();
    let [db, script] = [&path, &script].map(|path| path.to_str().unwrap());
    let play = |salt: &str| run(&["play", script, "--db", db, "--salt", salt]).code;
    assert_eq!(play(""), Some(0));
    assert_ne!(play(""), Some(0));
    assert_eq!(play("again"), Some(0));
    assert_eq!(ChatDb::open(&path).unwrap().sequence().unwrap(), 2);
}

#[test]
fn build_makes_a_database_of_the_given_style_with_history_and_script() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let out = path.to_str().unwrap();
    let script = script("conversation.jsonl");
    let built = output_of(&[
        "build", "--style", "26", "--script", &script, "--rows", "500", out,
    ]);
    assert_eq!(built, "");
    let db = ChatDb::open(&path).unwrap();
    assert_eq!(db.style(), Style::Tahoe);
    assert!(db.sequence().unwrap() > 500);
}

#[test]
fn failures_name_a_remedy_and_change_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let out = path.to_str().unwrap();
    let error = |arguments: &[&str]| {
        let run = run(arguments);
        assert_ne!(run.code, Some(0));
        run.err
    };
    let edits = script("edits.jsonl");
    let too_old = error(&["build", "--style", "monterey", "--script", &edits, out]);
    assert!(
        too_old.contains("monterey") && too_old.contains("--style"),
        "{too_old}"
    );
    std::fs::write(&path, "precious").unwrap();
    let existing = error(&["build", out]);
    for word in ["exists already", "another path", "play SCRIPT --db", "rm "] {
        assert!(existing.contains(word), "{existing}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let late_text = script("late-text.jsonl");
    for content in [&b"precious"[..], b""] {
        std::fs::write(&path, content).unwrap();
        let not_a_database = error(&["play", &late_text, "--db", out]);
        assert!(
            not_a_database.contains("is no chat.db") && not_a_database.contains("another path"),
            "{not_a_database}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    let wal = folder.path().join("chat.db-wal");
    std::fs::write(&wal, "left").unwrap();
    for arguments in [&["build", out][..], &["play", &late_text, "--db", out]] {
        let leftover = error(arguments);
        assert!(
            leftover.contains("chat.db-wal is left over from an earlier database"),
            "{leftover}"
        );
    }
    std::fs::remove_file(&wal).unwrap();
    let unknown = error(&["build", "--style", "catalina", out]);
    assert!(unknown.contains("monterey, ventura"), "{unknown}");
}

#[test]
fn styles_are_listed() {
    let text = output_of(&["styles"]);
    assert_eq!(text, "monterey\nventura\nsequoia\ntahoe\nmacos27\n");
}

#[test]
fn help_names_steps_and_delays_of_scripts() {
    let text = output_of(&["--help"]);
    for word in ["join_after_ms", "rotate_wal", "\"do\":\"message\""] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn in_a_long_history_every_message_has_a_chat_and_the_last_has_the_given_date() {
    let end = Date::from_unix_secs(1_760_000_000);
    for style in Style::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut db = ChatDb::create(folder.path().join("chat.db"), style).unwrap();
        let schema_of = |db: &ChatDb| -> Vec<String> {
            let sql = "select sql from sqlite_schema where sql is not null order by name";
            let mut query = db.raw().prepare(sql).unwrap();
            let rows = query.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let before = schema_of(&db);
        bulk::fill(&mut db, 1000, end).unwrap();
        assert_eq!(schema_of(&db), before);
        assert!(
            before.len() > schema::statements(style).len() / 2,
            "the schema was read"
        );
        let (joined, newest): (i64, i64) = db
            .raw()
            .query_row(
                "select count(*), max(date) from message join chat_message_join
                 on message_id = message.ROWID",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((joined, newest), (1000, end.apple_nanos()));
    }
}
