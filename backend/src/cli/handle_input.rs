//! Reads the contact handle (a phone number, an e-mail address or a short code) that a `person` command is about.
//!
//! It comes from standard input, which keeps it out of the list of processes and of the shell's history. The flag
//! `--phone` is the alternative where that does not matter.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail};
use shared_protocol::{Address, MAX_SENDER_CHARS};

/// The most that is read from a standard input that is no terminal: more than any handle has, but not all of a large
/// file that is given by mistake.
const MAX_INPUT_BYTES: u64 = 16 * 1_024;

const EXAMPLES: &str = "a phone number such as +15551234567, an e-mail address, or a short code";

/// The handle in `phone`, the value of `--phone`; without that flag, the handle on standard input.
pub(super) fn read(phone: Option<&str>) -> anyhow::Result<Address> {
    if let Some(phone) = phone {
        return parse(phone);
    }
    let stdin = std::io::stdin();
    let mut text = String::new();
    let result = if stdin.is_terminal() {
        eprintln!("Type the person's handle ({EXAMPLES}), then press Enter.");
        stdin.read_line(&mut text)
    } else {
        stdin.lock().take(MAX_INPUT_BYTES).read_to_string(&mut text)
    };
    result.context("standard input cannot be read as text")?;
    parse(&text)
}

/// Parses `text`, which must have exactly one line that is not empty.
fn parse(text: &str) -> anyhow::Result<Address> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(line) = lines.next() else {
        bail!("no handle is given: write {EXAMPLES}, on standard input");
    };
    if lines.next().is_some() {
        bail!("standard input has several lines: give one handle at a time");
    }
    if line.chars().count() > MAX_SENDER_CHARS {
        bail!("this is no handle: none is longer than {MAX_SENDER_CHARS} characters");
    }
    Address::parse(line).with_context(|| format!("this is no handle: write {EXAMPLES}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_normalized() {
        for (text, normalized) in [
            ("E:Ann@Example.COM\n", "ann@example.com"),
            ("\r\n  mailto:ann@example.com \r\n\n", "ann@example.com"),
            ("tel:+1 (555) 010-0001", "+15550100001"),
            (" 262966 ", "262966"),
            ("56249(smsfp)", "56249(smsfp)"),
            ("urn:biz:0000-11", "urn:biz:0000-11"),
            ("MY BANK", "MY BANK"),
        ] {
            let address = parse(text).expect("a handle");
            assert_eq!(address.as_str(), normalized, "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_handle_is_refused_without_repeating_it() {
        let long = "9".repeat(MAX_SENDER_CHARS + 1);
        for (text, reason) in [
            ("", "no handle is given"),
            (" \n\t\r\n", "no handle is given"),
            ("E:", "this is no handle"),
            ("\u{200e}", "this is no handle"),
            ("tel: ", "this is no handle"),
            (&long, "none is longer"),
            ("262966\n262967", "several lines"),
        ] {
            let refusal = parse(text).expect_err("no handle").to_string();
            assert!(refusal.contains(reason), "{text:?}: {refusal}");
            assert!(
                !refusal.contains("262966") && !refusal.contains(&long),
                "{refusal}"
            );
        }
    }
}
