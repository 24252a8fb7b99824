//! Postgres' locks on tables, what a statement does under one, and the list of both beside the
//! migrations.

use std::collections::BTreeMap;

use serde::Serialize;

const LISTED: &str = include_str!("../../../../migrations/postgres/locks.txt");

/// From weakest to strongest, as Postgres' documentation orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// Reading.
    AccessShare,
    /// Reading what must stay: foreign keys, `for update`.
    RowShare,
    /// Writing rows.
    RowExclusive,
    /// Others read and write; neither vacuum nor another change of the schema.
    ShareUpdateExclusive,
    /// Others read.
    Share,
    /// Others read; only one session at a time.
    ShareRowExclusive,
    /// Others read without locking rows.
    Exclusive,
    /// Others do not even read.
    AccessExclusive,
}

impl Lock {
    /// As `lock table … in … mode` spells them, weakest first.
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

/// What a statement does with the rows of a table, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Its time does not depend on their number.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) table: &'static str,
    /// The strongest lock taken.
    pub(super) lock: Lock,
    /// The most that is done.
    pub(super) work: Work,
}

/// By the version of a migration and the number of its statement, from 1.
pub(super) type Effects = BTreeMap<(i64, usize), Vec<Effect>>;

/// The effects of every statement that has one on a table which may be there before its migration.
pub(super) fn listed() -> Effects {
    read(LISTED).expect("a test reads the same list")
}

fn read(list: &'static str) -> Option<Effects> {
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
    fn each_is_spelled_as_in_its_table() {
        assert!((Lock::ALL.iter()).all(|(lock, spelled)| lock.as_str() == *spelled));
        assert!((Work::ALL.iter()).all(|(work, spelled)| work.as_str() == *spelled));
    }

    #[test]
    fn a_list_is_read_or_refused() {
        let list = "# why\n\n0007 3 create index\n  users: share, reads rows\n";
        let users = Effect {
            table: "users",
            lock: Lock::Share,
            work: Work::ReadsRows,
        };
        assert_eq!(read(list), Some([((7, 3), vec![users])].into()));
        for odd in [
            "0007 create index\n",
            "0007 3 create index\n  users\n",
            "0007 3 create index\n  users: share\n",
            "0007 3 create index\n  users: shared, reads rows\n",
            "0007 3 create index\n  users: share, read rows\n",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
