//! Checks, before anything is changed, whether a Postgres database meets the requirements of the migrations. They
//! concern the server, the role that this backend logs in as (the login), and existing tables.
//!
//! The migrations run one after the other, each with its own commit. So a requirement that is not met has to be found
//! before the first migration runs. If statements can solve a finding, the finding has them, for a superuser or the
//! owner of the object to run.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::OpenError;
use super::finding::{Finding, public_tables};
use super::safety::{GUARDED_ROLE, MIGRATIONS_TABLE, our_tables};

/// The first version that has `gen_random_uuid()`, as `server_version_num`.
const OLDEST_SERVER: i32 = 130_000;
/// The migration that creates the roles and the schema `app`, and enables row-level security.
const ROW_LEVEL_SECURITY: i64 = 3;
/// The migration that changes `varchar` columns of adopted tables to `text`, and renames columns.
const WIDENING: i64 = 1;

/// The table that the older deployment's migrations keep.
const ALEMBIC_TABLE: &str = "alembic_version";

/// The tables of the older deployment that are adopted.
pub(super) const OLDER_TABLES: [&str; 4] = ["users", "conversations", "messages", "relationships"];

/// The roles that the migrations create if they are missing, and whose rights they set.
const ROLES: [&str; 4] = ["anon", "authenticated", "service_role", GUARDED_ROLE];

/// The columns of an older deployment's tables that migrations read: table, column, and the type, which is empty if
/// any type will do.
const OLDER_COLUMNS: [(&str, &str, &str); 21] = [
    ("users", "id", "uuid"),
    ("users", "phone", ""),
    ("users", "name", ""),
    ("users", "created_at", "timestamp with time zone"),
    ("users", "updated_at", "timestamp with time zone"),
    ("conversations", "id", "uuid"),
    ("conversations", "chat_guid", ""),
    ("conversations", "mode", ""),
    ("conversations", "created_at", "timestamp with time zone"),
    ("messages", "id", "uuid"),
    ("messages", "conversation_id", "uuid"),
    ("messages", "user_id", "uuid"),
    ("messages", "role", ""),
    ("messages", "text", ""),
    ("messages", "created_at", "timestamp with time zone"),
    ("relationships", "id", "uuid"),
    ("relationships", "user_id", "uuid"),
    ("relationships", "persona_id", ""),
    ("relationships", "trust_score", "double precision"),
    ("relationships", "stage", ""),
    (
        "relationships",
        "last_interaction_at",
        "timestamp with time zone",
    ),
];

