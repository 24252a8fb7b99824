//! Checks, in `migrate` and at each start, that row-level security keeps one person from the rows of another.
//!
//! The tables of this backend are in the schema `public`, and no other schema has a copy of them without row-level
//! security. Row-level security is enabled on the tables. It does not apply to the login, the role that this backend
//! logs in as, since messages and jobs of all people are written with it. It does apply to the role that requests of
//! people run as, and the login can switch to that role. If statements can solve a finding, the finding has them.

use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection};

use super::finding::{Finding, public_tables};
use super::migration_files::tables;
use super::{MIGRATIONS_POSTGRES, OpenError};

/// The role that requests of people run as.
pub(super) const GUARDED_ROLE: &str = "archety_user";
/// The migrator's own table, which no migration creates.
pub(super) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

// These statements are not in `statements()`, because some run before any table of ours exists.
const SESSION_SCHEMA: &str = "select current_schema()::text is not distinct from 'public',
     to_regnamespace('public') is not null, format('%I', current_user)";
const TABLES: &str = "select t.name, c.oid is not null as is_created,
       coalesce(c.relrowsecurity, false) as has_row_security,
       coalesce(row_security_active(c.oid), false) as hides_rows,
       coalesce(c.relforcerowsecurity, false) as is_forced, quote_ident(pg_get_userbyid(c.relowner)) as owner
     from unnest($1::text[]) t (name) left join pg_class c
       on c.relnamespace = to_regnamespace('public') and c.relname = t.name
       and c.relkind in ('r', 'p')
     order by t.name";
/// Our tables with row-level security that does not apply to the current role.
const OPEN_TO_GUARDED: &str = "select c.relname::text from pg_class c
     where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
       and c.relkind in ('r', 'p') and c.relrowsecurity and not row_security_active(c.oid)
     order by 1";
/// The roles of people's requests to which row-level security does not apply: because of an attribute of the
/// role, or because the role is or belongs to the owner of a table.
const EXEMPT_ROLES: &str = "select format('%I', r.rolname), r.rolsuper or r.rolbypassrls,
       coalesce((select min(format('%I', pg_get_userbyid(c.relowner))) from pg_class c
         where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
           and pg_has_role(r.oid, c.relowner, 'usage')), '') as owner
     from pg_roles r
     where r.rolname in ('anon', 'authenticated', 'archety_user')
       and (r.rolsuper or r.rolbypassrls or exists (select 1 from pg_class c
         where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
           and pg_has_role(r.oid, c.relowner, 'usage')))
     order by 1";
/// Copies of our tables in another schema that have no row-level security. A schema counts if one of its
/// tables has the name and four fifths of the columns of one of ours, four columns at least.
const UNPROTECTED_COPIES: &str = "with ours as (
       select c.oid, c.relname from pg_class c
       where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
         and c.relname <> '_sqlx_migrations'
     ), others as (
       select c.oid, c.relname, c.relrowsecurity, n.nspname, ours.oid as model
       from ours join pg_class c on c.relname = ours.relname and c.relkind in ('r', 'p')
       join pg_namespace n on n.oid = c.relnamespace
       where c.oid <> ours.oid and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     ), second as (
       select distinct o.nspname from others o cross join lateral (
         select count(*) as wanted, count(theirs.attname) as there
         from pg_attribute mine left join pg_attribute theirs
           on theirs.attrelid = o.oid and theirs.attname = mine.attname and not theirs.attisdropped
         where mine.attrelid = o.model and mine.attnum > 0 and not mine.attisdropped
       ) columns
       where columns.there >= 4 and columns.there * 5 >= columns.wanted * 4
     )
     select format('%I.%I', o.nspname, o.relname)
     from others o join second using (nspname) where not o.relrowsecurity order by 1";
/// Our tables in another schema, if `public` has no table `app_meta` and that schema has `app_meta` and
/// `webhook_receipts`.
const MISPLACED: &str = "select format('%I.%I', n.nspname, c.relname),
       to_regclass(format('public.%I', c.relname)) is null
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and n.nspname <> 'public' and n.nspname !~ '^pg_'
       and c.relname = any ($1) and to_regclass('public.app_meta') is null
       and exists (select 1 from pg_class m where m.relnamespace = n.oid and m.relname = 'app_meta')
       and exists (select 1 from pg_class m where m.relnamespace = n.oid
         and m.relname = 'webhook_receipts')
     order by 1";

