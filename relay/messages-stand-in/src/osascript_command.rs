//! The command `osascript`, and the process that writes for it.
//!
//! The command does what `osascript` does and ends. The writes belong to a second process in a process group of its
//! own, because Messages goes on when `osascript` is killed.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use messages_stand_in::ChatDb;
use messages_stand_in::osascript::{
    CHAT_DB_FILE, Call, Control, Delivery, End, Ending, Event, Mode, Refusal, Target,
    Write as Commit, Writer, is_found, is_relay_script, parse_arguments, stderr_text,
};

use crate::clock::{now, wait_until};

/// The program acts as `osascript` if this variable has that value.
const PROGRAM_VARIABLE: &str = "MESSAGES_STAND_IN";
/// The chat.db of a program that acts as `osascript` by its name or by the variable above.
const CHAT_DB_VARIABLE: &str = "MESSAGES_STAND_IN_DB";
const NAME: &str = "osascript";
/// What the writing process prints once Messages has taken the text.
const TAKEN: &str = "taken\n";
/// The exit status of `osascript` after an error of the script.
const SCRIPT_ERROR: u8 = 1;
/// The exit status if the program was started in another way than the relay starts it.
const REFUSED: u8 = 2;
/// The number that means "`AppleEvent` handler failed".
const HANDLER_FAILED: i32 = -10000;
const NO_SUCH_OBJECT: i32 = -1728;
/// The end of a hang that nothing ends.
const HANG: Duration = Duration::from_hours(1);
/// How often a hang looks whether the program that started it still runs.
const HANG_CHECK: Duration = Duration::from_millis(500);

pub(crate) const HELP: &str = r#"The relay's configuration names the program to start:
  messages-stand-in osascript --db /tmp/chat.db --install /tmp     makes the link /tmp/osascript
  osascript = "/tmp/osascript"                                     in the relay's configuration
The link takes the arguments of the real one, `-l AppleScript - VERB VALUES…`, with the relay's script on standard
input; any other script is refused. Without the link: `messages-stand-in osascript --db /tmp/chat.db -- -l …`, or the
variables MESSAGES_STAND_IN=osascript and MESSAGES_STAND_IN_DB=/tmp/chat.db.

The folder /tmp/chat.db-osascript holds:
  modes        the queue of modes, one a line; each send takes the first that is meant for it
  default      the mode of a send for which the queue has none (ok)
  unloaded     guids of chats that Messages has not loaded: their look-ups and sends end with -1728
  calls.jsonl  the log of all calls: start, handed_over (with the guid of the row), end

A mode is a name, the number of an error, or an object with the fields below. `"chat":"GUID"` in the object keeps it
for that chat, `"on":"find-chat"` for a look-up.
  ok                                      the text is sent and delivered
  {"mode":"slow","after_ms":124000}       osascript returns late, and the row appears then
  ghost_row                               success, a row without text and chat, nothing sent
  no_row                                  success, no row, nothing sent
  {"mode":"late_row","after_ms":5000}     success at once, the row later
  {"mode":"late_join","after_ms":3000}    the row is joined to its chat later
  {"mode":"late_flip","after_ms":3000}    the row is marked as received until later
  -1743                                   the error, nothing sent (-1728, -1712, -600, -609, -1719, 1002, …)
  {"mode":"error","number":-1712,"handed_over":true}    the error, and the text is sent
  {"mode":"undeliverable","error":22}     success, then the row gets an error
  {"mode":"hang","handed_over":true}      osascript never returns
  {"mode":"crash","handed_over":true}     osascript is ended by a signal
  {"mode":"other_line","address":"+15550008888"}   sent from another line
  downgraded                              sent as an SMS instead
  {"mode":"echo","address":"+15550008888"}         the text comes back as received from another own address
  {"mode":"messages_crash","after":"row"}   Messages writes nothing after the row (or from_me, join, sent)
  {"mode":"flood","bytes":4194304}        so much on stderr, then an error, nothing sent"#;

