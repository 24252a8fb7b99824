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

/// What the results of the last texts do with the breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BreakerChange {
    Open(Breaker),
    Close,
}

/// Judges the results of the last texts; `None` if the breaker stays as it is.
pub(super) fn judge_results(
    connection: &Connection,
    limits: &SendLimits,
    now: UnixMicros,
) -> rusqlite::Result<Option<BreakerChange>> {
    let open = pauses::breaker(connection)?;
    let since = match &open {
        Some(breaker) => UnixMicros::from_micros(breaker.until),
        None => pauses::breaker_closed_at(connection)?.unwrap_or_default(),
    };
    let results = history::last_results(connection, since, limits.failure_window)?;
    let has_failed =
        |state: BubbleState| matches!(state, BubbleState::Failed | BubbleState::Unknown);
    let must_open = if open.is_some() {
        // Of the texts since the end of the pause, the newest one decides.
        match results.first() {
            None => return Ok(None),
            Some(tried) if has_failed(tried.state) => true,
            Some(_) => return Ok(Some(BreakerChange::Close)),
        }
    } else {
        let failures = results.iter().filter(|result| has_failed(result.state));
        let failed_chats: BTreeSet<_> = results
            .iter()
            .take_while(|result| has_failed(result.state))
            .map(|result| result.conversation.as_deref())
            .collect();
        failures.count() >= limits.failures || failed_chats.len() >= limits.failed_chats
    };
    Ok(must_open.then(|| {
        let code = results.first().and_then(|result| result.code.clone());
        BreakerChange::Open(Breaker {
            opened_at: now.as_micros(),
            until: now.plus(limits.stop_for).as_micros(),
            code: code.unwrap_or_else(|| "unknown".to_owned()),
        })
    }))
}

/// Writes a change of the breaker.
pub(super) fn apply(
    tx: &Connection,
    change: &BreakerChange,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    match change {
        BreakerChange::Open(breaker) => pauses::open_breaker(tx, breaker),
        BreakerChange::Close => pauses::close_breaker(tx, now),
    }
}

#[cfg(test)]
mod tests;