const FACTS: &str = "select format('%I', current_user) as login,
       format('%I', current_database()) as database,
       current_setting('server_version_num')::int as version,
       pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as is_read_only,
       r.rolsuper as is_superuser, r.rolcreaterole as may_create_roles,
       has_database_privilege(current_database(), 'create') as may_create_schemas,
       has_schema_privilege('public', 'create') as may_create_tables,
       has_schema_privilege('public', 'usage with grant option')
         or coalesce((select has_schema_privilege(g.oid, 'public', 'usage')
             from pg_roles g where g.rolname = $2), has_schema_privilege('public', 'public', 'usage'))
         as guarded_role_may_use_public,
       (select format('%I', pg_get_userbyid(n.nspowner)) from pg_namespace n
         where n.nspname = 'app' and not pg_has_role(current_user, n.nspowner, 'usage')) as owner_of_app,
       array(select w from unnest($1::text[]) w
         where not exists (select 1 from pg_roles k where k.rolname = w)) as missing_roles,
       coalesce((select pg_has_role(current_user, g.oid, case
           when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
         from pg_roles g where g.rolname = $2), false) as may_set_guarded_role,
       coalesce((select pg_has_role(current_user, g.oid, 'member with admin option')
         from pg_roles g where g.rolname = $2), false) as may_grant_guarded_role
     from pg_roles r where r.rolname = current_user";
const EXISTING_TABLES: &str = "select c.relname::text as name, c.relkind = 'r' as is_table,
       pg_has_role(current_user, c.relowner, 'usage') as is_owned,
       format('%I', pg_get_userbyid(c.relowner)) as owner,
       exists (select 1 from pg_inherits i where c.oid in (i.inhparent, i.inhrelid)) as inherits
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
     order by 1";
const WRONG_OLDER_COLUMNS: &str = "select w.relname || '.' || w.attname, a.attname is null
     from unnest($1::text[], $2::text[], $3::text[]) w (relname, attname, wanted)
     join pg_class c on c.relnamespace = 'public'::regnamespace and c.relname = w.relname
     left join pg_attribute a
       on a.attrelid = c.oid and a.attname = w.attname and a.attnum > 0 and not a.attisdropped
     where a.attname is null or (w.wanted <> '' and format_type(a.atttypid, null) <> w.wanted)";
const WRONG_METADATA: &str = "select c.relname::text from pg_class c join pg_attribute a
       on a.attrelid = c.oid and a.attname in ('metadata', 'meta_data') and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
     group by 1 having count(*) > 1 or bool_or(a.atttypid <> 'json'::regtype)";
/// The objects that depend on a column whose type a migration changes, and that Postgres does not rebuild by
/// itself as it rebuilds an index.
const DEPENDENT_OBJECTS: &str = "select distinct c.relname || '.' || a.attname,
       coalesce(case v.relkind when 'v' then 'view ' when 'm' then 'materialized view ' end
         || quote_ident(n.nspname) || '.' || quote_ident(v.relname),
         'generated column ' || quote_ident(c.relname) || '.' || quote_ident(g.attname),
         pg_describe_object(d.classid, d.objid, d.objsubid)),
       coalesce(v.relkind in ('v', 'm'), false)
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'varchar'::regtype and not a.attisdropped
     join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
       and d.refobjsubid = a.attnum
     left join pg_attrdef e on d.classid = 'pg_attrdef'::regclass and e.oid = d.objid
     left join pg_attribute g on g.attrelid = c.oid and g.attgenerated <> ''
       and g.attnum <> a.attnum and ((d.classid = 'pg_class'::regclass and d.objid = c.oid
         and g.attnum = d.objsubid) or (e.adrelid = c.oid and g.attnum = e.adnum))
     left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
     left join pg_class v on v.oid = r.ev_class and v.oid <> c.oid
     left join pg_namespace n on n.oid = v.relnamespace
     where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
       and (g.attnum is not null or d.classid in ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass,
         'pg_proc'::regclass, 'pg_publication_rel'::regclass))
     order by 2, 1";

/// What the catalogue says about the server and the rights of the login.
#[derive(sqlx::FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalogue"
)]
struct Facts {
    login: String,
    database: String,
    /// As `server_version_num`: 130000 is version 13.
    version: i32,
    is_read_only: bool,
    is_superuser: bool,
    may_create_roles: bool,
    may_create_schemas: bool,
    /// In the schema `public`.
    may_create_tables: bool,
    /// Whether [`GUARDED_ROLE`] may use the schema `public`, or the login may permit it.
    guarded_role_may_use_public: bool,
    /// The owner of the schema `app`, if the login does not have the owner's rights.
    owner_of_app: Option<String>,
    /// The names in [`ROLES`] of roles that do not exist.
    missing_roles: Vec<String>,
    /// Whether the login may act as [`GUARDED_ROLE`] (`set role`).
    may_set_guarded_role: bool,
    /// Whether the login may grant [`GUARDED_ROLE`] to itself.
    may_grant_guarded_role: bool,
}

/// A table or view in `public` that has the name of one of our tables.
#[derive(sqlx::FromRow)]
struct Relation {
    name: String,
    is_table: bool,
    /// Whether the login has the rights of the owner.
    is_owned: bool,
    owner: String,
    /// Whether the table is a partition, has partitions, or is part of an inheritance.
    inherits: bool,
}

