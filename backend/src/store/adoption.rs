//! Takes over the database of an older deployment: of the backend that this one replaces.
//!
//! An older deployment's database is recognised before anything is changed. It is adopted only if the operator allows
//! that, and only while no other client writes to it. To find writers, the tables are locked against writes, not
//! against reads, for a second: a client that waits for that lock is a writer. After the commit of the first
//! migration the older deployment cannot write any more: its column `metadata` has become `meta_data`, and a new
//! conversation needs a `guid`.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::error::refuse;
use super::execute::Execute;
use super::needs::OLDER_TABLES;
use super::rls_bypasses::{self, RlsBypass};
use super::statement::statements;
use super::{OpenError, Store, StoreError};

/// Whether the operator allows the adoption of an older deployment's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Data of an older deployment stops the migration.
    Refused,
    /// The data is adopted. A view or function by which other roles could read it in spite of row-level security stops
    /// the migration.
    Allowed,
    /// As [`Self::Allowed`], except that a view does not stop the migration if it can be changed to read with the
    /// rights of the role that queries it. Such a view is changed.
    AllowedSecuringViews,
}

/// How long the tables are locked to find writers.
const FIND_WRITERS_FOR: Duration = Duration::from_secs(1);
/// How often the locks of other clients are read in that time.
const FIND_WRITERS_POLLS: u32 = 20;

// These statements are not in `statements()`, because they run before any table of ours exists.
const COUNT_STATEMENTS: [&str; 4] = [
    "select count(*) from users",
    "select count(*) from conversations",
    "select count(*) from messages",
    "select count(*) from relationships",
];
const TABLE_EXISTS: &str = "select to_regclass($1) is not null";
const LOCK_WRITERS_OUT: &str = "do $$
     declare adopted text;
     begin
       set local lock_timeout = '3s';
       foreach adopted in array array['users', 'conversations', 'messages', 'relationships'] loop
         if to_regclass(adopted) is not null then
           execute format('lock table %I in share mode', adopted);
         end if;
       end loop;
     end $$";
/// The application names of other clients that use one of the tables, and how many clients have each name. A client
/// uses a table if it holds or waits for a lock to write, or has an idle transaction with any lock. Vacuum does not
/// count, since it releases its lock for others. Another `migrate` does not count either: the migrator's advisory lock
/// makes the two take turns.
const BLOCKING_CLIENTS: &str = "select coalesce(nullif(a.application_name, ''),
         case when l.pid is null then 'a prepared transaction' else 'unnamed' end),
       count(distinct coalesce(l.pid, 0))
     from pg_locks l left join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'relation'
       and l.database = (select oid from pg_database where datname = current_database())
       and l.relation = any (array(select to_regclass(t)::oid from unnest($1::text[]) t))
       and l.pid is distinct from pg_backend_pid()
       and coalesce(a.backend_type, 'client backend') = 'client backend'
       and coalesce(a.application_name, '') <> 'archety-backend'
       and (l.mode not in ('AccessShareLock', 'RowShareLock')
         or a.state in ('idle in transaction', 'idle in transaction (aborted)'))
     group by 1 order by 1";

statements! {
    FLAGGED_PEOPLE {
        both: "select u.id, u.phone, u.phone_flag as flag,
                 (select count(*) from messages m where m.user_id = u.id) as messages
               from users u where u.phone_flag is not null and u.archived_at is null
               order by u.phone_flag, u.phone",
    }
}

/// A person who cannot sign in with the number that was adopted from an older deployment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct FlaggedPerson {
    #[serde(rename = "user_id")]
    pub id: Uuid,
    /// The number as the older deployment wrote it.
    pub phone: String,
    /// `not_e164`, or `collides`: written as E.164, the number would be another person's.
    pub flag: String,
    /// How many messages the person wrote.
    pub messages: i64,
}

impl Store {
    /// The people who are not archived and whose numbers are flagged, ordered by flag and number.
    pub async fn flagged_people(&self) -> Result<Vec<FlaggedPerson>, StoreError> {
        self.pools.reads().all(FLAGGED_PEOPLE, ()).await
    }
}

