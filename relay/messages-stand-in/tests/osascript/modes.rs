//! The modes in which something goes wrong, in each style.

use std::process::Stdio;
use std::time::{Duration, Instant};

use messages_stand_in::Style;
use messages_stand_in::osascript::{Committed, End, Mode, Queued, SCRIPT, Write};
use test_process::{Run, wait_until};

use crate::stage::{STYLES, Stage};

#[test]
fn a_slow_call_returns_when_the_row_is_there() {
    for style in STYLES {
        let stage = Stage::new(style);
        let started = Instant::now();
        let before = stage.messages();
        stage
            .send(Mode::Slow { after_ms: 1240 }, "Hi")
            .expect_code(0);
        assert!(started.elapsed() >= Duration::from_millis(1240));
        assert_eq!(stage.messages(), before + 1, "{style}");
        stage.wait_for("is_delivered = 1");
    }
}

#[test]
fn a_slow_call_takes_124_seconds_by_default() {
    assert_eq!(
        Queued::parse("slow").unwrap().mode,
        Mode::Slow { after_ms: 124_000 }
    );
}

#[test]
fn a_ghost_row_has_no_text_and_no_chat_and_names_the_chat_as_its_handle() {
    for style in STYLES {
        let stage = Stage::new(style);
        assert_eq!(stage.send(Mode::GhostRow, "Hi").expect_code(0), "sent\n");
        assert_eq!(stage.newest::<i64>("is_from_me"), 1);
        assert_eq!(stage.newest::<String>("service"), "SMS");
        assert_eq!(stage.newest::<Option<Vec<u8>>>("attributedBody"), None);
        assert_eq!(stage.newest::<Option<String>>("text"), None);
        let handle = "(select id from handle where ROWID = handle_id)";
        assert_eq!(stage.newest::<String>(handle), stage.ann);
        let joins = "(select count(*) from chat_message_join where message_id = message.ROWID)";
        assert_eq!(stage.newest::<i64>(joins), 0);
        assert_eq!(stage.last_call().handed_over, None, "{style}");
    }
}

#[test]
fn no_row_is_a_success_without_a_trace() {
    for style in STYLES {
        let stage = Stage::new(style);
        let before = stage.messages();
        assert_eq!(stage.send(Mode::NoRow, "Hi").expect_code(0), "sent\n");
        assert_eq!(stage.messages(), before, "{style}");
        assert_eq!(stage.last_call().handed_over, None);
    }
}

#[test]
fn a_late_row_comes_after_the_success() {
    for style in STYLES {
        let stage = Stage::new(style);
        let before = stage.messages();
        stage
            .send(Mode::LateRow { after_ms: 1500 }, "Hi")
            .expect_code(0);
        assert_eq!(stage.messages(), before, "{style}");
        wait_until("the row is there", || stage.messages() == before + 1);
        stage.wait_for("is_delivered = 1");
    }
}

#[test]
fn each_error_has_its_number_at_the_end_of_stderr_and_sends_nothing() {
    let said = [
        (-1743, "Not authorized to send Apple events to Messages."),
        (-1728, "Messages got an error: Can’t get chat id "),
        (-1712, "Messages got an error: AppleEvent timed out."),
        (-600, "Messages got an error: Application isn’t running."),
        (-609, "Messages got an error: Connection is invalid."),
        (
            -1719,
            "Messages got an error: Can’t get account 1 whose service type = iMessage. Invalid index.",
        ),
        (-2753, "The variable RCS is not defined."),
        (
            1,
            "Messages got an error: Error: user is not a member of this chat.",
        ),
        (1002, "Messages got an error: "),
    ];
    for style in STYLES {
        let stage = Stage::new(style);
        let before = stage.messages();
        for (number, words) in said {
            stage
                .control
                .queue([Queued::parse(&number.to_string()).unwrap()])
                .unwrap();
            let run = stage.run(&["send-to-chat", &stage.ann, "Hi"]);
            run.expect_code(1);
            run.expect_err(": execution error: ");
            run.expect_err(words);
            assert!(run.err.ends_with(&format!(" ({number})\n")), "{}", run.err);
            assert!(run.out.is_empty());
            let error = Some(number);
            assert_eq!(stage.last_call().end, Some(End { status: 1, error }));
        }
        assert_eq!(stage.messages(), before, "{style}");
    }
}

#[test]
fn after_a_time_out_the_text_may_be_sent_all_the_same() {
    for style in STYLES {
        let stage = Stage::new(style);
        let mode = Mode::Error {
            number: -1712,
            handed_over: true,
        };
        stage.send(mode, "Hi").expect_code(1);
        stage.wait_for("is_delivered = 1");
        assert!(stage.last_call().handed_over.is_some(), "{style}");
    }
}

