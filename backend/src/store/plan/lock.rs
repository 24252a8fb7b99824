//! Postgres' locks on tables, and what a statement does under one.

use serde::Serialize;

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
    /// Nobody else, not even readers.
    AccessExclusive,
}

impl Lock {
    /// All of them, weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// As `lock table … in … mode` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessShare => "access share",
            Self::RowShare => "row share",
            Self::RowExclusive => "row exclusive",
            Self::ShareUpdateExclusive => "share update exclusive",
            Self::Share => "share",
            Self::ShareRowExclusive => "share row exclusive",
            Self::Exclusive => "exclusive",
            Self::AccessExclusive => "access exclusive",
        }
    }

    /// The lock that is spelled so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lock| lock.as_str() == text)
    }

    /// The lock that `pg_locks` calls so: `AccessExclusiveLock`.
    pub fn of_mode(mode: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lock| {
            let letters = lock.as_str().replace(' ', "");
            mode.strip_suffix("Lock")
                .is_some_and(|mode| mode.eq_ignore_ascii_case(&letters))
        })
    }
}

/// What a statement does with the rows of a table, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Nothing: the time that it takes does not depend on their number.
    Catalogue,
    /// Reads them.
    ReadsRows,
    /// Writes some or all.
    WritesRows,
    /// Writes the whole table anew.
    Rewrites,
}

impl Work {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue only",
            Self::ReadsRows => "reads rows",
            Self::WritesRows => "writes rows",
            Self::Rewrites => "rewrites the table",
        }
    }

    /// The work that is spelled so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ReadsRows, Self::WritesRows, Self::Rewrites]
            .into_iter()
            .find(|work| work.as_str() == text)
    }
}

/// What a statement does to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Whose name it is.
    pub table: String,
    /// The strongest lock taken.
    pub lock: Lock,
    /// The most that is done.
    pub work: Work,
}
