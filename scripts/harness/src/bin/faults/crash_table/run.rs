//! One row of the table: replies flow while a program is killed again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use archety_harness::{BackendStore, Binaries};

use super::points::{Death, Point, Victim};
use crate::feed::Feed;
use crate::judge::{Evidence, Tally};
use crate::modes::Modes;
use crate::stage::Stage;

/// How often programs and answers are looked at while questions are asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often everything is looked at afterwards.
const SETTLE_LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long nothing may be under way at the end. Longer than the slowest send.
const QUIET: Duration = Duration::from_millis(1_600);
/// How long a run may take after the last question.
const DEADLINE: Duration = Duration::from_mins(2);
/// Time between two kills at any time.
const KILL_EVERY: Duration = Duration::from_millis(1_700);
/// How often programs are killed at any time.
const KILLS_AT_ANY_TIME: usize = 12;

/// How many replies flow, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) replies: usize,
    pub(super) chats: usize,
    pub(super) per_second: u32,
}

/// The result of a row.
#[derive(Debug)]
pub(super) struct RowResult {
    /// How often the program was killed.
    pub(super) struck: usize,
    /// How often it had to be killed.
    pub(super) planned: usize,
    pub(super) tally: Tally,
    pub(super) took: Duration,
}

impl RowResult {
    pub(super) fn is_ok(&self) -> bool {
        self.struck >= self.planned && self.tally.is_clean()
    }
}

/// Crash points and the number of the visit, one after the other.
type Kills = VecDeque<(&'static str, u32)>;

/// A run of the programs, and the kills that are left.
struct Run<'a> {
    point: &'a Point,
    stage: Stage,
    feed: Feed,
    modes: Modes,
    backend_kills: Kills,
    relay_kills: Kills,
    killed_at_any_time: usize,
    next_kill_at: Instant,
}

/// Lets replies flow while the victim is killed, and judges what became of them.
pub(super) fn run(
    binaries: &Binaries,
    point: &Point,
    store: Option<BackendStore>,
    load: Load,
) -> anyhow::Result<RowResult> {
    let began = Instant::now();
    let mut stage = Stage::new(binaries, store)?;
    let feed = Feed::new(&mut stage.mac, load.chats, load.replies, load.per_second)?;
    let mut run = Run {
        point,
        stage,
        feed,
        modes: match &point.death {
            Death::ByMode(mode) => Modes::mixed_with(mode),
            _ => Modes::mixed(),
        },
        backend_kills: point.kills(Victim::Backend).into(),
        relay_kills: point.kills(Victim::Relay).into(),
        killed_at_any_time: 0,
        next_kill_at: Instant::now() + KILL_EVERY,
    };
    match run.flow() {
        Ok(tally) => {
            let (struck, planned) = run.strikes()?;
            let result = RowResult {
                struck,
                planned,
                tally,
                took: began.elapsed(),
            };
            if !result.is_ok() {
                let files = run.stage.keep_files();
                eprintln!("the files of {} are in {}", point.name, files.display());
            }
            Ok(result)
        }
        Err(error) => {
            let files = run.stage.keep_files();
            Err(error.context(format!("the files are in {}", files.display())))
        }
    }
}

impl Run<'_> {
    fn flow(&mut self) -> anyhow::Result<Tally> {
        // The relay has to begin to read before a message may be lost with it.
        self.stage.start_backend(None)?;
        self.stage.start_relay(None)?;
        self.stage.wait_until_reading()?;
        if !self.backend_kills.is_empty() {
            self.start_armed_backend()?;
        }
        if !self.relay_kills.is_empty() {
            self.start_armed_relay()?;
        }
        let mut database = self.stage.database()?;
        while !self.feed.is_over() {
            self.keep_running()?;
            let (replies, unanswered) = (database.replies()?, database.unanswered()?);
            self.feed.note_answers(&replies, &unanswered);
            self.feed.ask_due(&mut self.stage.mac)?;
            std::thread::sleep(LOOK_EVERY);
        }
        let deadline = Instant::now() + DEADLINE;
        let mut settled_since = None;
        loop {
            self.keep_running()?;
            let evidence = Evidence::read(&self.stage, &mut database)?;
            let asked = &self.feed.asked;
            if !evidence.is_settled(asked) {
                settled_since = None;
            } else if settled_since.get_or_insert_with(Instant::now).elapsed() > QUIET {
                return evidence.judge(&self.stage, asked);
            }
            if Instant::now() > deadline {
                let mut tally = evidence.judge(&self.stage, asked)?;
                tally.faults.insert(0, "it did not come to rest".to_owned());
                return Ok(tally);
            }
            std::thread::sleep(SETTLE_LOOK_EVERY);
        }
    }

    /// Kills and starts programs, and does the part of Messages and of the owner.
    fn keep_running(&mut self) -> anyhow::Result<()> {
        self.restart_ended()?;
        self.kill_at_any_time()?;
        self.modes.fill(&self.stage)?;
        if self.stage.has_paused_line()? {
            self.stage.resume_sending()?;
        }
        Ok(())
    }

    /// Starts the programs that were killed. The victim is armed for its next kill.
    fn restart_ended(&mut self) -> anyhow::Result<()> {
        let backend = self.stage.backend.as_mut().context("started")?;
        if let Some(status) = backend.process.ended()? {
            if self.backend_kills.pop_front().is_none() {
                bail!("the backend ended by itself ({status})");
            }
            self.start_armed_backend()?;
        }
        let relay = self.stage.relay.as_mut().context("started")?;
        if let Some(status) = relay.process.ended()? {
            if self.relay_kills.pop_front().is_none() {
                bail!("the relay ended by itself ({status})");
            }
            self.start_armed_relay()?;
        }
        Ok(())
    }

    fn start_armed_backend(&mut self) -> anyhow::Result<()> {
        let crash_at = self.backend_kills.front().map(crash_at);
        self.stage.start_backend(crash_at.as_deref())
    }

    fn start_armed_relay(&mut self) -> anyhow::Result<()> {
        let crash_at = self.relay_kills.front().map(crash_at);
        self.stage.start_relay(crash_at.as_deref())
    }

    fn kill_at_any_time(&mut self) -> anyhow::Result<()> {
        let is_due = self.point.death == Death::AtAnyTime
            && self.killed_at_any_time < KILLS_AT_ANY_TIME
            && Instant::now() >= self.next_kill_at;
        if !is_due {
            return Ok(());
        }
        if self.killed_at_any_time.is_multiple_of(2) {
            self.stage.start_relay(None)?;
        } else {
            self.stage.start_backend(None)?;
        }
        self.killed_at_any_time += 1;
        self.next_kill_at = Instant::now() + KILL_EVERY;
        Ok(())
    }

    /// How often the victim was killed, and how often it had to be.
    fn strikes(&self) -> anyhow::Result<(usize, usize)> {
        Ok(match &self.point.death {
            Death::AtPoint(_) | Death::AtEachPointOnce => {
                let backend = self.point.kills(Victim::Backend);
                let relay = self.point.kills(Victim::Relay);
                let struck = self.stage.crashes("backend.log") + self.stage.crashes("relay.log");
                (struck, backend.len() + relay.len())
            }
            Death::ByMode(mode) => {
                let calls = self.stage.osascript.calls()?;
                (calls.iter().filter(|call| call.mode == *mode).count(), 1)
            }
            Death::AtAnyTime => (self.killed_at_any_time, KILLS_AT_ANY_TIME),
        })
    }
}

/// The value of `ARCHETY_CRASH_AT`.
fn crash_at((point, visit): &(&str, u32)) -> String {
    format!("{point}:{visit}")
}
