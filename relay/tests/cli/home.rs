//! A home folder with a chat.db and a state, and the program run in it.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::State;
use messages_stand_in::{Date, Script, Style, build};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const SECRET: &str = "a-secret-of-more-than-twenty-four-bytes";

/// A script with a direct chat and a group.
pub(crate) const CONVERSATION: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"chat","id":"club","kind":"group","with":["+15550100001","bob@example.com"],"name":"Book club"}
{"do":"message","id":"first","chat":"ann","from":"+15550100001","text":"Hello, wörld 🙂"}
{"do":"message","chat":"club","from":"bob@example.com","text":"Which book?","after_ms":700}
{"do":"message","chat":"ann","from":"me","text":"Fine","after_ms":700}
{"do":"tapback","on":"first","chat":"ann","from":"+15550100001","kind":"love","after_ms":700}
"#;

/// Longest wait for a condition, for a loaded machine. The wait ends as soon as the condition holds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
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
    /// Asserts the exit code and returns what was printed.
    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.out
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn complains_of(&self, what: &str) {
        assert!(self.err.contains(what), "no {what:?}: {self:?}");
    }
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

    /// A home with a chat.db in which `script` has just happened.
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

    /// The program with the configuration that it needs, from the environment.
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

    pub(crate) fn relay(&self, args: &[&str]) -> Run {
        self.command(args).output().expect("it starts").into()
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn relay_reading(&self, args: &[&str], input: &[u8]) -> Run {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        // Fails if the program refuses its command line, and so ends without reading.
        match stdin.write_all(input) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        }
        drop(stdin);
        child.wait_with_output().expect("it ends").into()
    }

    /// Starts `run` and waits until the relay runs.
    pub(crate) fn running(&self, args: &[&str]) -> Running {
        self.running_with(args, &[])
    }

    /// Starts `run` with additional variables.
    pub(crate) fn running_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut all = vec!["run"];
        all.extend(args);
        let mut child = self
            .command(&all)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (lines_in, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = lines_in.send(line);
            }
        });
        let mut running = Running {
            child,
            lines,
            said: String::new(),
        };
        running.says("archety-relay runs");
        running
    }
}

/// A running relay, which is killed at the end of its test.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    /// Waits until a line of the log contains `what`.
    pub(crate) fn says(&mut self, what: &str) {
        let until = Instant::now() + DEADLINE;
        while !self.said.contains(what) {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line =
                line.unwrap_or_else(|_| panic!("no {what:?} in what it said: {}", self.said));
            self.said += &line;
            self.said.push('\n');
        }
    }

    /// Sends a signal that does not end the relay.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is alive");
    }

    /// Ends the relay with `signal`. Returns its exit code and how long that took.
    pub(crate) fn ends_by(mut self, signal: Signal) -> (Option<i32>, Duration) {
        let asked = Instant::now();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is alive");
        let status = self.child.wait().expect("it ends");
        (status.code(), asked.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
