//! `status`: shows from the relay's state whether the relay on this machine is well.

mod reasons;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;
use shared_protocol::{Line, SendingStatus};

use super::flags::ConfigFlags;
use super::output::{self, secs};
use crate::backend::availability::TroubleStatus;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::lifecycle::liveness::{CHECK_EVERY, Liveness};
use crate::platform;
use crate::state::ledger::{counts, pauses};
use crate::state::{
    State, StateError, connectivity, filtered, meta, outbox, own_addresses, quarantine,
    read_position, waiting,
};
use reasons::{PastEvent, Reason, RelayFacts};

/// How long `status` waits for a reason to end that may pass by itself ([`Reason::may_pass`]). Within this time, a
/// running relay notices that its clock was set or that the Mac woke, and writes a new record.
const TRANSIENT_WAIT: Duration = CHECK_EVERY.saturating_add(Duration::from_secs(1));

/// Tell how the relay on this machine is doing.
///
/// Ends with 0 if it runs, reads chat.db and is answered by the backend as often as it should, and
/// nothing keeps it from delivering; with 1 if not, and says why. A relay that has just started has a
/// minute for its first reading and its first answer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON; times are Unix seconds
    #[arg(long)]
    json: bool,
}

/// The output of `--json`. Times are Unix seconds.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each field is an independent fact of the JSON output"
)]
#[derive(Debug, Serialize)]
struct Status {
    well: bool,
    /// Codes of the reasons why the relay is not well.
    reasons: Vec<String>,
    running: bool,
    /// Whether the relay has just started, and has not read chat.db yet or has no answer to a pull yet.
    starting: bool,
    /// Whether the relay reads chat.db only after the backend's first answer, which has not come yet.
    waits_for_backend: bool,
    version: &'static str,
    state_dir: String,
    last_scan_at: Option<i64>,
    last_contact_at: Option<i64>,
    last_pull_at: Option<i64>,
    backend_version: Option<String>,
    backend_environment: Option<String>,
    outbox: outbox::Depths,
    waiting: u64,
    quarantined: u64,
    /// Messages that Apple's filters or a blocked chat hold back.
    filtered: u64,
    /// Texts that wait to be sent, are not proven, or wait for the owner.
    sending: SendingStatus,
    /// The lines that send nothing, each with the code of the reason.
    paused_lines: BTreeMap<String, String>,
    delivery: TroubleStatus,
    pull: TroubleStatus,
    /// Code of the error that keeps chat.db from being read.
    reading_trouble: Option<String>,
    free_disk_bytes: Option<u64>,
    /// The known own addresses by line.
    lines: Vec<Line>,
}

struct Report {
    facts: RelayFacts,
    reasons: Vec<Reason>,
    now: UnixMicros,
    status: Status,
}

