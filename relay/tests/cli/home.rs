//! A home folder with a chat.db and a state, and the program run in it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::State;
use messages_stand_in::{Date, Script, Style, build};
use test_process::{Run, Running};

use crate::backend::SECRET;

/// A script with a direct chat and a group.
pub(crate) const CONVERSATION: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"chat","id":"club","kind":"group","with":["+15550100001","bob@example.com"],"name":"Book club"}
{"do":"message","id":"first","chat":"ann","from":"+15550100001","text":"Hello, wörld 🙂"}
{"do":"message","chat":"club","from":"bob@example.com","text":"Which book?","after_ms":700}
{"do":"message","chat":"ann","from":"me","text":"Fine","after_ms":700}
{"do":"tapback","on":"first","chat":"ann","from":"+15550100001","kind":"love","after_ms":700}
"#;

pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A home with a chat.db that contains the events of `script`, which began a minute ago.
    pub(crate) fn with_chat_db(script: &str) -> Self {
        let home = Self::new();
        let script = Script::parse(script).expect("a script");
        let start = SystemClock.now().minus(Duration::from_mins(1));
        let start = Date::from_unix_micros(start.as_micros());
        build(&script, home.path("chat.db"), Style::Tahoe, start).expect("a chat.db");
        home
    }

    /// The state, created if there is none.
    pub(crate) fn state(&self) -> State {
        State::open(&self.path("state"), SystemClock.now()).expect("a state")
    }

    /// The program, which gets the configuration that it needs from the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare_command(args);
        command
            .env("ARCHETY_STATE_DIR", self.path("state"))
            .env("ARCHETY_CHAT_DB", self.path("chat.db"))
            .env("RELAY_WEBHOOK_SECRET", SECRET)
            // The port of the discard service, at which no program listens.
            .env("ARCHETY_BACKEND_URL", "http://127.0.0.1:9");
        command
    }

    /// The program without any configuration.
    pub(crate) fn bare_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(crate::PROGRAM);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn relay(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn relay_reading(&self, args: &[&str], input: &[u8]) -> Run {
        Run::with_input(&mut self.command(args), input)
    }

    /// Starts `run` and waits until the relay runs.
    pub(crate) fn start_run(&self, args: &[&str]) -> Running {
        self.start_run_with(args, &[])
    }

    /// Starts `run` with additional variables.
    pub(crate) fn start_run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(&[&["run"], args].concat());
        command
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut running = Running::start(&mut command).expect("it starts");
        running.wait_for("archety-relay runs");
        running
    }
}
