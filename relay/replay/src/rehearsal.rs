//! Plays a script into a temporary chat.db and reads it with a temporary relay state and a manual clock.
//!
//! The relay's own pipeline reads the database, so the result is what a relay would have posted: complete
//! rows, one post for each change, no copies, old messages marked as such. The clock is set to the time
//! of each step without waiting; the last step happens now.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context;
use archety_relay::clock::{Clock, ManualClock, UnixMicros};
use archety_relay::pipeline::{
    Feed, FirstRun, PipelineContext, PipelineError, PipelineHandle, PostBuilder, Resume,
};
use archety_relay::state::outbox::{self, PostState};
use archety_relay::state::seen::{self, RowOutcome};
use archety_relay::state::{State, quarantine, waiting};
use chatdb::{Options, Wake, WatchTimings};
use messages_stand_in::script::{Step, TimedStep};
use messages_stand_in::{ChatDb, Date, Player, Script};
use shared_protocol::{Message, RelayName, ReplyVia};

/// How far the clock moves on after the last step, so that rows with content that still lack something are posted
/// without it.
const FINAL_WAIT: Duration = Duration::from_secs(5);
/// Messages dated before the beginning of the script are posted up to this age.
const MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// The result of playing a script.
pub(crate) struct Rehearsal {
    /// The messages in the order in which a relay would post them, each marked as a rehearsal, with the
    /// reply requested in the answer.
    pub(crate) messages: Vec<Message>,
    /// Number of messages that a relay would hold for a decision of its owner.
    pub(crate) held: usize,
    /// Number of rows that never became complete.
    pub(crate) incomplete: u64,
    /// Number of rows that a relay does not post, by reason.
    pub(crate) skipped: Vec<(RowOutcome, u64)>,
}

/// Plays `script` so that it ends at `now`. Equal salts give equal guids.
pub(crate) fn play(
    mut script: Script,
    relay: &RelayName,
    options: Options,
    salt: &str,
    now: UnixMicros,
) -> anyhow::Result<Rehearsal> {
    let start = add_recorded_pauses(&mut script, now);
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let path = folder.path().join("chat.db");
    let db = ChatDb::create(&path, script.style())?;
    let clock = Arc::new(ManualClock::at(start));
    let state = Arc::new(State::open(&folder.path().join("state"), start)?);
    let pipeline_handle = Arc::new(PipelineHandle::default());
    // Nothing is sent: with `Resume::Never` the pipeline does not wait for the backend's newest message.
    let (_, newest) = channel();
    let context = PipelineContext {
        chat_db: path,
        options,
        post_builder: PostBuilder {
            relay: relay.clone(),
            // The reply must come in the answer. As a command it would be sent by the real relay of this name.
            reply_via: Some(ReplyVia::Inline),
        },
        first_run: FirstRun::Since(MAX_AGE),
        resume: Resume::Never,
        state: Arc::clone(&state),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        pipeline_handle: Arc::clone(&pipeline_handle),
        newest,
        wake_sender: Box::new(|| ()),
        wake_ledger: Box::new(|| ()),
        timings: WatchTimings::default(),
    };
    let mut reader = Reader::open(&context)?;
    let mut player = Player::new(db, &script, date(start)).salted(salt);
    while let Some(due) = player.due() {
        clock.set(start.plus(due));
        let step = player.step(date(clock.now()))?;
        // The network counts as proven to work at each step. So an old message counts as backfill from iCloud, and
        // not as delivered late by a network that was away.
        pipeline_handle.note_contact(clock.now().as_micros());
        if step.is_some_and(|step| step.name == "message") {
            reader.read_new()?;
        } else {
            reader = Reader::open(&context)?;
        }
    }
    clock.advance(FINAL_WAIT);
    Reader::open(&context)?;
    Ok(Rehearsal {
        messages: posted(&state)?,
        held: state.read(quarantine::list)?.len(),
        incomplete: state.read(waiting::count)?,
        skipped: skipped(&state)?,
    })
}

/// The relay's pipeline, bound to the database that is at the path when it is opened.
struct Reader<'c> {
    db: chatdb::ChatDb,
    feed: Feed<'c>,
}

impl<'c> Reader<'c> {
    /// Opens and reads the database as a relay does at its start: every recent row is compared with its earlier
    /// state. So each change is posted, even if the next one follows at once.
    fn open(context: &'c PipelineContext) -> Result<Self, PipelineError> {
        let db = chatdb::ChatDb::open(&context.chat_db)?;
        let mut feed = Feed::bind(context, &db)?;
        feed.step(&db, Wake::Changed)?;
        Ok(Self { db, feed })
    }

    /// Reads only new rows. Comparing all rows after each of thousands of messages would take minutes.
    fn read_new(&mut self) -> Result<(), PipelineError> {
        self.feed.step(&self.db, Wake::Requested).map(|_| ())
    }
}

/// Adds pauses before recorded messages, which have dates but no pauses, so that each is played at its
/// date. All dates are moved so that the newest is `now`. Returns the time at which the script begins.
fn add_recorded_pauses(script: &mut Script, now: UnixMicros) -> UnixMicros {
    script.move_dates(date(now));
    let Some(oldest) = script.steps.iter().filter_map(recorded_date).min() else {
        return now.minus(script.duration());
    };
    let start = UnixMicros::from_micros(oldest.div_euclid(1000)).minus(Duration::from_secs(1));
    // The time at which the steps so far have been played, in Unix nanoseconds.
    let mut reached = date(start).unix_nanos();
    for timed in &mut script.steps {
        reached = reached.saturating_add(nanos(timed.after_ms));
        if let Some(missing) =
            recorded_date(timed).and_then(|date| u64::try_from(date - reached).ok())
        {
            let pause_ms = missing.div_ceil(1_000_000);
            timed.after_ms += pause_ms;
            reached = reached.saturating_add(nanos(pause_ms));
        }
    }
    start
}

/// The date of a recorded message, in Unix nanoseconds.
fn recorded_date(timed: &TimedStep) -> Option<i64> {
    match &timed.step {
        Step::Message(message) => message.date,
        _ => None,
    }
}

fn nanos(millis: u64) -> i64 {
    i64::try_from(millis)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000)
}

fn date(at: UnixMicros) -> Date {
    Date::from_unix_micros(at.as_micros())
}

/// How many rows the pipeline has skipped, by reason.
fn skipped(state: &State) -> anyhow::Result<Vec<(RowOutcome, u64)>> {
    let mut counts = state.read(seen::count_outcomes)?;
    // Rows with these outcomes are among the messages or counted as held.
    counts.retain(|(outcome, _)| {
        use RowOutcome::{Backfilled, Forwarded, Quarantined};
        !matches!(outcome, Forwarded | Backfilled | Quarantined)
    });
    Ok(counts)
}

/// The messages in the outbox of `state`, each marked as a rehearsal.
fn posted(state: &State) -> anyhow::Result<Vec<Message>> {
    let posts = state.read(|connection| {
        let entries = outbox::list(connection, PostState::Pending, u32::MAX)?;
        let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
        outbox::load(connection, &seqs)
    })?;
    let mut messages = Vec::with_capacity(posts.len());
    for post in posts {
        let mut message = Message::from_json(&post.body)?;
        message.rehearsal = true;
        messages.push(message);
    }
    Ok(messages)
}
