//! `status`: how the relay on this machine is doing, from its state.

mod reasons;

use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;
use shared_protocol::Line;

use super::flags::ConfigFlags;
use super::output;
use crate::backend::availability::Standstill;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::lifecycle::vitals::{LOOK, Vitals};
use crate::platform;
use crate::state::{
    State, StateError, connectivity, filtered, meta, outbox, own_addresses, quarantine, source,
    waiting,
};
use reasons::{Known, Reason, Since};

/// The relay writes within this time that its clock was set, or that the Mac woke.
const PATIENCE: Duration = LOOK.saturating_add(Duration::from_secs(1));

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

/// Figures from the state. Times are Unix seconds.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each answers a question of its own"
)]
#[derive(Debug, Serialize)]
struct Status {
    well: bool,
    /// Codes of everything that keeps it from being well.
    reasons: Vec<String>,
    running: bool,
    /// Whether it has just started, and not read or not been answered yet.
    starting: bool,
    /// Whether nothing is read before the backend's first answer.
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
    /// Held back by Apple's filters or a blocked chat, until the mark is lifted.
    filtered: u64,
    delivery: Standing,
    pull: Standing,
    /// Code of what keeps chat.db from being read.
    reading_trouble: Option<String>,
    free_disk_bytes: Option<u64>,
    /// Own addresses by line, as far as they are known.
    lines: Vec<Line>,
}

/// How deliveries or pulls stand.
#[derive(Debug, Serialize)]
struct Standing {
    trouble: Option<String>,
    text: Option<String>,
    since: Option<i64>,
}

impl From<&Standstill> for Standing {
    fn from(standstill: &Standstill) -> Self {
        Self {
            trouble: standstill.trouble.clone(),
            text: standstill.text.clone(),
            since: standstill.since.map(secs),
        }
    }
}

/// What the state holds, as one look found it.
struct Look {
    known: Known,
    reasons: Vec<Reason>,
    now: UnixMicros,
    status: Status,
}

impl Look {
    /// Whether it is not well, and may be so again without having been ill.
    fn may_pass(&self) -> bool {
        !self.status.well && self.reasons.iter().all(|reason| reason.may_pass)
    }
}

