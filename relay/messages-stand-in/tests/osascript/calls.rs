//! Calls: what is refused, look-ups, the queue, calls at once, and the log.

use std::process::Command;

use messages_stand_in::osascript::{
    Control, Event, Mode, Queued, SCRIPT, Verb, sha256, sha256_of_argv,
};
use messages_stand_in::{Chat, ChatDb, Style};
use test_process::{Run, wait_until};

use crate::stage::{ANN, BEN, STYLES, Stage};

#[test]
fn another_script_is_refused() {
    let stage = Stage::new(Style::Tahoe);
    let before = stage.messages();
    let argv = ["send-to-chat", &stage.ann, "Hi"];
    for script in [
        "",
        "do shell script \"id\"",
        &SCRIPT[1..],
        &format!("{SCRIPT} "),
    ] {
        let run = Run::with_input(&mut stage.command(&argv), script);
        run.expect(2, &["another script than the relay's"]);
    }
    assert_eq!(stage.messages(), before);
    assert!(stage.control.calls().unwrap().is_empty());
    let records = stage.control.records().unwrap();
    assert_eq!(records.len(), 4);
    let is_refusal = |event: &Event| matches!(event, Event::Refused { .. });
    assert!(records.iter().all(|record| is_refusal(&record.event)));
}

#[test]
fn other_arguments_are_refused() {
    let stage = Stage::new(Style::Tahoe);
    let too_many = ["send-to-chat", &stage.ann, "Hi", "there"];
    for argv in [&["send"][..], &[], &["find-chat"], &too_many] {
        stage.run(argv).expect(2, &["knows no verb"]);
    }
    let mut command = stage.command(&[]);
    let mut command = Command::new(command.arg("x").get_program());
    Run::with_input(command.args(["-e", "beep"]), SCRIPT).expect(2, &["-l AppleScript -"]);
}

#[test]
fn a_chat_that_is_not_loaded_is_not_found() {
    for style in STYLES {
        let stage = Stage::new(style);
        let mut db = ChatDb::open(stage.control.chat_db()).unwrap();
        // A chat without messages is not loaded.
        let empty = db.insert_chat(&Chat::direct(BEN)).unwrap();
        let sql = "select guid from chat where ROWID = ?1";
        let empty: String = stage.value(sql, [empty]);
        stage.control.set_unloaded(&[&stage.group]).unwrap();
        let before = stage.messages();
        let made_up = "iMessage;-;+15555550177".to_owned();
        for guid in [&empty, &stage.group, &made_up] {
            for argv in [&["find-chat", guid][..], &["send-to-chat", guid, "Hi"]] {
                let run = stage.run(argv);
                run.expect(1, &["Can’t get chat id", guid, "(-1728)"]);
            }
        }
        stage.run(&["find-chat", &stage.ann]).expect_code(0);
        assert_eq!(stage.messages(), before, "{style}");
    }
}

#[test]
fn the_log_tells_each_call() {
    let stage = Stage::new(Style::Sequoia);
    stage.run(&["find-chat", &stage.ann]).expect_code(0);
    for text in ["one", "two"] {
        stage
            .run(&["send-to-chat", &stage.ann, text])
            .expect_code(0);
    }
    stage
        .run(&["send-to-chat", &stage.group, "three"])
        .expect_code(0);
    stage.wait_for("is_delivered = 1");
    let calls = stage.control.calls().unwrap();
    let summary: Vec<_> = calls
        .iter()
        .map(|call| (call.number, call.verb, call.bubble))
        .collect();
    let send = Verb::SendToChat;
    let expected = [
        (1, Verb::FindChat, None),
        (2, send, Some(1)),
        (3, send, Some(2)),
        (4, send, Some(1)),
    ];
    assert_eq!(summary, expected);
    assert_eq!(calls[1].text_sha256, Some(sha256("one")));
    let argv = ["send-to-chat", &stage.ann, "one"].map(str::to_owned);
    assert_eq!(calls[1].argv_sha256, sha256_of_argv(&argv));
    assert!(
        calls
            .iter()
            .all(|call| call.end.is_some() && call.write_failed.is_none())
    );
    // The log holds no text.
    let log = stage.folder.path().join("chat.db-osascript/calls.jsonl");
    assert!(!std::fs::read_to_string(log).unwrap().contains("three"));
}