/// The names of all tables of this backend on Postgres.
pub(super) fn our_tables() -> Vec<String> {
    let mut names: BTreeSet<String> = tables(&MIGRATIONS_POSTGRES);
    names.insert(MIGRATIONS_TABLE.to_owned());
    names.into_iter().collect()
}

/// Finds out whether unqualified names of this session are looked up in `public`, whether row-level security hides rows
/// from the login, and whether tables of ours are in another schema: an earlier version created them in the first
/// schema of the search path. Empty if all is well.
pub(super) async fn check_schema(connection: &mut PgConnection) -> Result<Vec<Finding>, OpenError> {
    let (is_public, exists, login): (bool, bool, String) = sqlx::query_as(SESSION_SCHEMA)
        .fetch_one(&mut *connection)
        .await?;
    if !is_public {
        let create = (!exists).then(|| "create schema public;".to_owned());
        let grant = format!("grant usage, create on schema public to {login};");
        return Ok(vec![Finding::new(
            format!("{login} cannot use the schema public, where all tables of ours belong"),
            create.into_iter().chain([grant]),
        )]);
    }
    let names = our_tables();
    // The tables are checked before any row is read: a row that row-level security hides would look like a missing
    // row.
    let tables = tables_of(connection, &names).await?;
    if let Some(finding) = hidden_from_login(&tables, &login) {
        return Ok(vec![finding]);
    }
    let misplaced: Vec<(String, bool)> = sqlx::query_as(MISPLACED)
        .bind(&names)
        .fetch_all(connection)
        .await?;
    if misplaced.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = misplaced.iter().map(|(name, _)| name.as_str()).collect();
    let movable = misplaced.iter().filter(|(_, is_free)| *is_free);
    Ok(vec![Finding::new(
        format!(
            "an earlier version made its tables outside of public, without row-level security: {}; \
             move them before anything else",
            names.join(", ")
        ),
        movable.map(|(name, _)| format!("alter table {name} set schema public;")),
    )])
}

/// Finds everything by which one person could read the rows of another.
pub(super) async fn check(connection: &mut PgConnection) -> Result<Vec<Finding>, OpenError> {
    let names = our_tables();
    let mut found = Vec::new();
    let (.., login): (bool, bool, String) = sqlx::query_as(SESSION_SCHEMA)
        .fetch_one(&mut *connection)
        .await?;
    let tables = tables_of(connection, &names).await?;
    found.extend(missing_or_open(&tables));
    found.extend(hidden_from_login(&tables, &login));
    found.extend(guarded_role_findings(connection, &names, &login).await?);
    let exempt: Vec<(String, bool, String)> = sqlx::query_as(EXEMPT_ROLES)
        .bind(&names)
        .fetch_all(&mut *connection)
        .await?;
    for (role, has_exempting_attribute, owner) in exempt {
        let fix = if has_exempting_attribute {
            Some(format!("alter role {role} nosuperuser nobypassrls;"))
        } else {
            (role != owner).then(|| format!("revoke {owner} from {role};"))
        };
        let why = if fix.is_some() {
            ""
        } else {
            ", which owns tables of ours and should own none"
        };
        found.push(Finding::new(
            format!("row-level security does not bind the role {role}{why}"),
            fix,
        ));
    }
    let copies: Vec<String> = sqlx::query_scalar(UNPROTECTED_COPIES)
        .bind(&names)
        .fetch_all(connection)
        .await?;
    if !copies.is_empty() {
        let enable = |name| format!("alter table {name} enable row level security;");
        found.push(Finding::new(
            format!(
                "tables of ours stand a second time, without row-level security: {}; nothing reads \
                 them, so copy over what is missing in public, then drop them or close them",
                copies.join(", ")
            ),
            copies.iter().map(enable),
        ));
    }
    Ok(found)
}