impl Args {
    pub(super) fn execute(&self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        let mut look = look(&state)?;
        let patience = Instant::now() + PATIENCE;
        while look.may_pass() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(200));
            look = self::look(&state)?;
        }
        if self.json {
            output::json(&look.status)?;
        } else {
            print(&look)?;
        }
        Ok(if look.status.well {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

fn look(state: &State) -> Result<Look, StateError> {
    let running = State::relay_runs(state.dir());
    let free_disk_bytes = platform::free_disk_bytes(state.dir());
    state.read(|connection| {
        let standstill = |key| -> rusqlite::Result<Standstill> {
            let json = meta::get(connection, key)?;
            Ok(json
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default())
        };
        let source = source::load(connection)?;
        let known = Known {
            running,
            vitals: Vitals::load(connection)?,
            waits_for_backend: source.as_ref().is_some_and(|source| source.resume_pending),
            delivery: standstill(meta::DELIVERY)?,
            pull: standstill(meta::PULL)?,
            reading_trouble: meta::get(connection, meta::READING)?.filter(|code| !code.is_empty()),
            free_disk_bytes,
        };
        let now = SystemClock.now();
        let reasons = known.reasons(now);
        let since = |since: Option<Since>| since.map(|since| since.at.as_secs());
        let status = Status {
            well: reasons.is_empty(),
            reasons: reasons.iter().map(|reason| reason.code.clone()).collect(),
            running,
            starting: known.is_starting(now),
            waits_for_backend: known.waits_for_backend,
            version: env!("CARGO_PKG_VERSION"),
            state_dir: state.dir().display().to_string(),
            last_scan_at: since(known.scan(now)),
            last_contact_at: connectivity::last(connection)?.map(secs),
            last_pull_at: since(known.answer(now)),
            backend_version: meta::get(connection, meta::BACKEND_VERSION)?,
            backend_environment: meta::get(connection, meta::BACKEND_ENVIRONMENT)?,
            outbox: outbox::depths(connection)?,
            waiting: waiting::count(connection)?,
            quarantined: quarantine::count(connection)?,
            filtered: filtered::count(connection)?,
            delivery: Standing::from(&known.delivery),
            pull: Standing::from(&known.pull),
            reading_trouble: known.reading_trouble.clone(),
            free_disk_bytes,
            lines: own_addresses::lines(connection)?,
        };
        Ok(Look {
            known,
            reasons,
            now,
            status,
        })
    })
}

fn secs(micros: i64) -> i64 {
    UnixMicros::from_micros(micros).as_secs()
}

fn print(look: &Look) -> std::io::Result<()> {
    let Look {
        known,
        reasons,
        now,
        status,
    } = look;
    let relay = match (status.running, status.starting, status.well) {
        (false, ..) => "not running",
        (true, true, _) => "starting",
        (true, false, true) => "running, well",
        (true, false, false) => "running, not well",
    };
    let backend = match (&status.backend_version, &status.backend_environment) {
        (Some(version), Some(environment)) => format!("version {version}, {environment}"),
        _ => "not heard of yet".to_owned(),
    };
    let contact = status.last_contact_at.map(|at| {
        let at = UnixMicros::from_secs(at);
        Since {
            age: now.since(at),
            at,
        }
    });
    let rows = [
        ("relay", relay.to_owned()),
        ("state", status.state_dir.clone()),
        ("chat.db read", read(known, *now)),
        ("own addresses", own_addresses_of(&status.lines)),
        ("backend", backend),
        ("last contact", ago(contact)),
        ("pull", pull(known, *now)),
        ("delivery", delivery(known)),
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
    ];
    let mut out = std::io::stdout().lock();
    let mut row = |name: &str, value: &str| writeln!(out, "{:<19}{value}", format!("{name}:"));
    rows.iter().try_for_each(|(name, value)| row(name, value))?;
    reasons
        .iter()
        .try_for_each(|reason| row("not well", &format!("{} ({})", reason.text, reason.code)))
}

/// Each line by its name, with its other addresses behind it.
fn own_addresses_of(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let others: Vec<&str> = line.addresses.iter().map(String::as_str).collect();
        others.join(", ")
    };
    match lines {
        [] => "none known yet".to_owned(),
        lines => lines.iter().map(line).collect::<Vec<_>>().join("; "),
    }
}

fn ago(since: Option<Since>) -> String {
    since.map_or_else(
        || "never".to_owned(),
        |since| format!("{} s ago ({})", since.age.as_secs(), since.at),
    )
}

fn read(known: &Known, now: UnixMicros) -> String {
    let last = ago(known.scan(now));
    match &known.reading_trouble {
        _ if known.waits_for_backend => {
            "not yet: a new relay waits for the backend's first answer".to_owned()
        }
        Some(code) => format!("not now ({code}); last {last}"),
        None => last,
    }
}

fn pull(known: &Known, now: UnixMicros) -> String {
    if !known.pulls() {
        return "none (auth is bearer)".to_owned();
    }
    match (&known.pull.text, known.answer(now)) {
        (Some(text), _) => text.clone(),
        (None, None) => "not answered yet".to_owned(),
        (None, answer) => format!("last answered {}", ago(answer)),
    }
}

fn delivery(known: &Known) -> String {
    let unanswered = |vitals: &Vitals| vitals.pulls && vitals.pull_secs_ago.is_none();
    match &known.delivery.text {
        Some(text) => text.clone(),
        None if known.vitals.as_ref().is_some_and(unanswered) => {
            "waits for the backend's first answer to a pull".to_owned()
        }
        None => "nothing in its way".to_owned(),
    }
}