/// Where the texts go, and the arguments of the real `osascript`.
#[derive(Debug, Args)]
pub(crate) struct Osascript {
    /// The chat.db that Messages writes.
    #[arg(long, value_name = "PATH")]
    db: PathBuf,
    /// Make a link `osascript` in this folder, which acts on that chat.db, and print its path.
    #[arg(long, value_name = "FOLDER")]
    install: Option<PathBuf>,
    /// The arguments of the real `osascript`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The command with `--db` and perhaps `--install`.
pub(crate) fn run(command: Osascript, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let Some(folder) = command.install else {
        return act(&command.db, &command.arguments, out);
    };
    let link = Control::beside(&command.db).install(&folder, &env::current_exe()?)?;
    writeln!(out, "{}", link.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The arguments, if the program was started as `osascript` or the environment says so.
pub(crate) fn by_name_or_environment() -> Option<Vec<String>> {
    let mut arguments = env::args_os();
    let program = PathBuf::from(arguments.next()?);
    let is_named = program.file_name().is_some_and(|name| name == NAME);
    let is_chosen = variable(PROGRAM_VARIABLE).is_some_and(|value| value == NAME);
    let lossy = |argument: std::ffi::OsString| argument.to_string_lossy().into_owned();
    (is_named || is_chosen).then(|| arguments.map(lossy).collect())
}

/// Acts as `osascript`, on the chat.db that the environment or the file beside the link names.
pub(crate) fn run_as_named(arguments: &[String], out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if let Some(chat_db) = variable(CHAT_DB_VARIABLE) {
        return act(Path::new(&chat_db), arguments, out);
    }
    let link = PathBuf::from(env::args_os().next().unwrap_or_default());
    let file = link.with_file_name(CHAT_DB_FILE);
    let chat_db = fs::read_to_string(&file).with_context(|| {
        format!(
            "{}: no path of a chat.db. Make the link with `messages-stand-in osascript --db PATH --install \
             FOLDER`, or set {CHAT_DB_VARIABLE}",
            file.display()
        )
    })?;
    act(Path::new(chat_db.trim_end_matches('\n')), arguments, out)
}

#[expect(
    clippy::disallowed_methods,
    reason = "only this function of the program reads the environment"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name)
}

fn act(chat_db: &Path, arguments: &[String], out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let chat_db = std::path::absolute(chat_db)?;
    let control = Control::beside(&chat_db);
    let (argv, call) = match understand(arguments) {
        Ok(understood) => understood,
        Err(refusal) => {
            let reason = refusal.to_string();
            let refused = Event::Refused {
                pid: process::id(),
                reason,
            };
            control.log(0, refused, now())?;
            // Standard error may be closed, and the exit status says enough.
            let _ = writeln!(io::stderr(), "messages-stand-in osascript: {refusal}");
            return Ok(ExitCode::from(REFUSED));
        }
    };
    let begun = control.begin(&call, argv, process::id(), now())?;
    let error = match &call {
        Call::FindChat(guid) => find(&control, guid, &begun.mode)?,
        Call::Send { target, text } => {
            let delivery = Delivery {
                chat_db,
                call: begun.number,
                target: target.clone(),
                text: text.clone(),
                mode: begun.mode,
            };
            send(&control, &delivery)?
        }
    };
    let status = if error.is_some() { SCRIPT_ERROR } else { 0 };
    control.log(begun.number, Event::End(End { status, error }), now())?;
    match (error, &call) {
        (Some(number), _) => {
            let _ = io::stderr().write_all(stderr_text(number, &call).as_bytes());
        }
        (None, Call::FindChat(_)) => writeln!(out, "found")?,
        (None, Call::Send { .. }) => writeln!(out, "sent")?,
    }
    Ok(ExitCode::from(status))
}

/// The argv and the call, from the arguments and from the script on standard input.
fn understand(arguments: &[String]) -> Result<(&[String], Call), Refusal> {
    let argv = parse_arguments(arguments)?;
    let mut script = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut script);
    if read.is_err() || !is_relay_script(&script) {
        return Err(Refusal::OtherScript);
    }
    Ok((argv, Call::parse(argv)?))
}

