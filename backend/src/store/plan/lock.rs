//! The effects of each statement of the migrations on tables, read from a list: the lock that it takes on the table,
//! and its work on the rows.

use std::collections::BTreeMap;

use serde::Serialize;

const LOCKS_FILE: &str = include_str!("../../../../migrations/postgres/locks.txt");

/// A lock of Postgres on a table. From weakest to strongest, as Postgres' documentation orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// Taken to read rows.
    AccessShare,
    /// Taken to lock rows: by foreign keys and `for update`.
    RowShare,
    /// Taken to write rows.
    RowExclusive,
    /// Other sessions can read and write rows. Vacuum and changes of the schema wait.
    ShareUpdateExclusive,
    /// Other sessions can read rows. Several sessions can have this lock.
    Share,
    /// Other sessions can read rows. One session can have this lock.
    ShareRowExclusive,
    /// Other sessions can read rows, but not lock rows.
    Exclusive,
    /// Other sessions cannot read rows.
    AccessExclusive,
}

impl Lock {
    /// Each lock as `lock table … in … mode` writes it, weakest first.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::AccessShare, "access share"),
        (Self::RowShare, "row share"),
        (Self::RowExclusive, "row exclusive"),
        (Self::ShareUpdateExclusive, "share update exclusive"),
        (Self::Share, "share"),
        (Self::ShareRowExclusive, "share row exclusive"),
        (Self::Exclusive, "exclusive"),
        (Self::AccessExclusive, "access exclusive"),
    ];

    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(lock, spelled)| (spelled == text).then_some(lock))
    }
}

/// The work of a statement on the rows of a table, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The time does not depend on the number of rows.
    Catalogue,
    ReadsRows,
    WritesRows,
    Rewrites,
}

impl Work {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Catalogue, "catalogue only"),
        (Self::ReadsRows, "reads rows"),
        (Self::WritesRows, "writes rows"),
        (Self::Rewrites, "rewrites the table"),
    ];

    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(work, spelled)| (spelled == text).then_some(work))
    }
}

/// The effect of a statement on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) table: &'static str,
    /// The strongest lock that the statement takes.
    pub(super) lock: Lock,
    /// The greatest work that the statement does.
    pub(super) work: Work,
}

/// The effects of statements by the version of the migration and the number of the statement, from 1.
pub(super) type Effects = BTreeMap<(i64, usize), Vec<Effect>>;

/// The effects that `locks.txt` lists: those on tables that may exist before the migration.
pub(super) fn listed_effects() -> Effects {
    parse(LOCKS_FILE).expect("a test parses the same list")
}

/// The effects in a list; `None` if a line is malformed.
fn parse(list: &'static str) -> Option<Effects> {
    let mut effects = Effects::new();
    let mut statement = (0, 0);
    for line in list.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(line) = line.strip_prefix("  ") {
            let (table, effect) = line.trim_start().split_once(": ")?;
            let (lock, work) = effect.split_once(", ")?;
            effects.entry(statement).or_default().push(Effect {
                table,
                lock: Lock::parse(lock)?,
                work: Work::parse(work)?,
            });
        } else {
            let mut words = line.split(' ');
            let version = words.next()?.parse().ok()?;
            statement = (version, words.next()?.parse().ok()?);
        }
    }
    Some(effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_str_returns_the_spelling_of_each_lock_and_work() {
        assert!((Lock::ALL.iter()).all(|(lock, spelled)| lock.as_str() == *spelled));
        assert!((Work::ALL.iter()).all(|(work, spelled)| work.as_str() == *spelled));
    }

    #[test]
    fn a_list_is_parsed_or_refused() {
        let list = "# why\n\n0007 3 create index\n  users: share, reads rows\n";
        let users = Effect {
            table: "users",
            lock: Lock::Share,
            work: Work::ReadsRows,
        };
        assert_eq!(parse(list), Some([((7, 3), vec![users])].into()));
        for odd in [
            "0007 create index\n",
            "0007 3 create index\n  users\n",
            "0007 3 create index\n  users: share\n",
            "0007 3 create index\n  users: shared, reads rows\n",
            "0007 3 create index\n  users: share, read rows\n",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
