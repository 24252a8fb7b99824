//! A program that still runs.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program, which is killed when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The lines that the program has printed and [`line_with`](Self::line_with) has not read yet.
    lines: Receiver<String>,
    /// The lines that were read.
    log: String,
}

impl Running {
    /// Starts the command and reads its piped streams line by line.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            read_lines(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            read_lines(stderr, sender);
        }
        Ok(Self {
            child,
            lines,
            log: String::new(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines read so far. Lines are read only by [`line_with`](Self::line_with) and
    /// [`wait_for`](Self::wait_for).
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Waits until a line contains `part`, and returns the first such line. `None` if the program closes its
    /// streams or [`DEADLINE`](crate::DEADLINE) passes without such a line.
    pub fn line_with(&mut self, part: &str) -> Option<String> {
        let deadline = Instant::now() + crate::DEADLINE;
        loop {
            if let Some(line) = self.log.lines().find(|line| line.contains(part)) {
                return Some(line.to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.log += &self.lines.recv_timeout(left).ok()?;
            self.log.push('\n');
        }
    }

    /// As [`line_with`](Self::line_with), and panics with the log if there is no such line.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) -> String {
        let line = self.line_with(part);
        line.unwrap_or_else(|| panic!("no {part:?} in the log: {}", self.log))
    }

    /// The program's status if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal, unless the program has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once a program has ended and its status was read, another program may have its id.
        if self.ended()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Waits until the program ends, and returns its exit code, `None` if a signal ended it. An error if it runs for
    /// longer than `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<i32>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status.code());
            }
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::TimedOut, "the program does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM and waits for the end, as [`wait`](Self::wait) does, until [`DEADLINE`](crate::DEADLINE).
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        self.signal(Signal::TERM)?;
        self.wait(crate::DEADLINE)
    }

    /// Kills the program, unless it has ended, and waits for its end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Sends each line of a stream to `lines` until the stream ends.
fn read_lines(stream: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The test may have ended its program already.
            let _ = lines.send(line);
        }
    });
}