#[test]
fn error_22_follows_the_success() {
    for style in STYLES {
        let stage = Stage::new(style);
        stage
            .send(Mode::Undeliverable { error: 22 }, "Hi")
            .expect_code(0);
        stage.wait_for("error = 22");
        assert_eq!(stage.newest::<i64>("is_delivered"), 0);
        assert_eq!(stage.newest::<i64>("is_from_me"), 1, "{style}");
    }
}

#[test]
fn a_hang_ends_with_a_kill_and_messages_goes_on() {
    for style in STYLES {
        let stage = Stage::new(style);
        let before = stage.messages();
        let rows = before + 1;
        for (calls, handed_over) in [(1, true), (2, false)] {
            stage
                .control
                .queue([Queued::send(Mode::Hang { handed_over })])
                .unwrap();
            let mut child = start(&stage, "Hi");
            wait_until("the call began", || {
                stage.control.calls().unwrap().len() == calls
            });
            wait_until("the row is there", || stage.messages() == rows);
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().unwrap();
            child.wait().unwrap();
            let call = stage.last_call();
            assert_eq!(call.end, None);
            stage.wait_for("is_delivered = 1");
            assert_eq!(stage.messages(), rows, "{style}");
        }
    }
}

#[test]
fn a_crash_after_handing_over_leaves_the_text_sent_and_the_call_without_an_end() {
    for style in STYLES {
        let stage = Stage::new(style);
        let run = stage.send(Mode::Crash { handed_over: true }, "Hi");
        assert_eq!(run.code, None, "a signal");
        stage.wait_for("is_delivered = 1");
        let call = stage.last_call();
        assert!(call.handed_over.is_some());
        assert_eq!(call.end, None, "{style}");
        let before = stage.messages();
        stage.send(Mode::Crash { handed_over: false }, "Hi");
        assert_eq!(stage.messages(), before);
        assert_eq!(stage.last_call().handed_over, None);
    }
}

#[test]
fn a_downgraded_text_goes_as_sms() {
    for style in STYLES {
        let stage = Stage::new(style);
        stage.send(Mode::Downgraded, "Hi").expect_code(0);
        stage.wait_for("was_downgraded = 1 and service = 'SMS'");
    }
}

#[test]
fn a_flood_fills_stderr_and_sends_nothing() {
    let stage = Stage::new(Style::Tahoe);
    let before = stage.messages();
    let run = stage.send(Mode::Flood { bytes: 300_000 }, "Hi");
    run.expect_code(1);
    assert!(run.err.len() > 300_000);
    assert_eq!(stage.messages(), before);
}

#[test]
fn messages_that_crashes_writes_nothing_more() {
    use Write::{Answer, FromMe, Insert, Join, Sent};

    let kept = |after| {
        let writes = Mode::MessagesCrash { after }.writes();
        let writes = writes.into_iter().map(|(_, write)| write);
        writes.collect::<Vec<_>>()
    };
    assert_eq!(kept(Committed::Row), [Insert, Answer]);
    assert_eq!(kept(Committed::FromMe), [Insert, Answer, FromMe]);
    assert_eq!(kept(Committed::Join), [Insert, Answer, FromMe, Join]);
    assert_eq!(kept(Committed::Sent), [Insert, Answer, FromMe, Join, Sent]);
}

#[test]
fn stderr_and_stdout_end_with_the_call_although_messages_goes_on() {
    let stage = Stage::new(Style::Tahoe);
    let started = Instant::now();
    // `with_input` reads both to their end.
    stage
        .send(Mode::LateRow { after_ms: 4000 }, "Hi")
        .expect_code(0);
    assert!(started.elapsed() < Duration::from_millis(3500));
}

/// Starts a send to Ann without waiting for its end.
fn start(stage: &Stage, text: &str) -> std::process::Child {
    use std::io::Write;
    let mut command = stage.command(&["send-to-chat", &stage.ann, text]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(SCRIPT.as_bytes())
        .unwrap();
    child
}

#[test]
fn look_ups_have_modes_of_their_own() {
    for style in STYLES {
        let stage = Stage::new(style);
        let find = || -> Run { stage.run(&["find-chat", &stage.ann]) };
        assert_eq!(find().expect_code(0), "found\n");
        let number = -600;
        let error = Mode::Error {
            number,
            handed_over: false,
        };
        stage.control.queue([Queued::look_up(error)]).unwrap();
        stage
            .run(&["send-to-chat", &stage.ann, "Hi"])
            .expect_code(0);
        find().expect_code(1);
        find().expect_code(0);
        stage.wait_for("is_delivered = 1");
    }
}
