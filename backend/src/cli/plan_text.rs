//! The text of `migrate --plan`: what prevents the migration; then for each migration one line for each statement,
//! followed by one line for each table that it touches.

use crate::store::plan::{AffectedTable, Boundary, Count, Plan, PlannedMigration, TableRows};

pub(super) fn plan_text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    lines.extend(
        plan.needs
            .iter()
            .map(|need| format!("Stands in the way: {need}")),
    );
    lines.extend(plan.rls_bypasses.iter().map(|bypass| {
        let roles = bypass.roles.join(", ");
        format!(
            "Shows texts past row-level security: {} {}, to {roles}",
            bypass.kind, bypass.name
        )
    }));
    if !lines.is_empty() {
        lines.push(String::new());
    }
    if !plan.newer.is_empty() {
        lines.push(format!(
            "A newer version has migrated the database ({} migration(s) more).",
            plan.newer.len()
        ));
    }
    if !plan.adopts.is_empty() {
        let tables = plan.adopts.iter();
        let tables: Vec<_> = tables
            .map(|rows| format!("{} ({})", rows.table, row_count(rows)))
            .collect();
        lines.push(format!(
            "The older deployment's data would be adopted: {}.\n\
             That needs --adopt, and no other program may write meanwhile.",
            tables.join(", ")
        ));
        if !plan.in_use_by.is_empty() {
            lines.push(format!(
                "In use at this moment by {}.",
                plan.in_use_by.join(", ")
            ));
        }
        lines.push(String::new());
    }
    if plan.migrations.is_empty() {
        lines.push("Nothing to do: the database is up to date.".to_owned());
    }
    for migration in &plan.migrations {
        lines.push(heading(migration));
        for statement in &migration.statements {
            lines.push(format!("  {}", statement.statement));
            lines.extend(statement.tables.iter().map(table_line));
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

fn heading(migration: &PlannedMigration) -> String {
    let boundary = match migration.transaction {
        Boundary::File => "one transaction",
        Boundary::Statement => "commits several times",
    };
    format!(
        "{:04} {} ({boundary})",
        migration.version, migration.description
    )
}

fn table_line(affected: &AffectedTable) -> String {
    let AffectedTable { rows, lock, work } = affected;
    let line = format!("      {:<22} {:>14}", rows.table, row_count(rows));
    match (lock, work) {
        (Some(lock), Some(work)) => format!("{line}   {:<22}   {}", lock.as_str(), work.as_str()),
        _ => line,
    }
}

fn row_count(rows: &TableRows) -> String {
    let about = match rows.counted {
        Count::Exactly => "",
        Count::Estimated => "about ",
    };
    let noun = if rows.rows == 1 { "row" } else { "rows" };
    format!("{about}{} {noun}", rows.rows)
}
