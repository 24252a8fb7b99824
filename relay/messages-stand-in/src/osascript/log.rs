//! The log of all calls, a JSON object a line. Each line is written at once, so that it stays when the process is
//! killed right after.

use serde::{Deserialize, Serialize};

use super::{Mode, Verb};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The number of the call, from 1.
    pub call: u64,
    /// Unix microseconds.
    pub at_us: i64,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The call was understood and nothing is done yet.
    Start {
        pid: u32,
        argv_sha256: String,
        verb: Verb,
        /// The guid of the chat, or the address of the participant.
        chat: String,
        text_sha256: Option<String>,
        /// Which send to this chat or participant it is, from 1.
        bubble: Option<u64>,
        mode: Mode,
    },
    /// Messages is about to send the text, in the row with this guid. `pid` is that of the writing process.
    HandedOver {
        pid: u32,
        guid: String,
    },
    /// `osascript` is about to end. There is no such line if it was killed, hung or crashed.
    End(End),
    /// The stand-in did nothing, because it was started in another way than the relay starts it.
    Refused {
        pid: u32,
        reason: String,
    },
    WriteFailed {
        pid: u32,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit status.
    pub status: u8,
    /// The number of the error, if it failed.
    pub error: Option<i32>,
}

/// Everything the log has about one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall {
    pub number: u64,
    /// When it began, in Unix microseconds.
    pub at_us: i64,
    pub pid: u32,
    pub argv_sha256: String,
    pub verb: Verb,
    /// The guid of the chat, or the address of the participant.
    pub chat: String,
    pub text_sha256: Option<String>,
    /// Which send to this chat or participant it is, from 1.
    pub bubble: Option<u64>,
    pub mode: Mode,
    /// The guid of the own row, if Messages sent the text.
    pub handed_over: Option<String>,
    /// `None` while it runs, and for ever if it was killed, hung or crashed.
    pub end: Option<End>,
    pub write_failed: Option<String>,
}

/// Gathers the records of each call, in the order in which the calls began.
pub(super) fn gather(records: Vec<Record>) -> Vec<LoggedCall> {
    let mut calls: Vec<LoggedCall> = Vec::new();
    for Record {
        call: number,
        at_us,
        event,
    } in records
    {
        if let Event::Start {
            pid,
            argv_sha256,
            verb,
            chat,
            text_sha256,
            bubble,
            mode,
        } = event
        {
            calls.push(LoggedCall {
                number,
                at_us,
                pid,
                argv_sha256,
                verb,
                chat,
                text_sha256,
                bubble,
                mode,
                handed_over: None,
                end: None,
                write_failed: None,
            });
            continue;
        }
        let Some(call) = calls.iter_mut().rev().find(|call| call.number == number) else {
            continue;
        };
        match event {
            Event::HandedOver { guid, .. } => call.handed_over = Some(guid),
            Event::End(end) => call.end = Some(end),
            Event::WriteFailed { reason, .. } => call.write_failed = Some(reason),
            Event::Start { .. } | Event::Refused { .. } => {}
        }
    }
    calls
}