impl Args {
    pub(super) fn execute(&self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        let deadline = Instant::now() + TRANSIENT_WAIT;
        let report = loop {
            let report = Report::load(&state)?;
            let may_pass = report.reasons.iter().all(|reason| reason.may_pass);
            if report.status.well || !may_pass || Instant::now() >= deadline {
                break report;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        if self.json {
            output::json(&report.status)?;
        } else {
            print(&report)?;
        }
        Ok(if report.status.well {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

impl Report {
    fn load(state: &State) -> Result<Self, StateError> {
        let running = State::relay_runs(state.dir());
        let free_disk_bytes = platform::free_disk_bytes(state.dir());
        state.read(|connection| {
            let trouble_status = |key| -> rusqlite::Result<TroubleStatus> {
                Ok(meta::json(connection, key)?.unwrap_or_default())
            };
            let in_secs = |status: &TroubleStatus| TroubleStatus {
                since: status.since.map(secs),
                ..status.clone()
            };
            let position = read_position::load(connection)?;
            let facts = RelayFacts {
                running,
                liveness: Liveness::load(connection)?,
                waits_for_backend: position
                    .as_ref()
                    .is_some_and(|position| position.resume_pending)
                    || meta::get(connection, meta::COMMANDS_PENDING)?.is_some(),
                delivery: trouble_status(meta::DELIVERY)?,
                pull: trouble_status(meta::PULL)?,
                reading_trouble: meta::get(connection, meta::READING)?
                    .filter(|code| !code.is_empty()),
                free_disk_bytes,
            };
            let now = SystemClock.now();
            let reasons = facts.reasons(now);
            let at = |event: Option<PastEvent>| event.map(|event| event.at.as_secs());
            let status = Status {
                well: reasons.is_empty(),
                reasons: reasons.iter().map(|reason| reason.code.clone()).collect(),
                running,
                starting: facts.is_starting(now),
                waits_for_backend: facts.waits_for_backend,
                version: env!("CARGO_PKG_VERSION"),
                state_dir: state.dir().display().to_string(),
                last_scan_at: at(facts.last_scan(now)),
                last_contact_at: connectivity::last(connection)?.map(secs),
                last_pull_at: at(facts.last_answer(now)),
                backend_version: meta::get(connection, meta::BACKEND_VERSION)?,
                backend_environment: meta::get(connection, meta::BACKEND_ENVIRONMENT)?,
                outbox: outbox::depths(connection)?,
                waiting: waiting::count(connection)?,
                quarantined: quarantine::count(connection)?,
                filtered: filtered::count(connection)?,
                sending: counts::sending_status(connection)?,
                paused_lines: pauses::paused_lines(connection)?
                    .into_iter()
                    .map(|(line, pause)| (line, pause.code))
                    .collect(),
                delivery: in_secs(&facts.delivery),
                pull: in_secs(&facts.pull),
                reading_trouble: facts.reading_trouble.clone(),
                free_disk_bytes,
                lines: own_addresses::lines(connection)?,
            };
            Ok(Self {
                facts,
                reasons,
                now,
                status,
            })
        })
    }
}

fn print(report: &Report) -> std::io::Result<()> {
    let Report {
        facts,
        reasons,
        now,
        status,
    } = report;
    let relay = match (status.running, status.starting, status.well) {
        (false, ..) => "not running",
        (true, true, _) => "starting",
        (true, false, true) => "running, well",
        (true, false, false) => "running, not well",
    };
    let backend = match (&status.backend_version, &status.backend_environment) {
        (Some(version), Some(environment)) => format!("version {version}, {environment}"),
        _ => "not known yet".to_owned(),
    };
    let contact = status.last_contact_at.map(|at| {
        let at = UnixMicros::from_secs(at);
        PastEvent {
            age: now.since(at),
            at,
        }
    });
    let lines: Vec<String> = status
        .lines
        .iter()
        .map(|line| line.addresses.join(", "))
        .collect();
    let own_addresses = if lines.is_empty() {
        "none known yet".to_owned()
    } else {
        lines.join("; ")
    };
    let rows = [
        ("relay", relay.to_owned()),
        ("state", status.state_dir.clone()),
        ("chat.db read", last_scan_text(facts, *now)),
        ("own addresses", own_addresses),
        ("backend", backend),
        ("last contact", ago(contact)),
        ("pull", pull_text(facts, *now)),
        ("delivery", delivery_text(facts)),
        (
            "outbox",
            format!(
                "{} pending, {} parked",
                status.outbox.pending, status.outbox.parked
            ),
        ),
        ("incomplete rows", status.waiting.to_string()),
        ("quarantine", status.quarantined.to_string()),
        ("filtered by Apple", status.filtered.to_string()),
        ("sending", sending_text(status)),
    ];
    let mut out = std::io::stdout().lock();
    let mut row = |name: &str, value: &str| writeln!(out, "{:<19}{value}", format!("{name}:"));
    rows.iter().try_for_each(|(name, value)| row(name, value))?;
    reasons
        .iter()
        .try_for_each(|reason| row("not well", &format!("{} ({})", reason.text, reason.code)))
}

/// How long ago an event was, and its time.
fn ago(event: Option<PastEvent>) -> String {
    event.map_or_else(
        || "never".to_owned(),
        |event| format!("{} s ago ({})", event.age.as_secs(), event.at),
    )
}

fn last_scan_text(facts: &RelayFacts, now: UnixMicros) -> String {
    let last = ago(facts.last_scan(now));
    match &facts.reading_trouble {
        _ if facts.waits_for_backend => {
            "not yet: a new relay waits for the backend's first answer".to_owned()
        }
        Some(code) => format!("not now ({code}); last {last}"),
        None => last,
    }
}

fn pull_text(facts: &RelayFacts, now: UnixMicros) -> String {
    if !facts.pulls() {
        return "none (auth is bearer)".to_owned();
    }
    match (&facts.pull.text, facts.last_answer(now)) {
        (Some(text), _) => text.clone(),
        (None, None) => "not answered yet".to_owned(),
        (None, answer) => format!("last answered {}", ago(answer)),
    }
}

fn sending_text(status: &Status) -> String {
    let sending = &status.sending;
    let mut parts = vec![format!(
        "{} texts wait, {} not proven yet",
        sending.queued, sending.open
    )];
    match sending.held + sending.unknown {
        0 => {}
        count => parts.push(format!(
            "{count} need your decision: `archety-relay ledger list`"
        )),
    }
    if sending.paused {
        parts.push("paused, until `archety-relay resume`".to_owned());
    }
    if let Some(until) = sending.stopped_until {
        let until = UnixMicros::from_secs(until);
        parts.push(format!("stopped after failures until {until}"));
    }
    parts.extend(status.paused_lines.iter().map(|(line, code)| {
        format!("the line {line} is paused ({code}), until `archety-relay resume`")
    }));
    parts.join("; ")
}

fn delivery_text(facts: &RelayFacts) -> String {
    let has_no_answer = |liveness: &Liveness| liveness.pulls && liveness.pull_secs_ago.is_none();
    match &facts.delivery.text {
        Some(text) => text.clone(),
        None if facts.liveness.as_ref().is_some_and(has_no_answer) => {
            "waits for the backend's first answer to a pull".to_owned()
        }
        None => "no trouble".to_owned(),
    }
}