/// The requirements of the migrations `pending` that are not met. Empty if all are met.
pub(super) async fn unmet(
    connection: &mut PgConnection,
    pending: &[i64],
) -> Result<Vec<Finding>, OpenError> {
    let facts: Facts = sqlx::query_as(FACTS)
        .bind(&ROLES[..])
        .bind(GUARDED_ROLE)
        .fetch_one(&mut *connection)
        .await?;
    let mut names = our_tables();
    names.push(ALEMBIC_TABLE.to_owned());
    let existing: Vec<Relation> = sqlx::query_as(EXISTING_TABLES)
        .bind(&names)
        .fetch_all(&mut *connection)
        .await?;
    let mut found = server_needs(&facts);
    if pending.contains(&ROW_LEVEL_SECURITY) {
        found.extend(role_needs(&facts));
    }
    found.extend(table_needs(&facts, &existing));
    if pending.contains(&WIDENING) {
        found.extend(older_table_needs(connection).await?);
    }
    Ok(found)
}

/// Unmet requirements of any migration on the server and the rights of the login.
fn server_needs(facts: &Facts) -> Vec<Finding> {
    let Facts { login, .. } = facts;
    let mut found = Vec::new();
    if facts.version < OLDEST_SERVER {
        let version = facts.version / 10_000;
        found.push(Finding::without_fix(format!(
            "the server is Postgres {version}; version 13 or newer is needed"
        )));
    }
    if facts.is_read_only {
        found.push(Finding::without_fix("the database is read-only"));
    }
    if !facts.may_create_tables {
        found.push(Finding::new(
            format!("{login} may not create tables in the schema public"),
            [format!("grant usage, create on schema public to {login};")],
        ));
    }
    found
}

/// Unmet requirements of [`ROW_LEVEL_SECURITY`] on roles and the schema `app`.
fn role_needs(facts: &Facts) -> Vec<Finding> {
    let Facts {
        login, database, ..
    } = facts;
    let mut found = Vec::new();
    let may_create_roles = facts.is_superuser || facts.may_create_roles;
    let missing = &facts.missing_roles;
    let lacks_guarded_role = missing.iter().any(|role| role == GUARDED_ROLE);
    let grant = format!("grant {GUARDED_ROLE} to {login};");
    if !missing.is_empty() && !may_create_roles {
        let create = missing
            .iter()
            .map(|role| format!("create role {role} nologin;"));
        let grant = lacks_guarded_role.then(|| grant.clone());
        found.push(Finding::new(
            format!(
                "roles are missing that {login} may not create: {}",
                missing.join(", ")
            ),
            create.chain(grant),
        ));
    }
    // Before version 16 a role that may create roles may also grant them.
    let may_grant = facts.is_superuser
        || facts.may_grant_guarded_role
        || (facts.may_create_roles && facts.version < 160_000);
    if !lacks_guarded_role && !facts.may_set_guarded_role && !may_grant {
        found.push(Finding::new(
            format!("{login} cannot act as {GUARDED_ROLE}, the role that people's requests run as"),
            [grant],
        ));
    }
    if !facts.guarded_role_may_use_public {
        found.push(Finding::new(
            format!(
                "{login} may not let {GUARDED_ROLE} use the schema public, and nothing else does"
            ),
            [format!(
                "grant usage on schema public to {login} with grant option;"
            )],
        ));
    }
    if !facts.may_create_schemas {
        found.push(Finding::new(
            format!("{login} may not create the schema app in the database {database}"),
            [format!("grant create on database {database} to {login};")],
        ));
    }
    if let Some(owner) = &facts.owner_of_app {
        found.push(Finding::new(
            format!("the schema app belongs to {owner}, and {login} has to put functions into it"),
            [format!("alter schema app owner to {login};")],
        ));
    }
    found
}

