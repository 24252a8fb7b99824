//! How far a bubble was sent, by the flags of its row.

use chatdb::SentFlags;
use rusqlite::Connection;

use crate::clock::UnixMicros;
use crate::state::ledger::{BubbleNumber, BubbleState, matching, transitions};

/// The code of a bubble that went as SMS because iMessage failed.
const DOWNGRADED: &str = "downgraded";

/// Moves a bubble to the state that its row shows; returns whether anything changed.
pub(super) fn move_bubble(
    state: &Connection,
    number: BubbleNumber,
    sent: &SentFlags,
    service: Option<&str>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let next = state_of(sent);
    let code = match next {
        BubbleState::Failed => Some(format!("error_{}", sent.error)),
        _ if sent.was_downgraded => Some(DOWNGRADED.to_owned()),
        _ => other_service(service, matching::asked_service(state, number)?.as_deref()),
    };
    if transitions::reach(state, number, next, code.as_deref(), now)? {
        return Ok(true);
    }
    match code {
        Some(code) => transitions::note_code(state, number, next, &code),
        None => Ok(false),
    }
}

/// The state of a bubble by its row. An error counts unless the message was delivered all the same.
fn state_of(sent: &SentFlags) -> BubbleState {
    if sent.is_delivered {
        BubbleState::Delivered
    } else if sent.error != 0 {
        BubbleState::Failed
    } else if sent.is_sent {
        BubbleState::Sent
    } else {
        BubbleState::RowSeen
    }
}

/// The code of a bubble that went over another service than its command asks for.
fn other_service(service: Option<&str>, asked: Option<&str>) -> Option<String> {
    let (service, asked) = (service?, asked?);
    if service.eq_ignore_ascii_case(asked) {
        return None;
    }
    let known = ["imessage", "sms", "rcs"];
    let known = known
        .iter()
        .find(|known| service.eq_ignore_ascii_case(known));
    Some(format!("service_{}", known.unwrap_or(&"other")))
}
