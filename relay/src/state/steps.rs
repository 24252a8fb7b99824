//! Additive changes of the schema: new tables, columns and indexes.
//!
//! `user_version` stays, so the previous release still opens the state and works on it: its statements
//! name their columns, and what they leave out is null. Each step raises the state's version by one
//! and is counted in `schema_step`, beside the oldest version of a relay that may open the state from
//! then on. All steps that are missing are applied in one transaction; a relay killed in between finds
//! the state as it was.
//!
//! A step is never edited once it was released. What an older relay reads must stay readable to it:
//! no step may add a column without a default to what it inserts, and no code may write a value that
//! it does not know into a column that it reads.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// One additive change.
pub(super) struct Step {
    sql: &'static str,
    /// The oldest version of a relay that may open the state once this is applied. It is the version
    /// of the first release unless older relays would do harm.
    oldest: i64,
}

/// In the order in which they are applied.
pub(super) const STEPS: &[Step] = &[
    Step {
        sql: include_str!("steps/bound_chats_and_filtered.sql"),
        oldest: 1,
    },
    Step {
        sql: include_str!("steps/told_groups.sql"),
        oldest: 1,
    },
    Step {
        sql: include_str!("steps/filtered_previews.sql"),
        oldest: 1,
    },
    Step {
        sql: include_str!("steps/late_titles.sql"),
        oldest: 1,
    },
];

/// How many steps there are.
pub(super) fn count() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// What the state tells of the steps that were applied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// The last one's version; `base`, the version without any step, if there is none.
    pub(super) version: i64,
    /// The oldest version of a relay that may open it.
    pub(super) oldest: i64,
}

/// Reads which steps were applied to a state whose `user_version` is `base`.
pub(super) fn applied(connection: &Connection, base: i64) -> rusqlite::Result<Applied> {
    let counted: Option<i64> = connection
        .query_row(
            "select 1 from sqlite_schema where type = 'table' and name = 'schema_step'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let none = Applied {
        version: base,
        oldest: base,
    };
    if counted.is_none() {
        return Ok(none);
    }
    connection.query_row(
        "select max(version), max(oldest) from schema_step",
        [],
        |row| {
            Ok(Applied {
                version: row.get::<_, Option<i64>>(0)?.unwrap_or(none.version),
                oldest: row.get::<_, Option<i64>>(1)?.unwrap_or(none.oldest),
            })
        },
    )
}

/// Applies what is missing; tells whether something was.
pub(super) fn apply(tx: &Transaction<'_>, base: i64) -> rusqlite::Result<bool> {
    apply_all(tx, base, STEPS)
}

fn apply_all(tx: &Transaction<'_>, base: i64, steps: &[Step]) -> rusqlite::Result<bool> {
    let done = usize::try_from(applied(tx, base)?.version - base).unwrap_or(0);
    let mut changed = false;
    for (index, step) in steps.iter().enumerate().skip(done) {
        if !changed {
            tx.execute_batch(
                "create table if not exists schema_step (
                     version integer primary key,
                     oldest integer not null,
                     -- By the Mac's clock, for people who look.
                     applied_at text not null default current_timestamp
                 ) strict",
            )?;
        }
        tx.execute_batch(step.sql)?;
        let version = base + 1 + i64::try_from(index).expect("a handful of steps");
        tx.execute(
            "insert into schema_step (version, oldest) values (?1, ?2)",
            params![version, step.oldest],
        )?;
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests;
