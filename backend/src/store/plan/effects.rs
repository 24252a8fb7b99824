//! What one statement of a migration does to the tables that are there.
//!
//! Told by its leading words and Postgres' documentation. What a `do` block does cannot be told that
//! way, so the migration says it in a comment before it, `-- plan: LOCK on TABLE, TABLE[, WORK]` or
//! `-- plan: nothing`; the same overrules what the words say where Postgres knows better, such as a
//! `set not null` that a validated check proves. A statement that is not understood is reported as such.
//! Tests hold all of it against the locks that are really taken.

use std::collections::{BTreeMap, BTreeSet};

use super::lock::{Effect, Lock, Work};
use super::split::Piece;
use super::words::{Words, words};

/// The tables as they are before the statement.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Those that are there before the first statement: only they can hold rows or keep anybody waiting.
    pub tables: BTreeSet<String>,
    /// Index to its table.
    pub indexes: BTreeMap<String, String>,
    /// Columns that refer to another table: (table, column) to that table.
    pub references: BTreeMap<(String, String), String>,
}

/// The effects of one statement, gathered per table.
#[derive(Default)]
struct Effects(BTreeMap<String, (Lock, Work)>);

impl Effects {
    fn add(&mut self, table: &str, lock: Lock, work: Work) {
        let known = self.0.entry(table.to_owned()).or_insert((lock, work));
        *known = (known.0.max(lock), known.1.max(work));
    }
}

impl Schema {
    /// What `piece` does; `None` if that cannot be told. References that it makes are remembered, since
    /// later statements are checked by them.
    pub fn effects(&mut self, piece: Piece<'_>) -> Option<Vec<Effect>> {
        let all = words(piece.body);
        let mut effects = Effects::default();
        let told = self.by_words(Words(&all), &mut effects);
        if let Some(said) = annotation(piece) {
            effects = read_annotation(said)?;
        } else {
            told?;
        }
        let there = effects
            .0
            .into_iter()
            .filter(|(table, _)| self.tables.contains(table));
        Some(
            there
                .map(|(table, (lock, work))| Effect { table, lock, work })
                .collect(),
        )
    }

    fn by_words(&mut self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        let whole = at;
        match at.next() {
            "set" | "grant" | "revoke" => {}
            "create" => self.create(at, effects)?,
            "alter" if at.skip("table") => self.alter_table(at, effects)?,
            "alter" if at.skip("default privileges") => {}
            "drop" => self.drop(at, effects)?,
            "lock" => lock(at, effects)?,
            "analyze" => {
                for mut item in at.items(0) {
                    effects.add(item.name(), Lock::ShareUpdateExclusive, Work::ReadsRows);
                }
            }
            "insert" | "update" | "delete" | "select" | "with" => self.rows(whole, effects)?,
            _ => return None,
        }
        Some(())
    }

    fn create(&mut self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        at.skip("or replace");
        match at.next() {
            "schema" | "function" => {}
            "table" => {
                at.skip("if not exists");
                let table = at.name();
                if !self.tables.contains(table) {
                    for item in at.items(1) {
                        let mut column = item;
                        column.skip("(");
                        self.reference(table, column, effects);
                    }
                }
            }
            "unique" | "index" => {
                at.skip("index");
                let lock = if at.skip("concurrently") {
                    Lock::ShareUpdateExclusive
                } else {
                    Lock::Share
                };
                at.skip("if not exists");
                let index = at.name();
                let table = at.skip("on").then(|| at.name())?;
                let work = if self.indexes.contains_key(index) {
                    Work::Catalogue
                } else {
                    Work::ReadsRows
                };
                effects.add(table, lock, work);
            }
            "policy" => self.policy(at, effects)?,
            _ => return None,
        }
        Some(())
    }

    fn policy(&self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        at.name();
        let table = at.skip("on").then(|| at.name())?;
        effects.add(table, Lock::AccessExclusive, Work::Catalogue);
        for mentioned in at.names().filter(|name| self.tables.contains(*name)) {
            effects.add(mentioned, Lock::AccessShare, Work::Catalogue);
        }
        Some(())
    }

