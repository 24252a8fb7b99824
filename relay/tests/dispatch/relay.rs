//! A dispatcher with a state, a chat.db and a fake `osascript` of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use archety_relay::clock::{Clock, ManualClock, UnixMicros};
use archety_relay::dispatch::{DispatchContext, Dispatcher, SendLimits};
use archety_relay::pull::{DispatchLink, LeaseProof, PollTime, Sends};
use archety_relay::state::ledger::Baseline;
use archety_relay::state::ledger::dispatching::{dispatch, sendable};
use archety_relay::state::ledger::matching::{OwnRow, RowState, match_row};
use archety_relay::state::ledger::owner::{LedgerEntry, Listing, list};
use archety_relay::state::ledger::take::take;
use archety_relay::state::ledger::{BubbleState, pauses};
use archety_relay::state::outbox::{self, NewPost};
use archety_relay::state::own_addresses::{self, FoundAddresses};
use archety_relay::state::{State, read_position};
use messages_stand_in::{Chat, ChatDb, Date, NewMessage, Style};
use rusqlite::Transaction;
use serde_json::{Value, json};
use shared_protocol::{Command, CommandBody, Event, Line, MessageIdentity, RelayName};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const CHAT: &str = "iMessage;-;+15550100001";
pub(crate) const CONVERSATION: &str = "-;+15550100001";
pub(crate) const PEER: &str = "+15550100001";
pub(crate) const GROUP: &str = "iMessage;+;chat123456";
pub(crate) const LINE: &str = "+15550109999";
pub(crate) const OTHER_LINE: &str = "+15550108888";
const NOW: i64 = 1_790_000_000;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Relay {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub(crate) state: Arc<State>,
    pub(crate) link: DispatchLink,
    next_seq: AtomicI64,
}

/// A dispatcher that runs.
pub(crate) struct Run {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Run {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl Relay {
    /// A relay that holds the lease, with a direct chat and a group, in each of which a person has written.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut db = ChatDb::create(dir.path().join("chat.db"), Style::Ventura).unwrap();
        let direct = db.insert_chat(&Chat::direct(PEER)).unwrap();
        let group = Chat::group([PEER, "+15550100002"]).with_guid(GROUP);
        let group = db.insert_chat(&group).unwrap();
        let handle = db.ensure_handle(PEER, "iMessage").unwrap();
        for (chat, guid) in [(direct, "anchor"), (group, "group-anchor")] {
            let message = NewMessage::incoming(handle, Date::from_unix_secs(NOW - 10))
                .text("Hello")
                .guid(guid)
                .set("destination_caller_id", LINE.to_owned());
            db.deliver(chat, &message).unwrap();
        }
        let at = UnixMicros::from_secs(NOW);
        let state = State::open(dir.path(), at).unwrap();
        let lines = [LINE, OTHER_LINE].map(|address| Line {
            name: address.to_owned(),
            addresses: vec![address.to_owned()],
        });
        let save =
            |tx: &Transaction<'_>| own_addresses::save(tx, &FoundAddresses::default(), &lines);
        state.write(save).unwrap();
        let relay = Self {
            clock: Arc::new(ManualClock::at(at)),
            state: Arc::new(state),
            link: DispatchLink {
                sends: Sends::On,
                ..DispatchLink::default()
            },
            next_seq: AtomicI64::new(1),
            dir,
        };
        let script = format!(
            "#!/bin/sh\ncat >/dev/null\nshift 3\ncd '{}'\n\
             {{ for value in \"$@\"; do printf '%s\\0' \"$value\"; done; printf '\\001'; }} >>calls\n\
             while [ -e \"hold-$1\" ]; do sleep 0.02; done\n\
             read verb error <fault\n\
             if [ -e slow ] && [ \"$1\" = send-to-chat ]; then sleep 2; fi\n\
             if [ \"$1\" = \"$verb\" ]; then echo \"execution error: It failed. ($error)\" >&2; exit 1; fi\n",
            relay.dir.path().display()
        );
        fs::write(relay.osascript(), script).unwrap();
        fs::set_permissions(relay.osascript(), fs::Permissions::from_mode(0o755)).unwrap();
        relay.fail("nothing", 0);
        relay.hold_lease();
        relay
    }

    fn osascript(&self) -> PathBuf {
        self.dir.path().join("osascript")
    }

