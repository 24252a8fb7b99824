//! `archety-replay`: posts the messages of a script as if they had just arrived.
//!
//! The program is for work without a Mac. It sends only if all addresses are fictional and the
//! backend runs on this machine, or if `--really` is given. Each message is marked as a rehearsal: the backend
//! keeps rehearsals apart from the relay's own messages, and a relay that lost its state does not take one for
//! its newest message.

mod fiction;
mod post;
mod rehearsal;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use archety_relay::backend::client::Client;
use archety_relay::cli::flags::ConfigFlags;
use archety_relay::cli::output;
use archety_relay::clock::{Clock, SystemClock};
use archety_relay::config::{BackendConfig, Config};
use archety_relay::delivery::timestamps::Timestamps;
use archety_relay::lifecycle::ExitCode;
use archety_relay::mask::Masked;
use archety_relay::state::seen::RowOutcome;
use chatdb::{Lines, Options};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use messages_stand_in::Script;
use shared_protocol::{Message, Mode};

use fiction::is_fictional;
use post::{PostOutcome, Posted, Poster};
use rehearsal::Rehearsal;

const PROGRAM: &str = "archety-replay";

/// The URL on which `archety-backend serve` listens by default.
const LOCAL_BACKEND: &str = "http://127.0.0.1:8000";

/// Post a script of what Messages did as if it had just happened, without a Mac.
///
/// The script is played into a chat.db of its own and read by the relay's own reader. Dates move to
/// now and guids change with every replay, so that it can be run again. Every message is marked as a
/// rehearsal: the backend keeps it under NAME/rehearsal, apart from what the relay NAME has posted, and
/// this machine's relay, its state and its chat.db are not touched. Replies are taken in the answers:
/// no relay ever sends one. Ends with 0 only if there was a message and every one was accepted.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, max_term_width = 100)]
struct Cli {
    /// The script; - reads standard input
    #[arg(value_name = "FILE.jsonl")]
    file: PathBuf,
    /// Backend to post to; without it the configured one, else port 8000 of this machine
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Messages per second at most
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: Option<f64>,
    /// Print what would be posted, a JSON object a line, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Send even to a backend elsewhere, and in the name of people who may exist
    #[arg(long)]
    really: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

fn main() -> std::process::ExitCode {
    output::end(PROGRAM, Cli::parse().execute()).into()
}

impl Cli {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let flags = &self.flags;
        let script = read(&self.file)?;
        if self.dry_run {
            let (rehearsal, possibly_real) = play(script, &flags.config()?)?;
            if let Some(list) = possibly_real {
                eprintln!("not fictional, sent only with --really: {list}");
            }
            print_messages(&rehearsal.messages)?;
            require_messages(&rehearsal)?;
            print_not_posted(&rehearsal);
            return Ok(ExitCode::Done);
        }
        let (config, backend) = flags.config_and_backend_at(self.to, LOCAL_BACKEND)?;
        let (rehearsal, possibly_real) = play(script, &config)?;
        if !self.really {
            require_harmless(&backend, possibly_real)?;
        }
        require_messages(&rehearsal)?;
        let results = post_all(&config, backend, &rehearsal.messages, self.rate)?;
        output::table(
            &["EVENT", "FROM", "STATUS", "LATENCY"],
            &table_rows(&rehearsal.messages, &results),
        )?;
        print_not_posted(&rehearsal);
        summarise(rehearsal.messages.len(), &results)
    }
}

/// Reads the script at `path`; `-` stands for standard input.
fn read(path: &Path) -> anyhow::Result<Script> {
    let mut text = String::new();
    let result = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    result.with_context(|| format!("cannot read {}", path.display()))?;
    let script =
        Script::parse(&text).with_context(|| format!("{} is no script", path.display()))?;
    if script.steps.is_empty() {
        bail!("{} has no step: there is nothing to replay", path.display());
    }
    Ok(script)
}

