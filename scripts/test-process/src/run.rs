//! A program that has ended: its exit code and its output.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The result of a program that has ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` if a signal ended the program.
    pub code: Option<i32>,
    /// The standard output.
    pub out: String,
    /// The standard error output.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Run {
    /// Runs the command to its end, without standard input.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        command.output().expect("the program starts").into()
    }

    /// Runs the command to its end with `input` on its standard input.
    #[track_caller]
    pub fn with_input(command: &mut Command, input: impl AsRef<[u8]>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("piped");
        // The write fails if the program refuses its command line and ends without reading.
        match stdin.write_all(input.as_ref()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        }
        drop(stdin);
        child.wait_with_output().expect("the program ends").into()
    }

    /// Asserts the exit code, and that each part is in the standard or the error output.
    #[track_caller]
    pub fn expect(&self, code: i32, parts: &[&str]) {
        self.expect_code(code);
        for part in parts {
            let is_printed = self.out.contains(part) || self.err.contains(part);
            assert!(is_printed, "no {part:?}: {self:?}");
        }
    }

    /// Asserts the exit code and returns the standard output.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.out
    }

    /// Asserts that `part` is in the error output.
    #[track_caller]
    pub fn expect_err(&self, part: &str) {
        assert!(self.err.contains(part), "no {part:?}: {self:?}");
    }

    /// The standard output, which is one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The lines of the standard output, each of which is a JSON value.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let lines = self.out.lines().map(serde_json::from_str);
        let lines: Result<_, _> = lines.collect();
        lines.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
