//! The ways in which a send ends: what `osascript` answers, and what Messages writes, when.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Verb;
use crate::Error;

/// How one call goes. In JSON a mode is an object such as `{"mode":"slow","after_ms":1240}`; a mode whose fields have
/// their defaults is also its name alone, and an error that sends nothing is also its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Mode {
    /// The text is sent and delivered.
    #[default]
    Ok,
    /// `osascript` returns late, and only then the row appears.
    Slow {
        #[serde(default = "slow_ms")]
        after_ms: u64,
    },
    /// `osascript` succeeds. The row has no text and no chat, and nothing is sent.
    GhostRow,
    /// `osascript` succeeds, but there is no row, and nothing is sent.
    NoRow,
    /// `osascript` succeeds at once, and the row appears later.
    LateRow {
        #[serde(default = "late_row_ms")]
        after_ms: u64,
    },
    /// The row is joined to its chat later.
    LateJoin {
        #[serde(default = "late_ms")]
        after_ms: u64,
    },
    /// The row is marked as received, without a sender, until later.
    LateFlip {
        #[serde(default = "late_ms")]
        after_ms: u64,
    },
    /// `osascript` fails with this number. The text is sent all the same if `handed_over` is true.
    Error {
        number: i32,
        #[serde(default)]
        handed_over: bool,
    },
    /// `osascript` succeeds, and the row gets an error afterwards.
    Undeliverable {
        #[serde(default = "not_delivered")]
        error: i64,
    },
    /// `osascript` never returns.
    Hang {
        #[serde(default = "yes")]
        handed_over: bool,
    },
    /// `osascript` is ended by a signal.
    Crash {
        #[serde(default = "yes")]
        handed_over: bool,
    },
    /// The text is sent from another line.
    OtherLine {
        #[serde(default = "other_line")]
        address: String,
    },
    /// The text is sent as an SMS instead.
    Downgraded,
    /// The own text comes back as a received row from another own address.
    Echo {
        #[serde(default = "other_line")]
        address: String,
    },
    /// Messages crashes after it has committed this much, and writes nothing more.
    MessagesCrash { after: Committed },
    /// `osascript` writes this many bytes to stderr and fails. Nothing is sent.
    Flood {
        #[serde(default = "flood_bytes")]
        bytes: u64,
    },
}

fn slow_ms() -> u64 {
    124_000
}

fn late_row_ms() -> u64 {
    5_000
}

fn late_ms() -> u64 {
    3_000
}

fn flood_bytes() -> u64 {
    4 << 20
}

fn not_delivered() -> i64 {
    22
}

fn yes() -> bool {
    true
}

fn other_line() -> String {
    "+15550008888".to_owned()
}

/// How much of a text Messages has committed when it crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Committed {
    /// The row, marked as received and without a sender.
    Row,
    /// That the row is the owner's.
    FromMe,
    /// The chat of the row.
    Join,
    Sent,
}

/// How `osascript` ends once Messages has taken the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Success,
    Error(i32),
    Hang,
    Crash,
    Flood(u64),
}

/// One commit of Messages, or the point at which it answers `osascript`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The row, marked as received and without a sender.
    Insert,
    Ghost,
    Answer,
    /// The row becomes the owner's and gets its handle.
    FromMe,
    Join,
    Sent,
    Delivered,
    Failed(i64),
    Downgraded,
    /// The address of another line becomes that of the row and of its chat.
    Line(String),
    /// A received row with the same text, from this address.
    Echo(String),
}

impl Mode {
    pub fn ending(&self) -> Ending {
        match self {
            Self::Error { number, .. } => Ending::Error(*number),
            Self::Hang { .. } => Ending::Hang,
            Self::Crash { .. } => Ending::Crash,
            Self::Flood { bytes } => Ending::Flood(*bytes),
            _ => Ending::Success,
        }
    }

    /// How long a look-up takes. The delay of a send is in its writes.
    pub fn delay(&self) -> Duration {
        match self {
            Self::Slow { after_ms } => Duration::from_millis(*after_ms),
            _ => Duration::ZERO,
        }
    }

