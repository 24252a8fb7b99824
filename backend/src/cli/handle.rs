//! A handle as a command is given it: on standard input, so that it stands in no list of processes and in
//! no history of a shell.

use std::io::{IsTerminal, Read};

use anyhow::{Context, anyhow};
use shared_protocol::{Address, MAX_SENDER_CHARS};

use super::Failure;

/// More than any handle has, so that a file given by mistake is not read to its end.
const MAX_BYTES: u64 = 16 * 1_024;

const EXAMPLES: &str = "a phone number such as +15551234567, an e-mail address, or a short code";

/// The handle of `--phone`, or the one on standard input.
pub(super) fn given(phone: Option<&str>) -> Result<Address, Failure> {
    if let Some(phone) = phone {
        return parse(phone);
    }
    let stdin = std::io::stdin();
    let mut text = String::new();
    let read = if stdin.is_terminal() {
        eprintln!("Whose? Type {EXAMPLES}, then Enter.");
        stdin.read_line(&mut text)
    } else {
        stdin.lock().take(MAX_BYTES).read_to_string(&mut text)
    };
    read.context("standard input cannot be read as text")?;
    parse(&text)
}

/// One line that is a handle, in its one form.
fn parse(text: &str) -> Result<Address, Failure> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(line) = lines.next() else {
        return refuse(&format!(
            "no handle is given: write {EXAMPLES}, on standard input"
        ));
    };
    if lines.next().is_some() {
        return refuse("standard input has several lines: give one handle at a time");
    }
    if line.chars().count() > MAX_SENDER_CHARS {
        return refuse(&format!(
            "this is no handle: none is longer than {MAX_SENDER_CHARS} characters"
        ));
    }
    Address::parse(line).map_or_else(
        || refuse(&format!("this is no handle: write {EXAMPLES}")),
        Ok,
    )
}

fn refuse(why: &str) -> Result<Address, Failure> {
    Err(Failure::Other(anyhow!("{why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_in_its_one_form() {
        for (text, form) in [
            ("E:Ann@Example.COM\n", "ann@example.com"),
            ("\r\n  mailto:ann@example.com \r\n\n", "ann@example.com"),
            ("tel:+1 (555) 010-0001", "+15550100001"),
            (" 262966 ", "262966"),
            ("56249(smsfp)", "56249(smsfp)"),
            ("urn:biz:0000-11", "urn:biz:0000-11"),
            ("MY BANK", "MY BANK"),
        ] {
            assert_eq!(parse(text).expect("a handle").as_str(), form, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_handle_is_told_apart_without_repeating_it() {
        let long = "9".repeat(MAX_SENDER_CHARS + 1);
        for (text, why) in [
            ("", "no handle is given"),
            (" \n\t\r\n", "no handle is given"),
            ("E:", "this is no handle"),
            ("\u{200e}", "this is no handle"),
            ("tel: ", "this is no handle"),
            (&long, "none is longer"),
            ("262966\n262967", "several lines"),
        ] {
            let told = parse(text).expect_err("no handle").to_string();
            assert!(told.contains(why), "{text:?}: {told}");
            assert!(!told.contains("262966") && !told.contains(&long), "{told}");
        }
    }
}
