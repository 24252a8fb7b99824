//! Plays a script on a made-up Mac: a chat.db, a state and a clock of its own.
//!
//! The pipeline that reads it is the relay's own, so whatever comes out is what a relay would have
//! posted: complete rows, one post for each change, copies dropped, old messages marked as such. Time
//! is the script's: nothing is waited for, and the last step happens now.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context;
use archety_relay::clock::{Clock, ManualClock, UnixMicros};
use archety_relay::pipeline::{
    Feed, FirstRun, PipelineContext, PipelineError, PipelineHealth, PostBuilder, Resume,
};
use archety_relay::state::outbox::{self, PostState};
use archety_relay::state::seen::{self, RowOutcome};
use archety_relay::state::{State, quarantine, waiting};
use chatdb::{Options, Wake, WatchTimings};
use messages_stand_in::script::{Step, TimedStep};
use messages_stand_in::{ChatDb, Date, Player, Script};
use shared_protocol::{Message, RelayName, ReplyVia};

/// Whatever a row still lacks after this long is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages that a script dates before its own beginning are taken up to this age.
const BEFORE: Duration = Duration::from_hours(30 * 24);

pub(crate) struct Played {
    /// In the order in which a relay would post them, each marked as a rehearsal's; replies are asked
    /// for in the answer.
    pub(crate) messages: Vec<Message>,
    /// Messages that a relay would hold for its owner.
    pub(crate) held: usize,
    /// Rows that never became complete.
    pub(crate) incomplete: u64,
    /// Rows that a relay passes over, by why.
    pub(crate) skipped: Vec<(RowOutcome, u64)>,
}

/// Plays `script` so that it ends at `now`. Equal salts give equal guids.
pub(crate) fn play(
    mut script: Script,
    relay: &RelayName,
    options: Options,
    salt: &str,
    now: UnixMicros,
) -> anyhow::Result<Played> {
    let start = in_its_own_time(&mut script, now);
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let path = folder.path().join("chat.db");
    let db = ChatDb::create(&path, script.style())?;
    let clock = Arc::new(ManualClock::at(start));
    let state = Arc::new(State::open(&folder.path().join("state"), start)?);
    let health = Arc::new(PipelineHealth::default());
    let (_, newest) = channel();
    let context = PipelineContext {
        chat_db: path,
        options,
        post_builder: PostBuilder {
            relay: relay.clone(),
            // A reply as a command would be sent by the relay of this name.
            reply_via: Some(ReplyVia::Inline),
        },
        first_run: FirstRun::Since(BEFORE),
        resume: Resume::Never,
        state: Arc::clone(&state),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        health: Arc::clone(&health),
        newest,
        wake_sender: Box::new(|| ()),
        timings: WatchTimings::default(),
    };
    let mut reader = Reader::open(&context)?;
    let mut player = Player::new(db, &script, date(start)).salted(salt);
    while let Some(due) = player.due() {
        clock.set(start.plus(due));
        let step = player.step(date(clock.now()))?;
        // With the network there all along, an old message that appears is told from a late one.
        health.contact(clock.now().as_micros());
        if step.is_some_and(|step| step.what == "message") {
            reader.read_new()?;
        } else {
            reader = Reader::open(&context)?;
        }
    }
    clock.advance(PATIENCE);
    Reader::open(&context)?;
    Ok(Played {
        messages: posted(&state)?,
        held: state.read(quarantine::list)?.len(),
        incomplete: state.read(waiting::count)?,
        skipped: skipped(&state)?,
    })
}

/// The pipeline on the database that lies at the path now.
struct Reader<'c> {
    db: chatdb::ChatDb,
    feed: Feed<'c>,
}

impl<'c> Reader<'c> {
    /// Opens it anew, as a relay does that is started, and compares every recent row with what was
    /// read of it: each change is told, however soon the next one follows.
    fn open(context: &'c PipelineContext) -> Result<Self, PipelineError> {
        let db = chatdb::ChatDb::open(&context.chat_db)?;
        let mut feed = Feed::bind(context, &db)?;
        feed.step(&db, Wake::Changed)?;
        Ok(Self { db, feed })
    }

    /// Reads new rows alone: with thousands of messages, comparing after each would take minutes.
    fn read_new(&mut self) -> Result<(), PipelineError> {
        self.feed.step(&self.db, Wake::Nudged).map(|_| ())
    }
}

/// Recorded messages carry dates, and no pauses between them: each is played at its own date, moved
/// so that the newest happens at `now`. Returns when the script begins.
fn in_its_own_time(script: &mut Script, now: UnixMicros) -> UnixMicros {
    script.move_dates(date(now));
    let Some(oldest) = script.steps.iter().filter_map(dated).min() else {
        return now.minus(script.duration());
    };
    let start = UnixMicros::from_micros(oldest.div_euclid(1000)).minus(Duration::from_secs(1));
    let mut reached = date(start).unix_nanos();
    for timed in &mut script.steps {
        reached = reached.saturating_add(nanos(timed.after_ms));
        if let Some(late) = dated(timed).and_then(|date| u64::try_from(date - reached).ok()) {
            let pause = late.div_ceil(1_000_000);
            timed.after_ms += pause;
            reached = reached.saturating_add(nanos(pause));
        }
    }
    start
}

fn dated(timed: &TimedStep) -> Option<i64> {
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

fn skipped(state: &State) -> anyhow::Result<Vec<(RowOutcome, u64)>> {
    let mut counts = state.read(seen::count_outcomes)?;
    // These were posted, or are counted as held.
    counts.retain(|(outcome, _)| {
        use RowOutcome::{Backfilled, Forwarded, Quarantined};
        !matches!(outcome, Forwarded | Backfilled | Quarantined)
    });
    Ok(counts)
}

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