/// Plays the script. Also returns a list of the masked addresses that may be real, if there are any.
fn play(script: Script, config: &Config) -> anyhow::Result<(Rehearsal, Option<String>)> {
    let mut addresses: BTreeSet<String> =
        script.addresses().into_iter().map(str::to_owned).collect();
    let salt = format!("{:032x}", rand::random::<u128>());
    // The own addresses are those of the script, not those of this relay's owner.
    let options = Options {
        lines: Lines::default(),
        ..config.options.clone()
    };
    let now = SystemClock.now();
    let rehearsal = rehearsal::play(script, &config.relay_name, options, &salt, now)
        .context("the script cannot be played")?;
    addresses.extend(
        rehearsal
            .messages
            .iter()
            .flat_map(addresses_in)
            .map(str::to_owned),
    );
    let possibly_real: BTreeSet<String> = addresses
        .iter()
        .filter(|address| !is_fictional(address))
        .map(|address| Masked(address).to_string())
        .collect();
    let list = possibly_real.into_iter().collect::<Vec<_>>().join(", ");
    Ok((rehearsal, Some(list).filter(|list| !list.is_empty())))
}

/// All addresses in a message.
fn addresses_in(message: &Message) -> impl Iterator<Item = &str> {
    let peer = match message.mode {
        Mode::Direct => message.chat_guid.rsplit(';').next(),
        Mode::Group => None,
    };
    let people = message.participants.iter().map(String::as_str);
    [Some(message.sender.as_str()), peer, message.line.as_deref()]
        .into_iter()
        .flatten()
        .chain(people)
}

/// Fails if the backend is not on this machine, or if there is a list of addresses that may be real.
fn require_harmless(backend: &BackendConfig, possibly_real: Option<String>) -> anyhow::Result<()> {
    let mut reasons = Vec::new();
    if !backend.backend_url.is_loopback() {
        reasons.push(format!("{} is not this machine", backend.backend_url));
    }
    if let Some(list) = possibly_real {
        reasons.push(format!(
            "these addresses may be real, since they are not in the fictional ranges \
             (+1 555…, 555-01xx, 555xx, @example.com): {list}"
        ));
    }
    if !reasons.is_empty() {
        bail!(
            "nothing was sent: {}; add --really if that is meant",
            reasons.join("; ")
        );
    }
    Ok(())
}

fn print_messages(messages: &[Message]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for message in messages {
        serde_json::to_writer(&mut out, message)?;
        writeln!(out)?;
    }
    Ok(())
}

fn post_all(
    config: &Config,
    backend: BackendConfig,
    messages: &[Message],
    rate: Option<f64>,
) -> anyhow::Result<Vec<Posted>> {
    let clock = SystemClock;
    let client = Client::new(Arc::new(backend), Arc::new(clock))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // A backend that does not answer counts as accepting them: the first post then fails with the reason.
    let accepts_rehearsals = runtime
        .block_on(client.health())
        .is_none_or(|backend| backend.rehearsals);
    if !accepts_rehearsals {
        bail!(
            "nothing was sent: the backend at {} is of an earlier release, which would keep a replay \
             among the messages of the relay {}; update it, or replay to another backend with --to",
            client.config().backend_url,
            config.relay_name
        );
    }
    let mut poster = Poster {
        client: &client,
        rehearsal_name: &config.relay_name.rehearsal(),
        clock: &clock,
        timestamps: Timestamps::new(clock.now().as_secs()),
    };
    let progress = progress_bar(messages.len());
    let results = runtime.block_on(poster.post_all(messages, rate, |_| progress.inc(1)));
    progress.finish_and_clear();
    Ok(results)
}

fn progress_bar(count: usize) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} left");
    ProgressBar::with_draw_target(Some(count), target)
        .with_style(style.expect("the template in this function is valid"))
}