#[test]
fn modes_are_taken_in_order_and_those_of_a_chat_only_by_it() {
    let stage = Stage::new(Style::Macos27);
    let modes = [
        Queued::send(Mode::NoRow).to(&stage.group),
        Queued::parse("-600").unwrap(),
        Queued::parse(r#"{"mode":"error","number":1002}"#).unwrap(),
    ];
    stage.control.queue(modes).unwrap();
    stage.control.set_default(&Mode::GhostRow).unwrap();
    let taken = |chat: &str| {
        stage.run(&["send-to-chat", chat, "Hi"]);
        stage.last_call().mode
    };
    let error = |number| Mode::Error {
        number,
        handed_over: false,
    };
    assert_eq!(taken(&stage.ann), error(-600));
    assert_eq!(taken(&stage.ann), error(1002));
    assert_eq!(taken(&stage.ann), Mode::GhostRow);
    assert_eq!(stage.control.queued().unwrap().len(), 1);
    assert_eq!(taken(&stage.group), Mode::NoRow);
    assert_eq!(stage.control.queued().unwrap(), []);
}

#[test]
fn a_wrong_line_in_the_queue_is_named() {
    let stage = Stage::new(Style::Tahoe);
    let queue = stage.folder.path().join("chat.db-osascript/modes");
    stage.control.queue([]).unwrap();
    std::fs::write(queue, "ok\nsloow\n").unwrap();
    let run = stage.run(&["send-to-chat", &stage.ann, "Hi"]);
    run.expect(1, &["\"sloow\" is no mode", "osascript --help"]);
}

#[test]
fn two_calls_at_once_write_two_rows() {
    for style in STYLES {
        let stage = Stage::new(style);
        let before = stage.messages();
        stage
            .control
            .queue([Mode::Slow { after_ms: 300 }, Mode::Ok].map(Queued::send))
            .unwrap();
        std::thread::scope(|scope| {
            let send = |chat: String, text: &'static str| {
                let stage = &stage;
                scope.spawn(move || {
                    stage
                        .run(&["send-to-chat", &chat, text])
                        .expect_code(0)
                        .to_owned()
                });
            };
            send(stage.ann.clone(), "to Ann");
            send(stage.group.clone(), "to all");
        });
        let delivered = "select count(*) from message where is_from_me = 1 and is_delivered = 1";
        wait_until("both are delivered", || {
            stage.value::<i64>(delivered, []) == 2
        });
        assert_eq!(stage.messages(), before + 2);
        let mut calls = stage.control.calls().unwrap();
        assert!(
            calls.iter().all(|call| call.write_failed.is_none()),
            "{calls:?}"
        );
        calls.sort_by_key(|call| call.number);
        let numbers: Vec<_> = calls
            .iter()
            .map(|call| (call.number, call.bubble))
            .collect();
        assert_eq!(numbers, [(1, Some(1)), (2, Some(1))], "{style}");
        assert_ne!(calls[0].handed_over, calls[1].handed_over);
    }
}

#[test]
fn the_command_and_the_environment_do_the_same_as_the_link() {
    let stage = Stage::new(Style::Ventura);
    let program = env!("CARGO_BIN_EXE_messages-stand-in");
    let chat_db = stage.control.chat_db();
    let argv = [
        "-l",
        "AppleScript",
        "-",
        "send-to-participant",
        "iMessage",
        ANN,
        "Hi",
    ];
    let mut command = Command::new(program);
    command
        .arg("osascript")
        .arg("--db")
        .arg(chat_db)
        .arg("--")
        .args(argv);
    Run::with_input(&mut command, SCRIPT).expect(0, &["sent"]);
    let mut command = Command::new(program);
    command
        .env("MESSAGES_STAND_IN", "osascript")
        .env("MESSAGES_STAND_IN_DB", chat_db);
    Run::with_input(command.args(argv), SCRIPT).expect(0, &["sent"]);
    stage.wait_for("is_delivered = 1");
    let mut command = Command::new(program);
    let other = stage.folder.path().join("bin");
    std::fs::create_dir(&other).unwrap();
    command
        .arg("osascript")
        .arg("--db")
        .arg(chat_db)
        .arg("--install")
        .arg(&other);
    let link = Run::of(&mut command).expect_code(0).trim().to_owned();
    Run::with_input(Command::new(&link).args(argv), SCRIPT).expect(0, &["sent"]);
    assert_eq!(Control::beside(chat_db).calls().unwrap().len(), 3);
    stage.wait_for("is_delivered = 1");
}

#[test]
fn a_link_without_a_chat_db_says_what_to_do() {
    let stage = Stage::new(Style::Ventura);
    std::fs::remove_file(stage.folder.path().join("osascript.chat-db")).unwrap();
    stage
        .run(&["find-chat", &stage.ann])
        .expect(1, &["--install", "MESSAGES_STAND_IN_DB"]);
}
