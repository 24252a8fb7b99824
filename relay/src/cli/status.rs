//! `status`: how the relay on this machine is doing, from its state.

use std::io::Write;

use serde::Serialize;
use shared_protocol::Line;

use super::flags::ConfigFlags;
use super::output;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::delivery::report::Standstill;
use crate::lifecycle::ExitCode;
use crate::state::{State, contact, meta, outbox, own_addresses, quarantine, source, waiting};

/// Tell how the relay on this machine is doing.
///
/// Ends with 0 if it runs and delivers, with 1 if not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    running: bool,
    version: &'static str,
    state_dir: String,
    /// Unix seconds, like every time here.
    last_scan_at: Option<i64>,
    last_contact_at: Option<i64>,
    last_pull_at: Option<i64>,
    backend_version: Option<String>,
    backend_environment: Option<String>,
    outbox: outbox::Depths,
    waiting: u64,
    quarantined: u64,
    delivery: Standstill,
    pull: Standstill,
    /// Code of what keeps chat.db from being read.
    reading_trouble: Option<String>,
    /// Own addresses by line, as far as they are known.
    lines: Vec<Line>,
}

impl Args {
    pub(super) fn execute(&self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let running = State::relay_runs(&config.state_dir);
        let state = State::open_beside(&config.state_dir)?;
        let status = read(&state, running)?;
        if self.json {
            output::json(&status)?;
        } else {
            print(&status, SystemClock.now())?;
        }
        let troubles = [
            &status.delivery.trouble,
            &status.pull.trouble,
            &status.reading_trouble,
        ];
        let well = running && troubles.iter().all(|trouble| trouble.is_none());
        Ok(if well {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

fn read(state: &State, running: bool) -> anyhow::Result<Status> {
    let secs = |micros: i64| UnixMicros::from_micros(micros).as_secs();
    Ok(state.read(|connection| {
        let standstill = |key| -> rusqlite::Result<Standstill> {
            let json = meta::get(connection, key)?;
            Ok(json
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default())
        };
        let reading = meta::get(connection, meta::READING)?;
        let last_pull = meta::get(connection, meta::LAST_PULL_AT)?;
        Ok(Status {
            running,
            version: env!("CARGO_PKG_VERSION"),
            state_dir: state.dir().display().to_string(),
            last_scan_at: source::load(connection)?.map(|source| secs(source.last_good_scan_at)),
            last_contact_at: contact::last(connection)?.map(secs),
            last_pull_at: last_pull.and_then(|text| text.parse().ok()).map(secs),
            backend_version: meta::get(connection, meta::BACKEND_VERSION)?,
            backend_environment: meta::get(connection, meta::BACKEND_ENVIRONMENT)?,
            outbox: outbox::depths(connection)?,
            waiting: waiting::count(connection)?,
            quarantined: quarantine::count(connection)?,
            delivery: standstill(meta::DELIVERY)?,
            pull: standstill(meta::PULL)?,
            reading_trouble: reading.filter(|code| !code.is_empty()),
            lines: own_addresses::lines(connection)?,
        })
    })?)
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

fn print(status: &Status, now: UnixMicros) -> std::io::Result<()> {
    let ago = |at: Option<i64>| match at {
        None => "never".to_owned(),
        Some(secs) => {
            let at = UnixMicros::from_secs(secs);
            format!("{} s ago ({at})", now.since(at).as_secs())
        }
    };
    let backend = match (&status.backend_version, &status.backend_environment) {
        (Some(version), Some(environment)) => format!("version {version}, {environment}"),
        _ => "not heard of yet".to_owned(),
    };
    let stands =
        |standstill: &Standstill| standstill.text.clone().unwrap_or_else(|| "well".to_owned());
    let read = match &status.reading_trouble {
        Some(code) => format!("not now ({code}); last {}", ago(status.last_scan_at)),
        None => ago(status.last_scan_at),
    };
    let rows = [
        (
            "relay",
            if status.running {
                "running"
            } else {
                "not running"
            }
            .to_owned(),
        ),
        ("state", status.state_dir.clone()),
        ("chat.db read", read),
        ("own addresses", own_addresses_of(&status.lines)),
        ("backend", backend),
        ("last contact", ago(status.last_contact_at)),
        ("last pull", ago(status.last_pull_at)),
        ("pull", stands(&status.pull)),
        ("delivery", stands(&status.delivery)),
        (
            "outbox",
            format!(
                "{} pending, {} parked",
                status.outbox.pending, status.outbox.parked
            ),
        ),
        ("incomplete rows", status.waiting.to_string()),
        ("quarantine", status.quarantined.to_string()),
    ];
    let mut out = std::io::stdout().lock();
    rows.iter()
        .try_for_each(|(name, value)| writeln!(out, "{:<17}{value}", format!("{name}:")))
}
