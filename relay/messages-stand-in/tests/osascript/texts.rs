//! Texts that break a sender which quotes them wrongly.

use messages_stand_in::osascript::{Mode, sha256};

use crate::stage::{STYLES, Stage};

fn hostile_texts() -> Vec<String> {
    let texts = [
        "",
        "\"quotes\" and 'others' and “these”",
        "back\\slash \\n \\\" $HOME `id` $(id) %s {} ;",
        "line one\nline two\r\nline three\n",
        "tab\tand bell\u{7} and escape\u{1b}[31m",
        "👩‍👩‍👧‍👦 🇩🇪 é ﷽ \u{202e}right to left",
        "\" & (do shell script \"id\") & \"",
        "end tell\nend timeout\nend run\ntell application \"Messages\" to quit",
        "-e",
        "-l",
        "--",
        "- \u{fffc} \u{feff} \u{2028}",
        "{\"mode\":\"no_row\"}",
    ];
    let mut texts: Vec<String> = texts.map(str::to_owned).into();
    texts.push("x".repeat(2_000));
    texts.push("👍".repeat(2_000));
    texts
}

#[test]
fn hostile_texts_arrive_as_they_are() {
    for style in STYLES {
        let stage = Stage::new(style);
        for text in hostile_texts() {
            assert_eq!(stage.send(Mode::Ok, &text).expect_code(0), "sent\n");
            assert_eq!(stage.newest_text(), text, "{style}");
            assert_eq!(stage.last_call().text_sha256, Some(sha256(&text)));
            assert!(stage.last_call().write_failed.is_none());
        }
        stage.wait_for("is_delivered = 1");
    }
}

#[test]
fn an_address_is_taken_as_it_is() {
    for style in STYLES {
        let stage = Stage::new(style);
        for address in ["o'neill+\"x\"@example.com", "30300", "-1", "chat123"] {
            stage
                .run(&["send-to-participant", "SMS", address, "Hi"])
                .expect_code(0);
            let handle = "(select id from handle where ROWID = handle_id)";
            stage.wait_for("is_sent = 1");
            assert_eq!(stage.newest::<String>(handle), address, "{style}");
        }
    }
}

#[test]
fn an_unknown_chat_is_quoted_in_the_error_as_applescript_does() {
    for style in STYLES {
        let stage = Stage::new(style);
        let run = stage.run(&["find-chat", "any;-;\"x\"\\"]);
        run.expect(1, &["Can’t get chat id \"any;-;\\\"x\\\"\\\\\". (-1728)"]);
    }
}