/// Looks for a chat. Returns the number of the error.
fn find(control: &Control, guid: &str, mode: &Mode) -> anyhow::Result<Option<i32>> {
    thread::sleep(mode.delay());
    let error = end(mode.ending());
    if error.is_some() {
        return Ok(error);
    }
    let db = ChatDb::open(control.chat_db())?;
    Ok((!is_found(&db, control, guid)?).then_some(NO_SUCH_OBJECT))
}

/// Hands the text to Messages, unless its mode forbids that. Returns the number of the error.
fn send(control: &Control, delivery: &Delivery) -> anyhow::Result<Option<i32>> {
    let ending = delivery.mode.ending();
    if !delivery.mode.writes().is_empty() {
        if let Target::Chat(guid) = &delivery.target {
            let db = ChatDb::open(control.chat_db())?;
            if !is_found(&db, control, guid)? {
                return Ok(Some(NO_SUCH_OBJECT));
            }
        }
        hand_over(delivery)?;
    }
    Ok(end(ending))
}

/// Starts the process that writes, and waits until Messages has taken the text.
fn hand_over(delivery: &Delivery) -> anyhow::Result<()> {
    let mut writer = Command::new(env::current_exe()?)
        // The path of the program may be that of the link.
        .arg0("messages-stand-in")
        .env_remove(PROGRAM_VARIABLE)
        .arg("osascript-writer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // The relay reads stderr to its end, which must not wait for this process.
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut stdin = writer.stdin.take().context("piped")?;
    stdin.write_all(&serde_json::to_vec(delivery)?)?;
    drop(stdin);
    let mut taken = String::new();
    BufReader::new(writer.stdout.take().context("piped")?).read_line(&mut taken)?;
    if taken != TAKEN {
        bail!("the process that writes to chat.db failed, see calls.jsonl");
    }
    Ok(())
}

/// Ends as the mode says, or returns the number of the error with which the script fails.
fn end(ending: Ending) -> Option<i32> {
    match ending {
        Ending::Success => None,
        Ending::Error(number) => Some(number),
        Ending::Hang => {
            // A relay that was killed cannot end the hang.
            let (start, relay) = (now(), parent_id());
            while parent_id() == relay && now() < start + HANG {
                thread::sleep(HANG_CHECK);
            }
            Some(HANDLER_FAILED)
        }
        Ending::Crash => process::abort(),
        Ending::Flood(bytes) => {
            // The reader may close stderr before the end of the flood.
            let _ = io::copy(&mut io::repeat(b'!').take(bytes), &mut io::stderr());
            let _ = writeln!(io::stderr());
            Some(HANDLER_FAILED)
        }
    }
}

/// The process that writes. Its errors go to the log, because the process that started it may have ended.
pub(crate) fn write(out: &mut impl Write) -> anyhow::Result<()> {
    let delivery: Delivery = serde_json::from_reader(io::stdin().lock())?;
    let (call, control) = (delivery.call, Control::beside(&delivery.chat_db));
    if let Err(error) = write_delivery(delivery, out) {
        let failed = Event::WriteFailed {
            pid: process::id(),
            reason: format!("{error:#}"),
        };
        control.log(call, failed, now())?;
    }
    Ok(())
}

fn write_delivery(delivery: Delivery, out: &mut impl Write) -> anyhow::Result<()> {
    let start = now();
    let mut writer = Writer::open(delivery)?;
    for (after, write) in writer.writes()? {
        wait_until(start + after);
        if write == Commit::Answer {
            // The process that started this one may have been killed.
            let _ = out.write_all(TAKEN.as_bytes()).and_then(|()| out.flush());
        } else {
            writer.write(&write, process::id(), now())?;
        }
    }
    Ok(())
}