/// A row of the printed table for each posted message.
fn table_rows(messages: &[Message], results: &[Posted]) -> Vec<Vec<String>> {
    let row = |(message, posted): (&Message, &Posted)| {
        let status = match &posted.outcome {
            PostOutcome::Accepted => "accepted".to_owned(),
            PostOutcome::Duplicate => "duplicate".to_owned(),
            PostOutcome::Failed(code) => format!("refused: {code}"),
        };
        vec![
            message.event.as_str().to_owned(),
            Masked(&message.sender).to_string(),
            status,
            format!("{} ms", posted.latency.as_millis()),
        ]
    };
    messages.iter().zip(results).map(row).collect()
}

/// Prints how many rows a relay would not post, or not yet, and why.
fn print_not_posted(rehearsal: &Rehearsal) {
    let (held, incomplete) = (rehearsal.held, rehearsal.incomplete);
    if held > 0 {
        eprintln!("{held} not posted: possibly old, a relay would hold them for its owner");
    }
    if incomplete > 0 {
        eprintln!("{incomplete} not posted: incomplete to the end");
    }
    for (outcome, count) in &rehearsal.skipped {
        eprintln!("{count} not posted: {}", reason_not_posted(*outcome));
    }
}

/// Why a relay does not post a row with this outcome.
fn reason_not_posted(outcome: RowOutcome) -> &'static str {
    match outcome {
        RowOutcome::Twin => "a copy of a message that is posted once",
        RowOutcome::Recorded => "sent more than 30 days before the script begins",
        RowOutcome::Orphaned => "in no chat",
        RowOutcome::Spam => "held back by Apple's filters or a block (relay_spam posts it)",
        RowOutcome::NoteToSelf => "a note to self (relay_note_to_self posts it)",
        RowOutcome::LinkPreview => {
            "posted from another row, as a link's preview or an edit's notice is"
        }
        RowOutcome::Scheduled => "to be sent later by Messages",
        RowOutcome::System => "a row of the system without content",
        RowOutcome::Forwarded
        | RowOutcome::Backfilled
        | RowOutcome::Quarantined
        | RowOutcome::Dropped => outcome.as_str(),
    }
}

/// Fails if the script makes no message to post.
fn require_messages(rehearsal: &Rehearsal) -> anyhow::Result<()> {
    if !rehearsal.messages.is_empty() {
        return Ok(());
    }
    print_not_posted(rehearsal);
    let skipped: u64 = rehearsal.skipped.iter().map(|(_, count)| count).sum();
    let rows = skipped + rehearsal.incomplete + u64::try_from(rehearsal.held)?;
    match rows {
        0 => bail!("there is nothing to post: the script has no message"),
        1 => bail!(
            "there is nothing to post: the one row of the script is not posted, for the reason above"
        ),
        _ => bail!(
            "there is nothing to post: none of the script's {rows} rows is posted, for the reasons above"
        ),
    }
}

/// Prints how many of `count` messages were accepted. Returns success only if all were.
fn summarise(count: usize, results: &[Posted]) -> anyhow::Result<ExitCode> {
    let count_outcome = |outcome: &PostOutcome| {
        let posted = results.iter();
        posted.filter(|result| result.outcome == *outcome).count()
    };
    let accepted = count_outcome(&PostOutcome::Accepted);
    let duplicate = count_outcome(&PostOutcome::Duplicate);
    let refused = results.len() - accepted - duplicate;
    let mut latencies: Vec<Duration> = results.iter().map(|result| result.latency).collect();
    latencies.sort_unstable();
    let median = latencies
        .get(latencies.len() / 2)
        .map_or(String::new(), |p50| format!(", p50 {} ms", p50.as_millis()));
    let unsent = count - results.len();
    let line = format!(
        "{count} messages: {accepted} accepted, {duplicate} duplicate, {refused} refused, \
         {unsent} not sent{median}\n"
    );
    output::text(line.as_bytes())?;
    if let Some(why) = results.last().and_then(|last| last.stop.as_ref()) {
        eprintln!("{PROGRAM}: {why}");
    }
    Ok(if accepted == count {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

/// Parses the value of `--rate`.
fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.001 => Ok(rate),
        _ => Err("write it as a number above 0, such as 10 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests;