    /// What Messages writes for a send, by the time since it took the text. Without any, it took nothing.
    pub fn writes(&self) -> Vec<(Duration, Write)> {
        let refused = matches!(
            self,
            Self::Error { handed_over, .. } | Self::Hang { handed_over } | Self::Crash { handed_over }
            if !handed_over
        );
        if refused {
            return Vec::new();
        }
        let (mut from_me, mut join, mut delivered) = (15, 30, Some(150));
        let mut row = 0;
        let mut more = Vec::new();
        match self {
            Self::NoRow | Self::Flood { .. } => return Vec::new(),
            Self::GhostRow => return at_ms([(0, Write::Ghost), (0, Write::Answer)]),
            Self::Slow { after_ms } | Self::LateRow { after_ms } => row = *after_ms,
            Self::LateJoin { after_ms } => join = *after_ms,
            Self::LateFlip { after_ms } => from_me = *after_ms,
            Self::Undeliverable { error } => {
                delivered = None;
                more.push((120, Write::Failed(*error)));
            }
            Self::OtherLine { address } => more.push((0, Write::Line(address.clone()))),
            Self::Downgraded => {
                delivered = None;
                more.push((120, Write::Downgraded));
            }
            Self::Echo { address } => more.push((100, Write::Echo(address.clone()))),
            Self::Ok
            | Self::Error { .. }
            | Self::Hang { .. }
            | Self::Crash { .. }
            | Self::MessagesCrash { .. } => {}
        }
        let answer = match self {
            Self::LateRow { .. } => 0,
            _ => row,
        };
        let mut writes = vec![
            (row, Write::Insert),
            (row + from_me, Write::FromMe),
            (row + join, Write::Join),
            (row + from_me.max(60), Write::Sent),
        ];
        writes.extend(delivered.map(|ms| (row + ms.max(from_me + 1), Write::Delivered)));
        writes.extend(more);
        // The answer follows what Messages writes at the same time.
        writes.push((answer, Write::Answer));
        writes.sort_by_key(|(ms, _)| *ms);
        if let Self::MessagesCrash { after } = self {
            let last = after.write();
            let end = writes.iter().position(|(_, write)| *write == last);
            // The answer follows the row, so `osascript` has it by then.
            let kept = end.map_or(0, |last| last + 1).max(2);
            writes.truncate(kept);
        }
        at_ms(writes)
    }
}

impl Committed {
    fn write(self) -> Write {
        match self {
            Self::Row => Write::Insert,
            Self::FromMe => Write::FromMe,
            Self::Join => Write::Join,
            Self::Sent => Write::Sent,
        }
    }
}

fn at_ms(writes: impl IntoIterator<Item = (u64, Write)>) -> Vec<(Duration, Write)> {
    let writes = writes.into_iter();
    writes
        .map(|(ms, write)| (Duration::from_millis(ms), write))
        .collect()
}

/// A mode in the queue, and the calls for which it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    #[serde(flatten)]
    pub mode: Mode,
    /// The guid of the chat, or the address of the participant. Without it, the mode is for the next send to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// `find-chat` if the mode is for a look-up; without it, the mode is for a send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Verb>,
}

impl Queued {
    /// A mode for the next send.
    pub fn send(mode: Mode) -> Self {
        let (chat, on) = (None, None);
        Self { mode, chat, on }
    }

    /// A mode for the next look-up.
    pub fn look_up(mode: Mode) -> Self {
        let on = Some(Verb::FindChat);
        Self {
            on,
            ..Self::send(mode)
        }
    }

    /// Restricts the mode to calls for this chat or participant.
    #[must_use]
    pub fn to(mut self, chat: impl Into<String>) -> Self {
        self.chat = Some(chat.into());
        self
    }

    /// Parses a line of the queue: a JSON object, the name of a mode, or the number of an error.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let line = line.trim();
        let value = if line.starts_with('{') {
            serde_json::from_str(line)
        } else if let Ok(number) = line.parse::<i32>() {
            Ok(json!({ "mode": "error", "number": number }))
        } else {
            Ok::<Value, _>(json!({ "mode": line }))
        };
        let queued = value.and_then(serde_json::from_value);
        queued.map_err(|error| Error::Mode {
            line: line.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Whether the mode is for this kind of call to this chat or participant.
    pub(super) fn is_for(&self, verb: Verb, chat: &str) -> bool {
        let is_look_up = |verb| verb == Verb::FindChat;
        let right_verb = match self.on {
            None => !is_look_up(verb),
            Some(on) => on == verb,
        };
        right_verb && self.chat.as_deref().is_none_or(|only| only == chat)
    }
}
