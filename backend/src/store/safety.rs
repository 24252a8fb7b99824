//! Whether people's rows are kept apart: asserted by `migrate` and at each start, not assumed.
//!
//! Tables of ours stand in `public`, once, with row-level security; the backend's login passes it, since
//! intake and jobs serve everybody; the role that requests of people run as does not, and the login can
//! take it on. What is found is said with the statement that mends it.

use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection};

use super::finding::Finding;
use super::migration_files::tables;
use super::{MIGRATIONS_POSTGRES, OpenError};

/// The role that requests of people run as.
pub(super) const GUARDED: &str = "archety_user";
/// The migrator's own table, which no migration makes.
pub(super) const BOOKKEEPING: &str = "_sqlx_migrations";

// Not registered: they ask the catalogue, and some run before any table of ours exists.
const WHERE: &str = "select current_schema()::text is not distinct from 'public',
     to_regnamespace('public') is not null, format('%I', current_user)";
const TABLES: &str = "select t.name, c.oid is not null as is_there,
       coalesce(c.relrowsecurity, false) as is_closed, coalesce(row_security_active(c.oid), false) as binds_us,
       coalesce(c.relforcerowsecurity, false) as is_forced, quote_ident(pg_get_userbyid(c.relowner)) as owner
     from unnest($1::text[]) t (name) left join pg_class c
       on c.relnamespace = to_regnamespace('public') and c.relname = t.name
       and c.relkind in ('r', 'p')
     order by t.name";
const OPEN_TO_GUARDED: &str = "select c.relname::text from pg_class c
     where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
       and c.relkind in ('r', 'p') and c.relrowsecurity and not row_security_active(c.oid)
     order by 1";
/// Whatever row-level security says, they may read: as what they are, or as an owner's members.
const UNBOUND: &str = "select format('%I', r.rolname), r.rolsuper or r.rolbypassrls,
       coalesce((select min(format('%I', pg_get_userbyid(c.relowner))) from pg_class c
         where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
           and pg_has_role(r.oid, c.relowner, 'usage')), '') as owner
     from pg_roles r
     where r.rolname in ('anon', 'authenticated', 'archety_user')
       and (r.rolsuper or r.rolbypassrls or exists (select 1 from pg_class c
         where c.relnamespace = to_regnamespace('public') and c.relname = any ($1)
           and pg_has_role(r.oid, c.relowner, 'usage')))
     order by 1";
/// A schema is taken for one with a second set if a table there has the name and most columns of one
/// of ours. Tables of few columns prove nothing.
const SECOND_SET: &str = "with ours as (
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
/// A whole set of ours somewhere else, and nothing of it in `public`.
const MISPLACED: &str = "select format('%I.%I', n.nspname, c.relname),
       to_regclass(format('public.%I', c.relname)) is null
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and n.nspname <> 'public' and n.nspname !~ '^pg_'
       and c.relname = any ($1) and to_regclass('public.app_meta') is null
       and exists (select 1 from pg_class m where m.relnamespace = n.oid and m.relname = 'app_meta')
       and exists (select 1 from pg_class m where m.relnamespace = n.oid
         and m.relname = 'webhook_receipts')
     order by 1";

/// Every table of ours on Postgres.
pub(super) fn our_tables() -> Vec<String> {
    let mut names: BTreeSet<String> = tables(&MIGRATIONS_POSTGRES);
    names.insert(BOOKKEEPING.to_owned());
    names.into_iter().collect()
}

