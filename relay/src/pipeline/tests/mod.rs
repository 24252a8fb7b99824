//! The pipeline on a chat.db that a stand-in for Messages writes, one step at a time.
//!
//! Every [`Mac::run_relay`] opens chat.db anew, as a relay does that was killed and started again. So the
//! pipeline keeps between two such calls only what it has written to its state.

mod any_own_side;
mod attributes;
mod bad_input;
mod balloons;
mod changes;
mod crashes;
mod edit_notices;
mod filtered;
mod first_chat;
mod freshness;
mod groups;
mod kinds;
mod lines;
mod links;
mod order;
mod own_addresses;
mod own_sends;
mod packs;
mod panics;
mod polls;
mod reactions;
mod rebuilds;
mod resends;
mod thread;
mod twins;
mod unfinished;
mod upgrades;
mod voice;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use chatdb::{ChatDb, Options, Wake, WatchTimings};
use messages_stand_in::{Chat, ChatDb as StandIn, Date, NewMessage, Style};
use shared_protocol::{Event, Message, MessageTime, NewestMessage, RelayName, ReplyVia};
use tempfile::TempDir;

use super::feed::Feed;
use super::{FirstRun, PipelineContext, PipelineError, PipelineHandle, PostBuilder, Resume};
use crate::clock::{Clock, ManualClock, UnixMicros};
use crate::state::filtered as filtered_rows;
use crate::state::{State, quarantine, seen, waiting};

/// Addresses of two persons.
const ADA: &str = "+15550100001";
const BOB: &str = "+15550100002";
/// The own address of every Mac in these tests.
const OWN: &str = "+15550009999";
/// A `handle_id` without a handle.
const NO_HANDLE: i64 = 0;
/// When the clock of each Mac starts, in seconds since 1970.
const START: i64 = 1_790_000_000;

/// A Mac with Messages and a relay, and a clock that a test moves.
struct Mac {
    folder: TempDir,
    messages: StandIn,
    clock: Arc<ManualClock>,
    /// The started relay; `None` while it is started again.
    context: Option<PipelineContext>,
    /// Gives the relay the backend's answer: the newest message that the backend has of it.
    newest: Sender<Option<NewestMessage>>,
}

impl Mac {
    /// A relay that has seen the empty chat.db once.
    fn new() -> Self {
        let mut mac = Self::before_first_run(Style::Ventura);
        mac.run_relay();
        mac
    }