/// Unmet requirements of any migration on the tables that have names of ours.
fn table_needs(facts: &Facts, existing: &[Relation]) -> Vec<Finding> {
    let Facts { login, .. } = facts;
    let table_list = |rows: &[&Relation]| public_tables(rows.iter().map(|row| row.name.as_str()));
    let mut found = Vec::new();
    let not_owned: Vec<&Relation> = existing.iter().filter(|row| !row.is_owned).collect();
    if !not_owned.is_empty() {
        let owners: BTreeSet<&str> = not_owned.iter().map(|row| row.owner.as_str()).collect();
        let change_owner =
            |row: &&Relation| format!("alter table public.{} owner to {login};", row.name);
        found.push(Finding::new(
            format!(
                "tables belong to {}, and only their owner may change them: {}",
                owners.into_iter().collect::<Vec<_>>().join(", "),
                table_list(&not_owned)
            ),
            not_owned.iter().map(change_owner),
        ));
    }
    let not_plain: Vec<&Relation> = existing
        .iter()
        .filter(|row| !row.is_table || row.inherits)
        .collect();
    if !not_plain.is_empty() {
        found.push(Finding::without_fix(format!(
            "these are views, partitions or parents, and have to be plain tables: {}",
            table_list(&not_plain)
        )));
    }
    let is_our_database = existing.iter().any(|row| row.name == "app_meta");
    let may_be_before_first_migration = |row: &&Relation| {
        OLDER_TABLES.contains(&row.name.as_str())
            || row.name == MIGRATIONS_TABLE
            || row.name == ALEMBIC_TABLE
    };
    let foreign: Vec<&Relation> = existing
        .iter()
        .filter(|row| !may_be_before_first_migration(row))
        .collect();
    if !is_our_database && !foreign.is_empty() {
        found.push(Finding::without_fix(format!(
                "tables of another program have names of ours: {}; give this backend a database of its own",
                table_list(&foreign)
            )));
    }
    found
}

/// Unmet requirements of [`WIDENING`] on the columns of an older deployment's tables.
async fn older_table_needs(connection: &mut PgConnection) -> Result<Vec<Finding>, OpenError> {
    let mut found = Vec::new();
    let tables: Vec<&str> = OLDER_COLUMNS.iter().map(|(table, _, _)| *table).collect();
    let columns: Vec<&str> = OLDER_COLUMNS.iter().map(|(_, column, _)| *column).collect();
    let types: Vec<&str> = OLDER_COLUMNS.iter().map(|(_, _, kind)| *kind).collect();
    let wrong_columns: Vec<(String, bool)> = sqlx::query_as(WRONG_OLDER_COLUMNS)
        .bind(tables)
        .bind(columns)
        .bind(types)
        .fetch_all(&mut *connection)
        .await?;
    for (column, is_missing) in wrong_columns {
        let fault = if is_missing {
            "does not exist"
        } else {
            "has another type"
        };
        found.push(Finding::without_fix(format!(
            "a table is not the older deployment's: its column {column} {fault}"
        )));
    }
    let wrong_metadata: Vec<String> = sqlx::query_scalar(WRONG_METADATA)
        .bind(&OLDER_TABLES[..])
        .fetch_all(&mut *connection)
        .await?;
    for table in wrong_metadata {
        found.push(Finding::without_fix(format!(
            "public.{table} has to have one column metadata or meta_data, of type json"
        )));
    }
    let dependents: Vec<(String, String, bool)> = sqlx::query_as(DEPENDENT_OBJECTS)
        .bind(&OLDER_TABLES[..])
        .fetch_all(connection)
        .await?;
    for (column, dependent, is_view) in dependents {
        let fix = is_view.then(|| format!("drop {dependent};"));
        found.push(Finding::new(
            format!(
                "{column} is to be widened, which {dependent} prevents: drop it, migrate, and make it again"
            ),
            fix,
        ));
    }
    Ok(found)
}