    /// Puts another chat.db in the place of this one, with the direct chat and one message.
    pub(crate) fn replace_chat_db(&self) {
        let path = self.dir.path().join("other.db");
        let mut db = ChatDb::create(&path, Style::Ventura).unwrap();
        let chat = db.insert_chat(&Chat::direct(PEER)).unwrap();
        let handle = db.ensure_handle(PEER, "iMessage").unwrap();
        let message = NewMessage::incoming(handle, Date::from_unix_secs(NOW - 10))
            .text("Hello")
            .guid("anchor");
        db.deliver(chat, &message).unwrap();
        drop(db);
        for end in ["-wal", "-shm"] {
            // The file has none of these after it was closed.
            let _ = fs::remove_file(self.dir.path().join(format!("chat.db{end}")));
        }
        fs::rename(path, self.dir.path().join("chat.db")).unwrap();
    }

    pub(crate) fn remove_osascript(&self) {
        fs::remove_file(self.osascript()).unwrap();
    }

    /// From now on, scripts with this verb fail.
    pub(crate) fn fail(&self, verb: &str, error: i32) {
        fs::write(self.dir.path().join("fault"), format!("{verb} {error}\n")).unwrap();
    }

    /// From now on, scripts with this verb do not end.
    pub(crate) fn hold(&self, verb: &str) {
        fs::write(self.dir.path().join(format!("hold-{verb}")), "").unwrap();
    }

    pub(crate) fn release(&self, verb: &str) {
        fs::remove_file(self.dir.path().join(format!("hold-{verb}"))).unwrap();
    }

    /// From now on, a script that sends takes two seconds.
    pub(crate) fn slow_down(&self) {
        fs::write(self.dir.path().join("slow"), "").unwrap();
    }

    pub(crate) fn limits() -> SendLimits {
        SendLimits {
            row_within: Duration::from_millis(1_500),
            incoming_wait: Duration::from_millis(500),
            other_chat_after: Duration::from_millis(400),
            trouble_pause: Duration::from_millis(200),
            ..SendLimits::default()
        }
    }

    pub(crate) fn run(&self) -> Run {
        self.run_with(Self::limits())
    }

    pub(crate) fn run_with(&self, limits: SendLimits) -> Run {
        let stop = CancellationToken::new();
        let dispatcher = Dispatcher::new(DispatchContext {
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            chat_db: self.dir.path().join("chat.db"),
            osascript: self.osascript(),
            limits,
            link: self.link.clone(),
            wake_pipeline: Box::new(|| ()),
            stop: stop.clone(),
        });
        let task = tokio::spawn(dispatcher.run());
        Run { stop, task }
    }

    pub(crate) fn now(&self) -> UnixMicros {
        self.clock.now()
    }

    /// Moves the clock, and renews the lease.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.hold_lease();
    }

    /// Moves the clock. The monotonic clock stands still.
    pub(crate) fn sleep(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Sets the clock, and renews the lease.
    pub(crate) fn set_clock(&self, to: UnixMicros) {
        self.clock.set(to);
        self.hold_lease();
    }

    pub(crate) fn hold_lease(&self) {
        let now = self.now();
        self.link.lease.send_replace(Some(LeaseProof {
            sent: PollTime {
                wall: now,
                uptime: Instant::now(),
            },
            answered_at: now,
            server_time: now.as_secs(),
        }));
    }

    /// A reply to the direct chat, without pauses.
    pub(crate) fn reply(&self, id: &str, texts: &[&str]) -> Value {
        let bubbles: Vec<_> = texts.iter().map(|text| json!({"text": text})).collect();
        json!({"seq": self.next_seq.fetch_add(1, Ordering::SeqCst), "id": id, "kind": "send_message",
            "chat_guid": CHAT, "anchor_guid": "anchor", "line": LINE, "service": "iMessage",
            "bubbles": bubbles, "not_after": self.now().as_secs() + 21_600})
    }

    pub(crate) fn take(&self, command: Value) {
        self.take_all(vec![command]);
    }

    pub(crate) fn take_all(&self, commands: Vec<Value>) {
        let now = self.now();
        let taken = |tx: &Transaction<'_>| {
            for command in commands {
                let command: Command = serde_json::from_value(command).unwrap();
                let body: CommandBody = command.parse().unwrap();
                take(tx, &command, &body, now)?;
            }
            Ok(())
        };
        self.state.write_durably(taken).unwrap();
        self.link.new_commands.notify_one();
    }

    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> T {
        self.state.write(work).unwrap()
    }

