//! The commands: `build`, `play`, `styles`; `osascript` is in a module of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use messages_stand_in::play::unused_salt;
use messages_stand_in::{ChatDb, Date, PlayedStep, Player, Script, Style, bulk};
use serde_json::json;

use crate::clock::{now, wait_until};
use crate::osascript_command::{self, Osascript};

const SCRIPTS: &str = r#"Scripts hold one JSON object a line. The first may be a header:
  {"script":1,"about":"a greeting","style":"ventura","line":"+15550009999"}
Each of the others is a step: `do` names it, `after_ms` is its distance from the step before.
  {"do":"chat","id":"ann","with":["+15555550101"]}
  {"do":"message","id":"hi","chat":"ann","from":"+15555550101","text":"Hi!","after_ms":500}
  {"do":"message","chat":"ann","from":"me","text":"Hello","join_after_ms":300}
  {"do":"tapback","on":"hi","chat":"ann","from":"me","kind":"love"}
  {"do":"edit","of":"hi","text":"Hi there!"}
  {"do":"message","chat":"ann","from":"me","link":{"url":"https://example.com","title":"Example"}}
  {"do":"message","id":"p","chat":"ann","from":"me","poll":{"title":"Lunch?","options":["Ramen","Tacos"]}}
  {"do":"message","chat":"ann","from":"+15555550101","vote":{"on":"p","for":["Ramen"]}}

Steps: chat, message, tapback, join, edit, unsend, receipt, attachment, attachment_finished,
transcript, group, event, set, set_chat, lookup, backfill, twin, recently_deleted, delete, checkpoint, rotate_wal, rebuild, dates, pause.

A message knows id, guid, chat, also_in, from ("me", an address, or none), to, about, text, runs,
stored (usual, attributed, text, both, empty), archive, at (seconds from the start), date (Unix
nanoseconds), service, line, reply_to, effect, app, link, poll, vote, balloon, attachments, summary,
columns, and how late the rest of it comes: join_after_ms, text_after_ms, sender_after_ms, from_me_after_ms,
attachments_after_ms, finish_after_ms, preview_after_ms. A mistaken field is an error that lists the
right ones."#;

/// Builds and drives a chat.db the way Messages does.
#[derive(Debug, Parser)]
#[command(version, after_long_help = SCRIPTS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a database at once.
    Build {
        /// The macOS it looks like (see `styles`); without it, what the script asks for.
        #[arg(long)]
        style: Option<Style>,
        /// What happened in it.
        #[arg(long, value_name = "FILE.jsonl")]
        script: Option<PathBuf>,
        /// Before that, a history of this many made-up messages.
        #[arg(long, value_name = "N")]
        rows: Option<u32>,
        /// When the script starts, in Unix seconds; without it, what the script says, else now.
        #[arg(long, value_name = "SECONDS")]
        start: Option<i64>,
        /// The file to make. It must not exist yet.
        out: PathBuf,
    },
    /// Play a script into a database as time passes, one JSON line per committed step.
    Play {
        /// What happens.
        script: PathBuf,
        /// The database; it is made if it isn't there.
        #[arg(long, value_name = "PATH")]
        db: PathBuf,
        /// Times as fast.
        #[arg(long, default_value_t = 1.0, value_name = "X")]
        speed: f64,
        /// Give the messages the guids that go with this word; without it, guids that the database
        /// has not seen.
        #[arg(long, value_name = "WORD")]
        salt: Option<String>,
    },
    /// List the styles.
    Styles,
    /// Act as `osascript` for the relay: send texts by writing them to a chat.db.
    #[command(after_long_help = osascript_command::HELP)]
    Osascript(Osascript),
    /// Write what Messages writes for one send, which is described on standard input.
    #[command(hide = true)]
    OsascriptWriter,
}

pub(crate) fn run(cli: Cli, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Osascript(command) => return osascript_command::run(command, out),
        Command::OsascriptWriter => osascript_command::write(out),
        Command::Build {
            style,
            script,
            rows,
            start,
            out: path,
        } => {
            let script = script.as_deref().map(read).transpose()?;
            let script = script.unwrap_or_default();
            let start = start.or(script.header.start).map(Date::from_unix_secs);
            build(
                &script,
                style.unwrap_or_else(|| script.style()),
                rows.unwrap_or(0),
                start.unwrap_or_else(now),
                &path,
            )
        }
        Command::Play {
            script,
            db,
            speed,
            salt,
        } => play(&read(&script)?, &db, speed, salt, out),
        Command::Styles => {
            for style in Style::ALL {
                writeln!(out, "{style}")?;
            }
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn build(script: &Script, style: Style, rows: u32, start: Date, path: &Path) -> anyhow::Result<()> {
    if !script.runs_in(style) {
        bail!("this script can't happen in {style}: choose a later --style");
    }
    let mut db = ChatDb::create(path, style)?;
    if rows > 0 {
        bulk::fill(&mut db, rows, start)?;
    }
    Player::new(db, script, start).run_at_once()?;
    Ok(())
}

fn play(
    script: &Script,
    path: &Path,
    speed: f64,
    salt: Option<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if !(speed.is_finite() && speed > 0.0) {
        bail!("--speed must be above 0");
    }
    let db = if path.exists() {
        ChatDb::open(path)?
    } else {
        ChatDb::create(path, script.style())?
    };
    if !script.runs_in(db.style()) {
        bail!("this script can't happen in {}", db.style());
    }
    let salt = salt.map_or_else(|| unused_salt(&db, script), Ok)?;
    let start = now();
    let mut player = Player::new(db, script, start).salted(salt);
    while let Some(due) = player.due() {
        wait_until(start + Duration::from_secs_f64(due.as_secs_f64() / speed));
        let step = player.step(now())?;
        let committed = now();
        if let Some(step) = step {
            writeln!(out, "{}", output_line(&step, committed))?;
            out.flush()?;
        }
    }
    Ok(())
}

fn output_line(step: &PlayedStep, committed: Date) -> serde_json::Value {
    json!({
        "do": step.name,
        "id": step.id,
        "guid": step.guid,
        "rowid": step.rowid,
        "committed_at_us": committed.unix_micros(),
    })
}

fn read(path: &Path) -> anyhow::Result<Script> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Script::parse(&text).with_context(|| path.display().to_string())
}
