//! Views and functions of an older deployment that show its texts to other roles in spite of row-level security.
//!
//! A view reads with the rights of its owner, a materialized view is a copy, and a function with `security
//! definer` may do what its owner may. Each of them shows all rows to every role that may use it, even once the
//! tables have row-level security. A function counts as reading a table if its text names the table, or names
//! another function that reads it.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::finding::Finding;
use super::needs::OLDER_TABLES;

/// The first version of Postgres whose views have the option `security_invoker`.
const FIRST_WITH_INVOKER_VIEWS: i32 = 150_000;

/// Every view and function that reads an adopted table for other roles: its kind, its name, and these roles.
/// Roles to which row-level security does not apply are left out, and so are functions of triggers, which no
/// role can call.
const BYPASSES: &str = r#"
with recursive adopted as (
  select c.oid, c.relowner from pg_class c
  where c.relnamespace = to_regnamespace('public') and c.relname = any ($1) and c.relkind in ('r', 'p')
), readers (oid) as (
  select oid from adopted
  union
  select r.ev_class from readers t
  join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid
    and d.classid = 'pg_rewrite'::regclass
  join pg_rewrite r on r.oid = d.objid
), functions as materialized (
  select p.oid, p.prosrc, n.nspname, p.proname from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
  where l.lanname not in ('internal', 'c') and exists (select 1 from adopted)
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'app')
    and not exists (select 1 from pg_depend d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
), reading (oid) as (
  select f.oid from functions f
  where exists (select 1 from pg_depend d join readers on readers.oid = d.refobjid
      where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass)
    or exists (select 1 from readers join pg_class c on c.oid = readers.oid
      join pg_namespace m on m.oid = c.relnamespace
      where f.prosrc ~* format('(^|[^[:alnum:]_.$"])("?%s"?\s*\.\s*)?"?%s"?($|[^[:alnum:]_$])',
        regexp_replace(m.nspname, '(\W)', '\\\1', 'g'), regexp_replace(c.relname, '(\W)', '\\\1', 'g')))
  union
  select f.oid from reading join functions g on g.oid = reading.oid join functions f on f.oid <> g.oid
  where exists (select 1 from pg_depend d
      where d.classid = 'pg_proc'::regclass and d.objid = f.oid
        and d.refclassid = 'pg_proc'::regclass and d.refobjid = g.oid)
    or f.prosrc ~* format('(^|[^[:alnum:]_.$"])("?%s"?\s*\.\s*)?"?%s"?\s*\(',
      regexp_replace(g.nspname, '(\W)', '\\\1', 'g'), regexp_replace(g.proname, '(\W)', '\\\1', 'g'))
), others (oid, name) as (
  select r.oid, quote_ident(r.rolname) from pg_roles r
  where not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
    and not exists (select 1 from adopted a where pg_has_role(r.oid, a.relowner, 'usage'))
  union all select 0, 'public'
), objects as (
  select case c.relkind when 'v' then 'view' else 'materialized view' end as kind,
    c.relnamespace as namespace, c.relowner as owner, format('%I.%I', n.nspname, c.relname) as name,
    array(
      select x.grantee from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
      where x.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
      union select x.grantee from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = c.oid
    ) as grantees
  from readers join pg_class c on c.oid = readers.oid join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'm' or c.relkind = 'v' and not coalesce((
    select o.option_value::boolean from pg_options_to_table(c.reloptions) o
    where o.option_name = 'security_invoker'), false)
  union all
  select case p.prokind when 'p' then 'procedure' else 'function' end, p.pronamespace, p.proowner,
    format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    array(select x.grantee from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x)
  from reading join pg_proc p on p.oid = reading.oid join pg_namespace n on n.oid = p.pronamespace
  where p.prosecdef and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
)
select distinct o.kind, o.name, pg_has_role(current_user, o.owner, 'usage') as is_owned, array(
    select distinct w.name from others w
    where w.oid = any (o.grantees) and w.oid <> o.owner and exists (
      select 1 from others u where (w.oid = 0 or u.oid = w.oid)
        and case u.oid when 0 then has_schema_privilege('public', o.namespace, 'usage')
          else has_schema_privilege(u.oid, o.namespace, 'usage') end)
    order by 1
  ) as roles
from objects o order by 1, 2"#;

/// A view or function that shows adopted rows to other roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct RlsBypass {
    /// `view`, `materialized view`, `function` or `procedure`.
    pub kind: String,
    /// The name with its schema, quoted for SQL.
    pub name: String,
    /// The roles that may use the view or function; `public` stands for all roles.
    pub roles: Vec<String>,
    /// Whether the login has the rights of the owner, and so may change the view or function.
    #[serde(skip)]
    pub(super) is_owned: bool,
}

impl RlsBypass {
    /// The finding for the operator: what shows the rows to which roles, and the statement that takes their rights
    /// away.
    pub(super) fn finding(&self) -> Finding {
        let Self {
            kind, name, roles, ..
        } = self;
        let roles = roles.join(", ");
        // `revoke` calls a view a table.
        let object_type = if kind.ends_with("view") {
            "table"
        } else {
            kind
        };
        Finding::new(
            format!("the {kind} {name} shows adopted rows to {roles}"),
            [format!("revoke all on {object_type} {name} from {roles};")],
        )
    }

    /// Whether this is a view on which the login may set `security_invoker`, if the server has that option.
    pub(super) fn is_securable(&self) -> bool {
        self.kind == "view" && self.is_owned
    }
}

/// The views and functions that at least one role to which row-level security applies may use, ordered by kind and
/// name.
pub(super) async fn find(connection: &mut PgConnection) -> Result<Vec<RlsBypass>, sqlx::Error> {
    let mut bypasses: Vec<RlsBypass> = sqlx::query_as(BYPASSES)
        .bind(&OLDER_TABLES[..])
        .fetch_all(connection)
        .await?;
    bypasses.retain(|bypass| !bypass.roles.is_empty());
    Ok(bypasses)
}

/// Whether the server has views that read with the rights of the role that queries them.
pub(super) async fn has_invoker_views(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(connection)
        .await?;
    Ok(version >= FIRST_WITH_INVOKER_VIEWS)
}

/// Makes each of the views read with the rights of the role that queries it, so that row-level security applies.
pub(super) async fn secure(
    connection: &mut PgConnection,
    views: &[RlsBypass],
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for view in views {
        let sql = format!("alter view {} set (security_invoker = true)", view.name);
        transaction.execute(AssertSqlSafe(sql)).await?;
    }
    transaction.commit().await
}
