//! Keeps each line within its limits, and stops all sending after repeated failures.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::limits::{RateLimit, SendLimits};
use crate::clock::UnixMicros;
use crate::state::ledger::BubbleState;
use crate::state::ledger::history::{self, Contact};
use crate::state::ledger::pauses::{self, Breaker};

/// When a line may send its next text to a chat with this contact; `None` if it may now.
pub(super) fn next_allowed(
    connection: &Connection,
    limits: &SendLimits,
    line: &str,
    contact: Contact,
    now: UnixMicros,
) -> rusqlite::Result<Option<UnixMicros>> {
    let mut next = None;
    for RateLimit { count, window } in &limits.texts {
        next = next
            .max(history::nth_last(connection, line, *count, now)?.map(|sent| sent.plus(*window)));
    }
    let of_contact = match contact {
        Contact::Known => &[][..],
        Contact::FirstAnswer => &limits.first_answers,
        Contact::Cold => &limits.cold_chats,
    };
    for RateLimit { count, window } in of_contact {
        let sent = history::nth_last_contact(connection, line, contact, *count, now)?;
        next = next.max(sent.map(|sent| sent.plus(*window)));
    }
    Ok(next.filter(|next| *next > now))
}

/// What the breaker says about the next text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerState {
    Closed,
    /// Nothing is sent until this time.
    Open(UnixMicros),
    /// One text is tried, and only if no other one is under way.
    OneTry,
}

pub(super) fn breaker_state(
    connection: &Connection,
    now: UnixMicros,
) -> rusqlite::Result<BreakerState> {
    Ok(match pauses::breaker(connection)? {
        None => BreakerState::Closed,
        Some(breaker) if UnixMicros::from_micros(breaker.until) > now => {
            BreakerState::Open(UnixMicros::from_micros(breaker.until))
        }
        Some(_) => BreakerState::OneTry,
    })
}

/// Opens or closes the breaker by the results of the last texts. Returns the breaker if it was just opened.
pub(super) fn judge_results(
    tx: &Connection,
    limits: &SendLimits,
    now: UnixMicros,
) -> rusqlite::Result<Option<Breaker>> {
    let open = pauses::breaker(tx)?;
    let since = match &open {
        Some(breaker) => UnixMicros::from_micros(breaker.until),
        None => pauses::breaker_closed_at(tx)?.unwrap_or_default(),
    };
    let results = history::last_results(tx, since, limits.failure_window)?;
    let has_failed =
        |state: BubbleState| matches!(state, BubbleState::Failed | BubbleState::Unknown);
    if open.is_some() {
        // Of the texts since the end of the pause, the newest one decides.
        let Some(tried) = results.first() else {
            return Ok(None);
        };
        if !has_failed(tried.state) {
            pauses::close_breaker(tx, now)?;
            return Ok(None);
        }
    } else {
        let failures = results.iter().filter(|result| has_failed(result.state));
        let failed_chats: BTreeSet<_> = results
            .iter()
            .take_while(|result| has_failed(result.state))
            .map(|result| result.conversation.as_deref())
            .collect();
        if failures.count() < limits.failures && failed_chats.len() < limits.failed_chats {
            return Ok(None);
        }
    }
    let code = results.first().and_then(|result| result.code.clone());
    let breaker = Breaker {
        opened_at: now.as_micros(),
        until: now.plus(limits.stop_for).as_micros(),
        code: code.unwrap_or_else(|| "unknown".to_owned()),
    };
    pauses::open_breaker(tx, &breaker)?;
    Ok(Some(breaker))
}
