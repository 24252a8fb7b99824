//! A Mac with several lines, and what its stand-in for `osascript` has logged.

use std::collections::HashMap;
use std::path::Path;

use archety_harness::{Binaries, Relay, now_micros};
use messages_stand_in::osascript::{Control, Event, Verb};
use messages_stand_in::{Chat, Date, NewMessage};
use shared_protocol::conversation_guid;

use crate::Bench;

/// Lines among which the people are divided, so that no line reaches its limits.
pub(super) const LINES: u32 = 50;

/// The own address of the line to which person `n` writes.
fn line(n: u32) -> String {
    format!("+1555000{:04}", 9_000 + n % LINES)
}

/// A text that a person has written.
pub(super) struct Written {
    /// The chat, without its service.
    pub(super) chat: String,
    /// When the row was committed, in Unix microseconds.
    pub(super) committed_at: i64,
}

/// A text that the relay has passed to `osascript`.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    /// When the program started, in Unix microseconds.
    pub(super) started_at: i64,
    /// When Messages had the text.
    pub(super) handed_over_at: Option<i64>,
}

/// A Mac with [`LINES`] lines, to each of which people write.
pub(super) struct Rig {
    pub(super) bench: Bench,
    osascript: Control,
}

impl Rig {
    pub(super) fn new() -> anyhow::Result<Self> {
        let bench = Bench::new(0)?;
        let osascript = Control::beside(bench.mac.chat_db());
        Ok(Self { bench, osascript })
    }

    /// Starts a relay without waiting for anything.
    pub(super) fn start_relay(&self, binaries: &Binaries, url: &str) -> anyhow::Result<Relay> {
        let folder = self.bench.path("osascript");
        std::fs::create_dir_all(&folder)?;
        let program = self
            .osascript
            .install(&folder, &binaries.messages_stand_in())?;
        let lines: Vec<String> = (0..LINES).map(line).collect();
        let env = [
            ("ARCHETY_OSASCRIPT", &*program.to_string_lossy()),
            ("ARCHETY_LINES", &*lines.join(",")),
        ];
        Relay::start(
            binaries,
            self.bench.mac.chat_db(),
            &self.state(),
            url,
            &self.bench.secret,
            &env,
            &self.bench.path("relay.log"),
        )
    }

    /// The folder of the relay's state.
    pub(super) fn state(&self) -> std::path::PathBuf {
        self.bench.path("relay")
    }

    /// Person `n` writes for the first time.
    pub(super) fn receive(&mut self, n: u32, text: &str) -> anyhow::Result<Written> {
        let person = format!("+1555{:07}", 2_000_000 + n);
        let line = line(n);
        let chat = Chat {
            line: Some(line.clone()),
            ..Chat::direct(&person)
        };
        let messages = &mut self.bench.mac.messages;
        let (chat, handle) = (
            messages.insert_chat(&chat)?,
            messages.ensure_handle(&person, "iMessage")?,
        );
        let message = NewMessage::incoming(handle, Date::from_unix_micros(now_micros()))
            .text(text)
            .set("account", format!("P:{line}"))
            .set("destination_caller_id", line);
        messages.deliver(chat, &message)?;
        Ok(Written {
            chat: format!("-;{person}"),
            committed_at: now_micros(),
        })
    }

    /// The number of replies in chat.db.
    pub(super) fn replies(&self) -> anyhow::Result<u64> {
        let sql = "select count(*) from message where is_from_me = 1";
        let raw = self.bench.mac.messages.raw();
        Ok(raw
            .query_row(sql, [], |row| row.get::<_, i64>(0))?
            .unsigned_abs())
    }

    /// What was passed to `osascript`, by the chat without its service.
    pub(super) fn sent(&self) -> anyhow::Result<HashMap<String, Sent>> {
        let (mut sent, mut chats) = (HashMap::new(), HashMap::new());
        for record in self.osascript.records()? {
            match record.event {
                Event::Start {
                    verb: Verb::SendToChat,
                    chat,
                    ..
                } => {
                    let chat = conversation_guid(&chat).to_owned();
                    let started_at = record.at_us;
                    let handed_over_at = None;
                    chats.insert(record.call, chat.clone());
                    sent.insert(
                        chat,
                        Sent {
                            started_at,
                            handed_over_at,
                        },
                    );
                }
                Event::HandedOver { .. } => {
                    let chat = chats.get(&record.call);
                    if let Some(sent) = chat.and_then(|chat| sent.get_mut(chat)) {
                        sent.handed_over_at = Some(record.at_us);
                    }
                }
                _ => {}
            }
        }
        Ok(sent)
    }
}

/// Opens the relay's state beside a relay that may run.
pub(super) fn open_state(folder: &Path) -> anyhow::Result<archety_relay::state::State> {
    Ok(archety_relay::state::State::open_beside(folder)?)
}
