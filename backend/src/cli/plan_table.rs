//! A migration plan for people: each statement on a line, each table that it touches below it.

use std::fmt;

use crate::store::plan::{
    Boundary, Count, Plan, PlannedMigration, PlannedStatement, Rows, Touched,
};

pub(super) struct PlanTable<'a>(pub(super) &'a Plan);

impl fmt::Display for PlanTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        for need in &plan.needs {
            writeln!(f, "Stands in the way: {need}")?;
        }
        for door in &plan.doors {
            writeln!(
                f,
                "Shows texts past row-level security: {} {}, to {}",
                door.kind,
                door.name,
                door.roles.join(", ")
            )?;
        }
        if !plan.needs.is_empty() || !plan.doors.is_empty() {
            writeln!(f)?;
        }
        if !plan.newer.is_empty() {
            writeln!(
                f,
                "A newer version has migrated the database ({} migration(s) more).",
                plan.newer.len()
            )?;
        }
        if !plan.adopts.is_empty() {
            let tables: Vec<String> = plan
                .adopts
                .iter()
                .map(|rows| format!("{} ({})", rows.table, count(rows)))
                .collect();
            writeln!(
                f,
                "The older deployment's data would be adopted: {}.\n\
                 That needs --adopt, and nobody else may write meanwhile.",
                tables.join(", ")
            )?;
            if !plan.in_use_by.is_empty() {
                writeln!(f, "In use at this moment by {}.", plan.in_use_by.join(", "))?;
            }
            writeln!(f)?;
        }
        if plan.migrations.is_empty() {
            return writeln!(f, "Nothing to do: the database is up to date.");
        }
        for migration in &plan.migrations {
            write_migration(f, migration)?;
        }
        Ok(())
    }
}

fn write_migration(f: &mut fmt::Formatter<'_>, migration: &PlannedMigration) -> fmt::Result {
    let boundary = match migration.transaction {
        Boundary::File => "one transaction",
        Boundary::Statement => "commits several times",
    };
    let PlannedMigration {
        version,
        description,
        ..
    } = migration;
    writeln!(f, "{version:04} {description} ({boundary})")?;
    for statement in &migration.statements {
        write_statement(f, statement)?;
    }
    writeln!(f)
}

fn write_statement(f: &mut fmt::Formatter<'_>, statement: &PlannedStatement) -> fmt::Result {
    writeln!(f, "  {}", statement.statement)?;
    let mut tables = statement.tables.iter();
    tables.try_for_each(|touched| write_touched(f, touched))
}

fn write_touched(f: &mut fmt::Formatter<'_>, touched: &Touched) -> fmt::Result {
    let Touched { rows, lock, work } = touched;
    write!(f, "      {:<22} {:>14}", rows.table, count(rows))?;
    if let (Some(lock), Some(work)) = (lock, work) {
        write!(f, "   {:<22}   {}", lock.as_str(), work.as_str())?;
    }
    writeln!(f)
}

fn count(rows: &Rows) -> String {
    let about = match rows.counted {
        Count::Exactly => "",
        Count::Estimated => "about ",
    };
    let noun = if rows.rows == 1 { "row" } else { "rows" };
    format!("{about}{} {noun}", rows.rows)
}