    fn drop(&self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        match at.next() {
            "policy" => {
                at.skip("if exists");
                self.policy(at, effects)?;
            }
            "table" => {
                at.skip("if exists");
                effects.add(at.name(), Lock::AccessExclusive, Work::Catalogue);
            }
            "index" => {
                at.skip("if exists");
                if let Some(table) = self.indexes.get(at.name()) {
                    effects.add(table, Lock::AccessExclusive, Work::Catalogue);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn alter_table(&mut self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        at.skip("if exists");
        at.skip("only");
        let table = at.name();
        for mut change in at.items(0) {
            let whole = change;
            let (lock, work) = if change.skip("add column") {
                change.skip("if not exists");
                self.reference(table, change, effects);
                // A default that is computed is computed for each row.
                let computed = change.after("default").any(|mut default| {
                    default.next();
                    default.peek() == "("
                });
                let work = if computed {
                    Work::Rewrites
                } else {
                    Work::Catalogue
                };
                (Lock::AccessExclusive, work)
            } else if change.skip("validate constraint") {
                (Lock::ShareUpdateExclusive, Work::ReadsRows)
            } else if change.skip("add constraint") {
                let work = if whole.has("not valid") {
                    Work::Catalogue
                } else {
                    Work::ReadsRows
                };
                (Lock::AccessExclusive, work)
            } else if change.skip("alter column") {
                change.name();
                match (change.next(), change.peek()) {
                    ("set", "not") => (Lock::AccessExclusive, Work::ReadsRows),
                    ("type", _) => (Lock::AccessExclusive, Work::Rewrites),
                    ("set" | "drop", "default") | ("drop", "not") => {
                        (Lock::AccessExclusive, Work::Catalogue)
                    }
                    _ => return None,
                }
            } else if ["drop constraint", "drop column", "rename", "enable row"]
                .iter()
                .any(|phrase| change.skip(phrase))
            {
                (Lock::AccessExclusive, Work::Catalogue)
            } else {
                return None;
            };
            effects.add(table, lock, work);
        }
        Some(())
    }

    /// Notes that the column which comes first refers to another table, if it does. Making that key
    /// keeps writers out of the other table for a moment.
    fn reference(&mut self, table: &str, column: Words<'_>, effects: &mut Effects) {
        for mut referred in column.after("references") {
            let target = referred.name();
            effects.add(target, Lock::ShareRowExclusive, Work::Catalogue);
            let column = column.peek().to_owned();
            self.references
                .insert((table.to_owned(), column), target.to_owned());
        }
    }

    fn rows(&self, mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
        let verbs = ["insert", "update", "delete", "select"];
        // After the parts of a `with`, which stand in parentheses.
        let main =
            at.0.iter()
                .position(|word| word.depth == 0 && verbs.contains(&word.text.as_str()))?;
        let mentioned: BTreeSet<&str> = at
            .names()
            .filter(|name| self.tables.contains(*name))
            .collect();
        for table in mentioned {
            effects.add(table, Lock::AccessShare, Work::ReadsRows);
        }
        at = Words(&at.0[main..]);
        let verb = at.next();
        if verb == "select" {
            return Some(());
        }
        at.skip("into");
        at.skip("from");
        let table = at.name();
        effects.add(table, Lock::RowExclusive, Work::WritesRows);
        for ((from, column), target) in &self.references {
            // Each written key is looked up.
            if from == table && verb != "delete" && at.names().any(|name| name == column) {
                effects.add(target, Lock::RowShare, Work::ReadsRows);
            }
        }
        Some(())
    }
}

fn lock(mut at: Words<'_>, effects: &mut Effects) -> Option<()> {
    at.skip("table");
    let end = at.0.iter().position(|word| word.text == "in")?;
    let mode: Vec<&str> = Words(&at.0[end + 1..])
        .names()
        .take_while(|word| *word != "mode")
        .collect();
    let mode = Lock::parse(&mode.join(" "))?;
    for mut item in Words(&at.0[..end]).items(0) {
        effects.add(item.name(), mode, Work::Catalogue);
    }
    Some(())
}

/// What the comment before a statement says of it.
fn annotation(piece: Piece<'_>) -> Option<&str> {
    let comments = &piece.text[..piece.text.len() - piece.body.len()];
    comments
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix("-- plan: "))
}

fn read_annotation(said: &str) -> Option<Effects> {
    let mut effects = Effects::default();
    if said == "nothing" {
        return Some(effects);
    }
    let (lock, names) = said.split_once(" on ")?;
    let lock = Lock::parse(lock)?;
    let mut names: Vec<&str> = names.split(", ").collect();
    let work = names.last().and_then(|last| Work::parse(last));
    if work.is_some() {
        names.pop();
    }
    for table in names {
        effects.add(table, lock, work.unwrap_or(Work::Catalogue));
    }
    Some(effects)
}

#[cfg(test)]
mod tests;
