//! `decode` of archives on standard input.

use super::*;
use messages_stand_in::{Attribute, Piece, attributed_body};

#[test]
fn an_archive_on_standard_input_is_printed_as_json() {
    let home = Home::new();
    let pieces = [
        Piece::text("Your code is "),
        Piece::text("555123").with(Attribute::OneTimeCode("555123".into())),
    ];
    let run = home.relay_reading(&["decode", "-"], &attributed_body(&pieces));
    run.expect_code(0);
    let body = run.json();
    assert_eq!(body["text"], "Your code is 555123");
    assert_eq!(body["runs"][1]["one_time_code"], "555123");
    assert_eq!(body["runs"][1]["utf16_len"], 6);
}

#[test]
fn a_file_that_is_no_archive_is_refused() {
    let home = Home::new();
    for garbage in [
        b"".as_slice(),
        b"not an archive",
        &[0xff; 4096],
        b"\x04\x0bstreamtyped",
    ] {
        let run = home.relay_reading(&["decode", "-"], garbage);
        assert_eq!(run.expect_code(1), "");
        run.expect_err("is no attributedBody archive");
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
    }
    let run = home.relay(&["decode", "no-such-file"]);
    run.expect_code(1);
    run.expect_err("cannot read no-such-file");
}
