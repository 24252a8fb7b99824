//! Additive changes of the state's schema, called steps: new tables, columns and indexes.
//!
//! A step leaves `user_version` as it is, so the previous release can still open the state and use it: the
//! statements of that release name their columns, and columns that it does not know stay null. The version of
//! a state is its `user_version` plus the number of its steps. The table `schema_step` has a row for each
//! applied step, with the version that a relay must know at least to open the state from then on. All missing
//! steps are applied in one transaction.
//!
//! A step is never edited once it was released. An older relay must be able to read and write what it
//! knows. So no step may add a column without a default to a table that an older relay inserts into, and
//! no code may write a value that an older relay does not know into a column that it reads.

use rusqlite::{Connection, Transaction, params};

/// One additive change.
pub(super) struct Step {
    sql: &'static str,
    /// The version that a relay must know at least to open the state after this step. It is the
    /// [`FIRST_VERSION`], unless an older relay would damage such a state.
    oldest_reader: i64,
}

/// The version of a state of the first release.
const FIRST_VERSION: i64 = 1;

/// All steps, in the order in which they are applied.
pub(super) const STEPS: &[Step] = &[
    Step {
        sql: include_str!("steps/bound_chats_and_filtered.sql"),
        oldest_reader: FIRST_VERSION,
    },
    Step {
        sql: include_str!("steps/told_groups.sql"),
        oldest_reader: FIRST_VERSION,
    },
    Step {
        sql: include_str!("steps/filtered_previews.sql"),
        oldest_reader: FIRST_VERSION,
    },
    Step {
        sql: include_str!("steps/late_titles.sql"),
        oldest_reader: FIRST_VERSION,
    },
    Step {
        sql: include_str!("steps/ledger.sql"),
        oldest_reader: FIRST_VERSION,
    },
    Step {
        sql: include_str!("steps/own_sends.sql"),
        oldest_reader: FIRST_VERSION,
    },
];

/// The number of steps that this release knows.
pub(super) fn count() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// The steps that were applied to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// The version of the last step; without steps, the `user_version`.
    pub(super) version: i64,
    /// The version that a relay must know at least to open the state.
    pub(super) oldest_reader: i64,
}

/// Reads which steps were applied to a state whose `user_version` is `base`.
pub(super) fn applied(connection: &Connection, base: i64) -> rusqlite::Result<Applied> {
    let none = Applied {
        version: base,
        oldest_reader: base,
    };
    if !connection.table_exists(None, "schema_step")? {
        return Ok(none);
    }
    let sql = "select coalesce(max(version), ?1), coalesce(max(oldest), ?1) from schema_step";
    connection.query_row(sql, [base], |row| {
        Ok(Applied {
            version: row.get(0)?,
            oldest_reader: row.get(1)?,
        })
    })
}

/// Applies the missing steps to a state whose `user_version` is `base`; returns whether there were any.
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
            params![version, step.oldest_reader],
        )?;
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests;
