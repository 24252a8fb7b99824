//! The move of the relay's name from this Mac to another one or back, as the owner has asked for it.
//!
//! Each step is written down before anything is done about it, so a relay that is killed goes on with the move. The
//! owner's command and the puller write the step, each only from the steps that it knows.
//!
//! | step | what the relay does |
//! |---|---|
//! | [`Here`](MoveStep::Here) | takes the name if it is free, as without a move |
//! | [`Leaving`](MoveStep::Leaving) | passes nothing on and takes no commands, until everything is settled |
//! | [`Releasing`](MoveStep::Releasing) | asks the backend to release the name, until it has answered |
//! | [`Left`](MoveStep::Left) | neither pulls nor posts |
//! | [`Taking`](MoveStep::Taking) | asks the backend for the name |
//! | [`TakingOver`](MoveStep::TakingOver) | asks the backend for the name, whichever installation has it |
//!
//! From [`Releasing`](MoveStep::Releasing) on, another Mac may have the name. What waits here may have been given to
//! that Mac, so it is `handed` from then on: this Mac never sends it by itself, also after it has taken the name back.

use std::time::Duration;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::super::{meta, outbox, query};
use super::{counts, handed, pauses};
use crate::clock::UnixMicros;

const KEY: &str = "name_move";

/// How long a text that has a row is waited for until Messages has handed it to its service.
const HAND_OVER_TIME: Duration = Duration::from_mins(1);

/// Where the relay is in a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStep {
    #[default]
    Here,
    Leaving,
    Releasing,
    Left,
    Taking,
    TakingOver,
}

/// The move as it is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NameMove {
    pub step: MoveStep,
    /// Whether the name had been given up when this Mac asked for it.
    had_left: bool,
    /// Whether the last request for the name was refused, because another installation has it.
    pub is_refused: bool,
    /// What was not settled when the name was given up.
    pub left_behind: LeftBehind,
}

/// Texts that are not settled, when the name is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// Not passed to Messages. The backend gives them to the next Mac, which sends none of them by itself.
    pub unsent: u64,
    /// Passed to Messages, without proof that they were sent.
    pub unknown: u64,
}

/// What has to be settled before the name is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Texts that Messages has, and of which it is not known yet what becomes of them.
    pub texts: u64,
    /// Acks that the backend has not taken.
    pub acks: u64,
    /// Messages that the backend has not stored.
    pub posts: u64,
}

impl Unsettled {
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

pub fn load(connection: &Connection) -> rusqlite::Result<NameMove> {
    Ok(meta::json(connection, KEY)?.unwrap_or_default())
}

/// Whether nothing may be passed to Messages: the owner has paused sending, or the relay gives its name up or has done so.
pub fn stops_sending(connection: &Connection) -> rusqlite::Result<bool> {
    let gives_up = matches!(
        load(connection)?.step,
        MoveStep::Leaving | MoveStep::Releasing | MoveStep::Left
    );
    Ok(gives_up || pauses::paused_by_owner(connection)?.is_some())
}

/// What is not settled.
pub fn unsettled(connection: &Connection, now: UnixMicros) -> rusqlite::Result<Unsettled> {
    let texts = "select count(*) from ledger_bubble
        where state in ('queued', 'held', 'dispatched', 'row_seen', 'unknown')
            and (state = 'dispatched' or (state = 'row_seen' and reached_at between ?1 and ?2))";
    let acks = "select (select count(*) from ledger_bubble where ack is not null)
        + (select count(*) from ledger_refusal)";
    let values = params![now.minus(HAND_OVER_TIME), now];
    let texts = query::first(connection, texts, values, |row| row.get(0))?;
    Ok(Unsettled {
        texts: texts.unwrap_or_default(),
        acks: query::count(connection, acks)?,
        posts: outbox::depths(connection)?.pending,
    })
}

/// The owner asks to give the name up. A move that is under way in that direction stays as it is.
pub fn ask_out(tx: &Connection) -> rusqlite::Result<()> {
    let found = load(tx)?;
    match found.step {
        MoveStep::Here | MoveStep::Taking | MoveStep::TakingOver => {
            save(tx, MoveStep::Leaving, found)
        }
        MoveStep::Leaving | MoveStep::Releasing | MoveStep::Left => Ok(()),
    }
}

/// The owner asks for the name: `step` is [`MoveStep::Taking`] or [`MoveStep::TakingOver`].
pub fn ask_in(tx: &Connection, step: MoveStep) -> rusqlite::Result<()> {
    let found = load(tx)?;
    let had_left = match found.step {
        MoveStep::Releasing | MoveStep::Left => true,
        MoveStep::Taking | MoveStep::TakingOver => found.had_left,
        MoveStep::Here | MoveStep::Leaving => false,
    };
    if found.step == MoveStep::Releasing {
        handed::hand_over_all(tx)?;
    }
    let asked = NameMove {
        had_left,
        is_refused: false,
        ..found
    };
    save(tx, step, asked)
}

/// Goes from [`MoveStep::Leaving`] to [`MoveStep::Releasing`] if everything is settled; returns whether it did.
pub fn begin_release(tx: &Connection, now: UnixMicros) -> rusqlite::Result<bool> {
    let found = load(tx)?;
    if found.step != MoveStep::Leaving || !unsettled(tx, now)?.is_nothing() {
        return Ok(false);
    }
    let sending = counts::sending_status(tx)?;
    let left_behind = LeftBehind {
        unsent: sending.queued + sending.held,
        unknown: sending.unknown,
    };
    let released = NameMove {
        left_behind,
        ..found
    };
    save(tx, MoveStep::Releasing, released)?;
    Ok(true)
}

/// The backend has answered that this installation does not have the name any more.
pub fn note_left(tx: &Connection) -> rusqlite::Result<()> {
    let found = load(tx)?;
    if !matches!(found.step, MoveStep::Leaving | MoveStep::Releasing) {
        return Ok(());
    }
    handed::hand_over_all(tx)?;
    save(tx, MoveStep::Left, found)
}

/// The backend has answered to a request for the name (`asked` is its step) that this installation has it.
pub fn note_taken(tx: &Connection, asked: MoveStep) -> rusqlite::Result<()> {
    if load(tx)?.step == asked {
        meta::remove(tx, KEY)?;
    }
    Ok(())
}

/// Another installation has the name. A request for it (`asked` is the step of the poll) is over, and so is a release.
/// What waits here may have been given to the other one.
pub fn note_elsewhere(tx: &Connection, asked: MoveStep) -> rusqlite::Result<()> {
    handed::hand_over_all(tx)?;
    let found = load(tx)?;
    if found.step != asked {
        return Ok(());
    }
    match asked {
        MoveStep::Leaving | MoveStep::Releasing => note_left(tx),
        MoveStep::Taking | MoveStep::TakingOver => {
            let step = if found.had_left {
                MoveStep::Left
            } else {
                MoveStep::Here
            };
            let refused = NameMove {
                is_refused: true,
                ..found
            };
            save(tx, step, refused)
        }
        MoveStep::Here | MoveStep::Left => Ok(()),
    }
}

fn save(tx: &Connection, step: MoveStep, found: NameMove) -> rusqlite::Result<()> {
    meta::set_json(tx, KEY, &NameMove { step, ..found })
}

#[cfg(test)]
mod tests;