    /// A relay that has not read chat.db yet.
    fn before_first_run(style: Style) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let messages = StandIn::create(folder.path().join("chat.db"), style)
            .unwrap()
            .with_own_address(OWN);
        let clock = Arc::new(ManualClock::at(UnixMicros::from_secs(START)));
        let (newest, _) = channel();
        let mut mac = Self {
            folder,
            messages,
            clock,
            context: None,
            newest,
        };
        mac.start(FirstRun::Now, Options::default());
        mac
    }

    /// Starts a relay on the present state; the backend has no message of this relay.
    fn start(&mut self, first_run: FirstRun, options: Options) {
        self.start_unanswered(first_run, options);
        self.newest.send(None).unwrap();
    }

    /// Starts a relay to which the backend has not answered yet.
    fn start_unanswered(&mut self, first_run: FirstRun, options: Options) {
        self.context = None;
        let state = State::open(&self.folder.path().join("state"), self.clock.now()).unwrap();
        let (newest, incoming) = channel();
        self.newest = newest;
        self.context = Some(PipelineContext {
            chat_db: self.folder.path().join("chat.db"),
            options,
            post_builder: PostBuilder {
                relay: RelayName::default(),
                reply_via: Some(ReplyVia::Commands),
            },
            first_run,
            resume: Resume::AskBackend,
            state: Arc::new(state),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            pipeline_handle: Arc::new(PipelineHandle::default()),
            newest: incoming,
            wake_sender: Box::new(|| ()),
            wake_ledger: Box::new(|| ()),
            timings: WatchTimings::default(),
        });
    }

    /// Removes the relay's state, as a lost disk does.
    fn lose_state(&mut self) {
        self.context = None;
        std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
        self.start_unanswered(FirstRun::Now, Options::default());
    }

    fn context(&self) -> &PipelineContext {
        self.context.as_ref().expect("a relay was started")
    }

    fn state(&self) -> &State {
        &self.context().state
    }

    /// Runs the relay once: it opens chat.db and reads what is due.
    fn run_relay(&mut self) {
        self.try_run_relay().unwrap();
    }

    /// Runs the relay and its sweep, as once a minute.
    fn sweep(&mut self) {
        let db = ChatDb::open(&self.context().chat_db).unwrap();
        let mut feed = Feed::bind(self.context(), &db).unwrap();
        feed.step(&db, Wake::Changed).unwrap();
        feed.step(&db, Wake::Sweep).unwrap();
    }

    /// [`run_relay`](Self::run_relay), with its error.
    fn try_run_relay(&mut self) -> Result<(), PipelineError> {
        let db = ChatDb::open(&self.context().chat_db)?;
        let mut feed = Feed::bind(self.context(), &db)?;
        feed.step(&db, Wake::Changed)?;
        Ok(())
    }

    /// Opens the database once and runs several steps, and calls `before_step` before each.
    fn run_steps(
        &mut self,
        mut before_step: impl FnMut(&mut StandIn, &ManualClock, usize),
        steps: usize,
    ) {
        let db = ChatDb::open(&self.folder.path().join("chat.db")).unwrap();
        let context = self.context.as_ref().expect("a relay was started");
        let mut feed = Feed::bind(context, &db).unwrap();
        for step in 0..steps {
            before_step(&mut self.messages, &self.clock, step);
            feed.step(&db, Wake::Changed).unwrap();
        }
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    fn now(&self) -> Date {
        date(self.clock.now().as_micros())
    }

    fn ago(&self, span: Duration) -> Date {
        date(self.clock.now().minus(span).as_micros())
    }

    /// The direct chat and the handle of one person, which are added if they are missing.
    fn direct_chat(&mut self, id: &str) -> (i64, i64) {
        direct_chat(&mut self.messages, id)
    }

    /// Lets time pass while the relay runs and the network is proven all along.
    fn advance_online(&mut self, span: Duration) {
        let end = self.clock.now().plus(span);
        while self.clock.now() < end {
            self.advance(secs(150));
            self.prove_network();
            self.run_relay();
        }
    }

    /// A message from `id`, sent just now.
    fn receive(&mut self, id: &str, text: &str) -> i64 {
        let now = self.now();
        self.receive_dated(id, text, now)
    }

    /// A message from `id` that was sent at `date` and appears now.
    fn receive_dated(&mut self, id: &str, text: &str, date: Date) -> i64 {
        let (chat, handle) = self.direct_chat(id);
        self.messages
            .deliver(chat, &NewMessage::incoming(handle, date).text(text))
            .unwrap()
    }

    /// Every message ever put into the outbox, in order.
    fn posted(&self) -> Vec<Message> {
        let bodies = self
            .state()
            .read(|state| {
                let mut statement = state.prepare("select body from outbox order by seq")?;
                let bodies = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
                bodies.collect::<rusqlite::Result<Vec<_>>>()
            })
            .unwrap();
        bodies
            .iter()
            .map(|body| Message::from_json(body).expect("the backend takes it"))
            .collect()
    }

    fn texts(&self) -> Vec<String> {
        self.posted()
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    /// Event and revision of each post.
    fn events(&self) -> Vec<(Event, u32)> {
        self.posted()
            .iter()
            .map(|message| (message.event, message.revision))
            .collect()
    }

    fn quarantined(&self) -> Vec<quarantine::HeldMessage> {
        self.state().read(quarantine::list).unwrap()
    }

    /// The filtered messages, as (guid, reason).
    fn filtered(&self) -> Vec<(String, String)> {
        let rows = self.state().read(filtered_rows::list).unwrap();
        rows.into_iter().map(|row| (row.guid, row.reason)).collect()
    }

    fn waiting_reasons(&self) -> Vec<String> {
        let rows = self.state().read(waiting::list).unwrap();
        rows.into_iter().map(|row| row.reason).collect()
    }

    /// The relay's decision about a row, if it has decided.
    fn outcome(&self, rowid: i64) -> Option<seen::RowOutcome> {
        let guid = self.messages.guid_of(rowid).unwrap();
        self.state()
            .read(|state| seen::find(state, &guid))
            .unwrap()
            .map(|seen| seen.outcome)
    }

    /// Proves the network at the present time.
    fn prove_network(&self) {
        self.context()
            .pipeline_handle
            .note_contact(self.clock.now().as_micros());
    }
}

fn direct_chat(messages: &mut StandIn, id: &str) -> (i64, i64) {
    let known = messages.raw().query_row(
        "select ROWID from chat where chat_identifier = ?1 order by ROWID desc limit 1",
        [id],
        |row| row.get(0),
    );
    let chat = known.unwrap_or_else(|_| messages.insert_chat(&Chat::direct(id)).unwrap());
    (chat, messages.ensure_handle(id, "iMessage").unwrap())
}

fn date(micros: i64) -> Date {
    Date::from_unix_micros(micros)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn hours(n: u64) -> Duration {
    Duration::from_hours(n)
}

/// An answer of the backend; `at` is the time at which the message was sent.
fn newest(guid: &str, at: i64) -> NewestMessage {
    NewestMessage {
        message_guid: guid.to_owned(),
        timestamp: MessageTime::from_micros(at),
    }
}