/// Refuses a session whose unqualified names do not mean `public`, and names tables of ours that stand
/// elsewhere: an earlier version wrote into whichever schema came first.
pub(super) async fn check_place(connection: &mut PgConnection) -> Result<Vec<Finding>, OpenError> {
    let (is_public, exists, login): (bool, bool, String) =
        sqlx::query_as(WHERE).fetch_one(&mut *connection).await?;
    if !is_public {
        let create = (!exists).then(|| "create schema public;".to_owned());
        let grant = format!("grant usage, create on schema public to {login};");
        return Ok(vec![Finding::new(
            format!("{login} cannot use the schema public, where all tables of ours belong"),
            create.into_iter().chain([grant]),
        )]);
    }
    let names = our_tables();
    // Before any row is read: one that is hidden would be taken for one that is not there.
    let tables = tables_of(connection, &names).await?;
    if let Some(binding) = binding(&tables, &login) {
        return Ok(vec![binding]);
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

/// Names everything by which people's rows are not kept apart.
pub(super) async fn check(connection: &mut PgConnection) -> Result<Vec<Finding>, OpenError> {
    let names = our_tables();
    let mut found = Vec::new();
    let (.., login): (bool, bool, String) =
        sqlx::query_as(WHERE).fetch_one(&mut *connection).await?;
    let tables = tables_of(connection, &names).await?;
    found.extend(faults_of(&tables));
    found.extend(binding(&tables, &login));
    found.extend(guarded_role(connection, &names, &login).await?);
    let unbound: Vec<(String, bool, String)> = sqlx::query_as(UNBOUND)
        .bind(&names)
        .fetch_all(&mut *connection)
        .await?;
    for (role, is_exempt, owner) in unbound {
        let fix = if is_exempt {
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
    let second: Vec<String> = sqlx::query_scalar(SECOND_SET)
        .bind(&names)
        .fetch_all(connection)
        .await?;
    if !second.is_empty() {
        let close = |name| format!("alter table {name} enable row level security;");
        found.push(Finding::new(
            format!(
                "tables of ours stand a second time, without row-level security: {}; nothing reads \
                 them, so copy over what is missing in public, then drop them or close them",
                second.join(", ")
            ),
            second.iter().map(close),
        ));
    }
    Ok(found)
}

#[derive(sqlx::FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalogue"
)]
struct TableRow {
    name: String,
    is_there: bool,
    is_closed: bool,
    binds_us: bool,
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

fn listed(rows: &[&TableRow]) -> String {
    let names: Vec<String> = rows
        .iter()
        .map(|row| format!("public.{}", row.name))
        .collect();
    names.join(", ")
}

fn faults_of(tables: &[TableRow]) -> Vec<Finding> {
    let mut found = Vec::new();
    let missing: Vec<&TableRow> = tables.iter().filter(|row| !row.is_there).collect();
    if !missing.is_empty() {
        found.push(Finding::new(
            format!(
                "tables are missing, though their migrations were applied: {}",
                listed(&missing)
            ),
            [] as [&str; 0],
        ));
    }
    let open: Vec<&TableRow> = tables
        .iter()
        .filter(|row| row.is_there && !row.is_closed)
        .collect();
    if !open.is_empty() {
        let close =
            |row: &&TableRow| format!("alter table public.{} enable row level security;", row.name);
        found.push(Finding::new(
            format!("tables have no row-level security: {}", listed(&open)),
            open.iter().map(close),
        ));
    }
    found
}

/// Tables that the login itself would find empty.
fn binding(tables: &[TableRow], login: &str) -> Option<Finding> {
    let binding: Vec<&TableRow> = tables.iter().filter(|row| row.binds_us).collect();
    let release = |row: &&TableRow| {
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
    let fix: BTreeSet<String> = binding.iter().map(release).collect();
    (!binding.is_empty()).then(|| {
        let tables = listed(&binding);
        Finding::new(
            format!("row-level security binds {login} itself, which would find no row: {tables}"),
            fix,
        )
    })
}

/// Whether the login can take on the guarded role, and what that role then may.
async fn guarded_role(
    connection: &mut PgConnection,
    names: &[String],
    login: &str,
) -> Result<Vec<Finding>, OpenError> {
    let mut transaction = connection.begin().await?;
    let entered = sqlx::query("select set_config('role', $1, true)")
        .bind(GUARDED)
        .execute(&mut *transaction)
        .await;
    if let Err(sqlx::Error::Database(fault)) = entered {
        transaction.rollback().await?;
        return Ok(vec![Finding::new(
            format!(
                "{login} cannot act as {GUARDED}, the role that people's requests run as: {}",
                fault.message()
            ),
            [format!("grant {GUARDED} to {login};")],
        )]);
    }
    entered?;
    let open: Vec<String> = sqlx::query_scalar(OPEN_TO_GUARDED)
        .bind(names)
        .fetch_all(&mut *transaction)
        .await?;
    let reading = sqlx::query("select app.uid(), (select count(*) from public.users where false)")
        .execute(&mut *transaction)
        .await;
    transaction.rollback().await?;
    let mut found = Vec::new();
    if !open.is_empty() {
        found.push(Finding::new(
            format!(
                "row-level security does not bind {GUARDED} on {}",
                open.join(", ")
            ),
            [] as [&str; 0],
        ));
    }
    match reading {
        Err(sqlx::Error::Database(fault)) => found.push(Finding::new(
            format!("{GUARDED} cannot read what it should: {}", fault.message()),
            [
                format!("grant usage on schema public, app to {GUARDED};"),
                format!("grant execute on all functions in schema app to {GUARDED};"),
                format!("grant select on public.users to {GUARDED};"),
            ],
        )),
        other => {
            other?;
        }
    }
    Ok(found)
}
