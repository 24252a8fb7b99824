//! The tables that migrations make, read from their text, so that there is no second list of them.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;

use super::split::split;
use super::words::{Words, words};

/// Tables that are there once every migration has run, by the words of their statements.
pub fn tables(migrator: &Migrator) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for migration in migrator.iter() {
        for piece in split(migration.sql.as_str()) {
            let words = words(piece.body);
            let mut at = Words(&words);
            if at.skip("create table") {
                at.skip("if not exists");
                tables.insert(at.name().to_owned());
            } else if at.skip("drop table") {
                at.skip("if exists");
                tables.remove(at.name());
            } else if at.skip("alter table") {
                let table = at.name();
                if at.skip("rename to") {
                    tables.remove(table);
                    tables.insert(at.name().to_owned());
                }
            }
        }
    }
    tables
}