/// What the catalogue says about one of our tables.
#[derive(sqlx::FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalogue"
)]
struct TableRow {
    name: String,
    is_created: bool,
    has_row_security: bool,
    /// Whether row-level security applies to the login.
    hides_rows: bool,
    /// Whether row-level security applies to the owner of the table.
    is_forced: bool,
    owner: Option<String>,
}

async fn tables_of(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<TableRow>, sqlx::Error> {
    sqlx::query_as(TABLES)
        .bind(names)
        .fetch_all(connection)
        .await
}

fn table_list(rows: &[&TableRow]) -> String {
    public_tables(rows.iter().map(|row| row.name.as_str()))
}

/// Tables that do not exist, and tables without row-level security.
fn missing_or_open(tables: &[TableRow]) -> Vec<Finding> {
    let mut found = Vec::new();
    let missing: Vec<&TableRow> = tables.iter().filter(|row| !row.is_created).collect();
    if !missing.is_empty() {
        found.push(Finding::without_fix(format!(
            "tables are missing, though their migrations were applied: {}",
            table_list(&missing)
        )));
    }
    let open: Vec<&TableRow> = tables
        .iter()
        .filter(|row| row.is_created && !row.has_row_security)
        .collect();
    if !open.is_empty() {
        let enable =
            |row: &&TableRow| format!("alter table public.{} enable row level security;", row.name);
        found.push(Finding::new(
            format!("tables have no row-level security: {}", table_list(&open)),
            open.iter().map(enable),
        ));
    }
    found
}

/// Tables whose rows row-level security hides from the backend's own login.
fn hidden_from_login(tables: &[TableRow], login: &str) -> Option<Finding> {
    let hidden: Vec<&TableRow> = tables.iter().filter(|row| row.hides_rows).collect();
    let exempt_login = |row: &&TableRow| {
        let owner = row.owner.as_deref().unwrap_or_default();
        if row.is_forced {
            format!(
                "alter table public.{} no force row level security;",
                row.name
            )
        } else {
            format!("grant {owner} to {login};")
        }
    };
    let fix: BTreeSet<String> = hidden.iter().map(exempt_login).collect();
    (!hidden.is_empty()).then(|| {
        let tables = table_list(&hidden);
        Finding::new(
            format!("row-level security binds {login} itself, which would find no row: {tables}"),
            fix,
        )
    })
}

/// Checks that the login can switch to the guarded role, that row-level security applies to the role, and that the
/// role can read people's rows.
async fn guarded_role_findings(
    connection: &mut PgConnection,
    names: &[String],
    login: &str,
) -> Result<Vec<Finding>, OpenError> {
    let mut transaction = connection.begin().await?;
    let switched = sqlx::query("select set_config('role', $1, true)")
        .bind(GUARDED_ROLE)
        .execute(&mut *transaction)
        .await;
    if let Err(sqlx::Error::Database(fault)) = switched {
        transaction.rollback().await?;
        return Ok(vec![Finding::new(
            format!(
                "{login} cannot act as {GUARDED_ROLE}, the role that people's requests run as: {}",
                fault.message()
            ),
            [format!("grant {GUARDED_ROLE} to {login};")],
        )]);
    }
    switched?;
    let open: Vec<String> = sqlx::query_scalar(OPEN_TO_GUARDED)
        .bind(names)
        .fetch_all(&mut *transaction)
        .await?;
    let read = sqlx::query("select app.uid(), (select count(*) from public.users where false)")
        .execute(&mut *transaction)
        .await;
    transaction.rollback().await?;
    let mut found = Vec::new();
    if !open.is_empty() {
        found.push(Finding::without_fix(format!(
            "row-level security does not bind {GUARDED_ROLE} on {}",
            open.join(", ")
        )));
    }
    match read {
        Err(sqlx::Error::Database(fault)) => found.push(Finding::new(
            format!(
                "{GUARDED_ROLE} cannot read what it should: {}",
                fault.message()
            ),
            [
                format!("grant usage on schema public, app to {GUARDED_ROLE};"),
                format!("grant execute on all functions in schema app to {GUARDED_ROLE};"),
                format!("grant select on public.users to {GUARDED_ROLE};"),
            ],
        )),
        read => {
            read?;
        }
    }
    Ok(found)
}
