//! Runs `osascript` with the relay's one script. The values are arguments, so no text is ever part of the script.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crash_point::crash_point;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The script, which is passed on standard input.
pub const SCRIPT: &str = include_str!("script.applescript");
/// How much of the error output is kept. The number of the error stands at its end.
const KEPT_ERROR_BYTES: usize = 4096;

/// What the script does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Looks for a chat. Sends nothing.
    Find { chat: &'a str },
    /// Sends to a chat.
    Chat { chat: &'a str, text: &'a str },
    /// Sends to an address. Messages chooses the chat.
    Participant {
        address: &'a str,
        service: &'a str,
        text: &'a str,
    },
}

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    Succeeded,
    /// The script failed, with the number of the `AppleScript` error if the output has one.
    Failed {
        error: Option<i32>,
    },
    /// The program did not end in time, or a signal ended it.
    Killed,
    /// The program could not be started.
    NotStarted,
}

/// The program `osascript`.
#[derive(Clone, Debug)]
pub struct Osascript {
    pub program: PathBuf,
    /// After this time the program and its children are killed.
    pub timeout: Duration,
}

impl Osascript {
    pub async fn run(&self, operation: &Operation<'_>) -> ScriptEnd {
        let mut command = Command::new(&self.program);
        command
            .args(["-l", "AppleScript", "-"])
            .args(operation.arguments())
            .env_remove("RELAY_WEBHOOK_SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // The children of the program are killed with it.
            .process_group(0)
            .kill_on_drop(true);
        let Ok(mut child) = command.spawn() else {
            return ScriptEnd::NotStarted;
        };
        if !matches!(operation, Operation::Find { .. }) {
            crash_point("script_started");
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let ended = tokio::time::timeout(self.timeout, follow(&mut child)).await;
        if let Ok(Some(end)) = ended {
            return end;
        }
        if let Some(group) = group.and_then(Pid::from_raw) {
            // Fails only if all processes of the group have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
        // The killed process ends at once.
        let _ = child.wait().await;
        ScriptEnd::Killed
    }
}

impl<'a> Operation<'a> {
    fn arguments(&self) -> Vec<&'a str> {
        match *self {
            Self::Find { chat } => vec!["find-chat", chat],
            Self::Chat { chat, text } => vec!["send-to-chat", chat, text],
            Self::Participant {
                address,
                service,
                text,
            } => vec!["send-to-participant", service, address, text],
        }
    }
}

/// Passes the script to the program and waits for its end; `None` if a signal ended it.
async fn follow(child: &mut Child) -> Option<ScriptEnd> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read the script fails by itself.
            let _ = stdin.write_all(SCRIPT.as_bytes()).await;
        }
    };
    let read = async {
        let mut kept = Vec::new();
        let Some(mut stderr) = stderr else {
            return kept;
        };
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            kept.extend_from_slice(&buffer[..count]);
            let surplus = kept.len().saturating_sub(KEPT_ERROR_BYTES);
            kept.drain(..surplus);
        }
        kept
    };
    let (status, (), errors) = tokio::join!(child.wait(), write, read);
    match status.ok()?.code()? {
        0 => Some(ScriptEnd::Succeeded),
        _ => Some(ScriptEnd::Failed {
            error: error_number(&String::from_utf8_lossy(&errors)),
        }),
    }
}

/// The number at the end of the output, as in `execution error: … (-1728)`.
fn error_number(output: &str) -> Option<i32> {
    let number = output.trim_end().strip_suffix(')')?;
    number.rsplit_once('(')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    async fn run(script: &str, timeout: Duration) -> ScriptEnd {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("osascript");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        let osascript = Osascript { program, timeout };
        let find = Operation::Find { chat: "c" };
        osascript.run(&find).await
    }

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn the_number_of_an_error_is_read_from_the_end_of_a_flood() {
        let error = "execution error: Messages got an error: Can’t get chat id \"c\". (-1728)";
        let flood =
            format!("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo '{error}' >&2; exit 1");
        assert_eq!(
            run(&flood, LONG).await,
            ScriptEnd::Failed { error: Some(-1728) }
        );
        assert_eq!(run("exit 1", LONG).await, ScriptEnd::Failed { error: None });
        let words = "echo 'osascript: no (number)' >&2; exit 2";
        assert_eq!(run(words, LONG).await, ScriptEnd::Failed { error: None });
    }

    #[tokio::test]
    async fn script_and_values_arrive_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("osascript");
        let saved = folder.path().join("saved");
        let script = format!(
            "#!/bin/sh\ncat >{0}.script\nfor value in \"$@\"; do printf '%s\\0' \"$value\"; done >{0}\n",
            saved.display()
        );
        fs::write(&program, script).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        let osascript = Osascript {
            program,
            timeout: LONG,
        };
        let text = "-e \"quotes\" 'and' \\ \n\t👩‍👩‍👧 $(id) end tell";
        let send = Operation::Chat {
            chat: "any;-;+1",
            text,
        };
        assert_eq!(osascript.run(&send).await, ScriptEnd::Succeeded);
        let values = fs::read_to_string(&saved).expect("saved");
        let values: Vec<&str> = values.split_terminator('\0').collect();
        assert_eq!(
            values,
            ["-l", "AppleScript", "-", "send-to-chat", "any;-;+1", text]
        );
        let script = fs::read_to_string(saved.with_extension("script")).expect("saved");
        assert_eq!(script, SCRIPT);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let late = folder.path().join("late");
        let script = format!("(sleep 2; touch {}) & wait", late.display());
        let began = Instant::now();
        assert_eq!(
            run(&script, Duration::from_millis(300)).await,
            ScriptEnd::Killed
        );
        assert!(began.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!late.exists(), "the child of the program lives on");
    }

    #[tokio::test]
    async fn a_missing_program_is_not_started_and_a_killed_one_was() {
        let osascript = Osascript {
            program: PathBuf::from("/nowhere/osascript"),
            timeout: LONG,
        };
        let find = Operation::Find { chat: "c" };
        assert_eq!(osascript.run(&find).await, ScriptEnd::NotStarted);
        assert_eq!(run("kill -9 $$", LONG).await, ScriptEnd::Killed);
    }
}