    /// Puts a message of the direct chat into the outbox.
    pub(crate) fn receive(&self, guid: &str) {
        let identity = MessageIdentity {
            relay: &RelayName::default(),
            message_guid: guid,
            event: Event::Message,
            revision: 0,
        };
        let webhook_id = identity.webhook_id();
        let post = NewPost {
            lane: CONVERSATION,
            webhook_id: &webhook_id,
            message_guid: guid,
            event: Event::Message,
            revision: 0,
            body: b"{}",
            now: self.now(),
        };
        self.write(|tx| outbox::enqueue(tx, &post));
    }

    /// Writes the first text dispatched, as a relay that dies right afterwards.
    pub(crate) fn dispatch_first(&self) {
        let now = self.now();
        let write = |tx: &Transaction<'_>| {
            let first = sendable(tx, 1)?.pop().unwrap();
            let baseline = Baseline {
                file: read_position::chat_db_file(tx)?,
                rowid: 2,
            };
            dispatch(tx, first.number, CHAT, &baseline, now)
        };
        assert!(self.state.write_durably(write).unwrap());
    }

    /// Shows the ledger a delivered row with this text, as the pipeline does.
    pub(crate) fn prove(&self, text: &str) {
        let now = self.now();
        let guid = format!("row of {text}");
        let write = |tx: &Transaction<'_>| {
            let row = OwnRow {
                guid: &guid,
                file: &read_position::chat_db_file(tx)?,
                rowid: 1_000,
                sent_at: now,
                text,
            };
            let delivered = RowState {
                state: BubbleState::Delivered,
                code: None,
            };
            match_row(tx, &[CONVERSATION], &row, delivered, now)
        };
        let matched = self.state.write(write).unwrap();
        assert!(matched.is_some(), "the row is no bubble's");
        self.link.notify_moved_bubbles();
    }

    /// As [`Relay::prove`], with a row in chat.db that names the line.
    pub(crate) fn prove_from(&self, text: &str, line: &str) {
        let mut db = ChatDb::open(self.dir.path().join("chat.db")).unwrap();
        let chat = db.find_chat(CHAT).unwrap().unwrap();
        let message = NewMessage::outgoing(Date::from_unix_secs(NOW))
            .text(text)
            .guid(format!("row of {text}"))
            .set("destination_caller_id", line.to_owned());
        db.deliver(chat, &message).unwrap();
        self.prove(text);
    }

    /// The arguments of each script after the name of the file.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let calls = fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default();
        let calls = calls.split_terminator('\u{1}');
        calls
            .map(|call| call.split_terminator('\0').map(str::to_owned).collect())
            .collect()
    }

    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        let mut entries = self.state.read(|c| list(c, Listing::All, 10_000)).unwrap();
        entries.reverse();
        entries
    }

    pub(crate) fn states(&self) -> Vec<BubbleState> {
        self.entries().iter().map(|entry| entry.state).collect()
    }

    /// The texts that were passed to Messages.
    pub(crate) fn sent(&self) -> Vec<String> {
        let is_sending = |call: &Vec<String>| call[0] == "send-to-chat";
        let calls = self.calls().into_iter().filter(is_sending);
        calls.map(|mut call| call.remove(2)).collect()
    }

    pub(crate) fn codes(&self) -> Vec<Option<String>> {
        self.entries().into_iter().map(|entry| entry.code).collect()
    }

    pub(crate) fn paused_lines(&self) -> Vec<String> {
        let paused = self.state.read(pauses::paused_lines).unwrap();
        paused.into_keys().collect()
    }

    pub(crate) async fn wait_until(&self, condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            let entries = self.entries();
            assert!(began.elapsed() < PATIENCE, "{:?} {entries:?}", self.calls());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn wait_for(&self, states: &[BubbleState]) {
        self.wait_until(|| self.states() == states).await;
    }

    pub(crate) async fn wait_for_calls(&self, count: usize) {
        self.wait_until(|| self.calls().len() >= count).await;
    }

    pub(crate) async fn wait_for_code(&self, code: &str) {
        self.wait_until(|| self.codes()[0].as_deref() == Some(code))
            .await;
    }

    /// Gives the dispatcher time for what it must not do.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}