/// Checks the conditions of the first migration of a database: its data may be adopted, no view or function
/// bypasses row-level security, and no client writes. If `adoption` allows that, makes views that would bypass
/// row-level security read with the rights of the role that queries them.
pub(super) async fn prepare(
    pool: &PgPool,
    connection: &mut PgConnection,
    adoption: Adoption,
) -> Result<(), OpenError> {
    if adoption == Adoption::Refused {
        refuse_older_data(pool).await?;
    }
    let may_secure_views = adoption == Adoption::AllowedSecuringViews
        && rls_bypasses::has_invoker_views(connection).await?;
    let (views_to_secure, refused): (Vec<RlsBypass>, Vec<RlsBypass>) =
        rls_bypasses::find(connection)
            .await?
            .into_iter()
            .partition(|bypass| may_secure_views && bypass.is_securable());
    refuse(
        refused.iter().map(RlsBypass::finding).collect(),
        OpenError::RlsBypassed,
    )?;
    refuse_writers(pool).await?;
    Ok(rls_bypasses::secure(connection, &views_to_secure).await?)
}

/// Fails if the database has rows of an older deployment.
async fn refuse_older_data(pool: &PgPool) -> Result<(), OpenError> {
    let (tables, rows): (Vec<&str>, Vec<i64>) = filled_tables(pool).await?.into_iter().unzip();
    if tables.is_empty() {
        return Ok(());
    }
    Err(OpenError::NeedsAdoption {
        rows: rows.iter().sum(),
        tables: tables.join(", "),
    })
}

/// Fails if another client writes to the older deployment's tables.
async fn refuse_writers(pool: &PgPool) -> Result<(), OpenError> {
    if filled_tables(pool).await?.is_empty() {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    let writers = match sqlx::query(LOCK_WRITERS_OUT)
        .execute(&mut *transaction)
        .await
    {
        Ok(_) => wait_for_writers(&mut transaction).await?,
        Err(error) if is_lock_timeout(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    transaction.rollback().await?;
    refuse(writers, |by| OpenError::InUse { by })?;
    // If the lock was not granted in time, another client holds a lock on a table. It is found now, unless it is
    // another `migrate`.
    refuse_blocking_clients(pool).await
}

/// Fails if at this moment another client writes to one of the tables or has an open transaction on one.
pub(super) async fn refuse_blocking_clients(pool: &PgPool) -> Result<(), OpenError> {
    let mut connection = pool.acquire().await?;
    refuse(blocking_clients(&mut connection).await?, |by| {
        OpenError::InUse { by }
    })
}

/// The other clients that write to the tables in the next [`FIND_WRITERS_FOR`], as soon as there is one.
/// `connection` has locked writers out, so they wait for its lock.
async fn wait_for_writers(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    for _ in 0..FIND_WRITERS_POLLS {
        let seen = blocking_clients(connection).await?;
        if !seen.is_empty() {
            return Ok(seen);
        }
        tokio::time::sleep(FIND_WRITERS_FOR / FIND_WRITERS_POLLS).await;
    }
    Ok(Vec::new())
}

/// Other clients that write to an older deployment's tables or keep a transaction open on one, each application name
/// as `2 × name`.
pub(super) async fn blocking_clients(
    connection: &mut PgConnection,
) -> Result<Vec<String>, sqlx::Error> {
    let seen: Vec<(String, i64)> = sqlx::query_as(BLOCKING_CLIENTS)
        .bind(&OLDER_TABLES[..])
        .fetch_all(connection)
        .await?;
    Ok(seen
        .into_iter()
        .map(|(name, count)| format!("{count} × {name}"))
        .collect())
}

/// The tables of an older deployment that have rows, with the number of rows.
async fn filled_tables(pool: &PgPool) -> Result<Vec<(&'static str, i64)>, sqlx::Error> {
    let mut filled_tables = Vec::new();
    for (table, count) in OLDER_TABLES.into_iter().zip(COUNT_STATEMENTS) {
        if table_exists(pool, table).await? {
            let rows: i64 = sqlx::query_scalar(count).fetch_one(pool).await?;
            if rows > 0 {
                filled_tables.push((table, rows));
            }
        }
    }
    Ok(filled_tables)
}

/// Whether the schema of the connection has a table `table`.
pub(super) async fn table_exists(pool: &PgPool, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TABLE_EXISTS)
        .bind(table)
        .fetch_one(pool)
        .await
}

/// Whether a lock was not granted within `lock_timeout` (`lock_not_available`).
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().as_deref() == Some("55P03"))
}
