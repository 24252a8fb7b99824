//! Takes over the database of an older deployment.
//!
//! Such a database is recognised before anything is changed. It is adopted only if the owner says so, and only
//! while no other client writes to it. To find writers, the tables are locked against writes, not against reads,
//! for a second: a client that waits for that lock is a writer. After the commit of the first migration the
//! older deployment cannot write any more, since it does not know the columns `meta_data` and `guid`.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::error::refuse;
use super::execute::Execute;
use super::needs::OLDER_TABLES;
use super::rls_bypasses::{self, RlsBypass};
use super::statement::statements;
use super::{OpenError, Store, StoreError};

/// Whether the owner has said that an older deployment's data may be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Data of an older deployment stops the migration.
    Refused,
    /// The data is adopted. Views by which other roles could still read all of it stop the migration.
    Allowed,
    /// The data is adopted, and such views are made to read with the rights of the role that queries them.
    AllowedSecuringViews,
}

/// How long writers are looked for, and how often within that time.
const WATCH_FOR: Duration = Duration::from_secs(1);
const WATCH_POLLS: u32 = 20;

// Not registered: they run before any table of ours exists.
const COUNTS: [&str; 4] = [
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
/// Other clients that hold or wait for a lock to write one of the tables, or that have an idle open transaction
/// on it: the application names of these clients, and how many clients have each. Vacuum does not count, since
/// it gives way by itself. Another `migrate` does not count either: the two take turns.
const SESSIONS: &str = "select coalesce(nullif(a.application_name, ''),
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

/// A person whose adopted number cannot be signed in with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct FlaggedPerson {
    #[serde(rename = "user_id")]
    pub id: Uuid,
    /// The number as the older deployment wrote it.
    pub phone: String,
    /// `not_e164` or `collides`.
    pub flag: String,
    /// How many messages the person wrote.
    pub messages: i64,
}

impl Store {
    /// The people whose numbers are flagged, by flag and number.
    pub async fn flagged_people(&self) -> Result<Vec<FlaggedPerson>, StoreError> {
        self.pools.reads().all(FLAGGED_PEOPLE, ()).await
    }
}

/// Checks what has to hold before the first migration of a database: its data may be adopted, no view or
/// function bypasses row-level security, and no client writes. Secures views if `adoption` allows it.
pub(super) async fn prepare(
    pool: &PgPool,
    connection: &mut PgConnection,
    adoption: Adoption,
) -> Result<(), OpenError> {
    if adoption == Adoption::Refused {
        refuse_older_data(pool).await?;
    }
    let secures = adoption == Adoption::AllowedSecuringViews
        && rls_bypasses::has_invoker_views(connection).await?;
    let (views, others): (Vec<RlsBypass>, Vec<RlsBypass>) = rls_bypasses::of(connection)
        .await?
        .into_iter()
        .partition(|bypass| secures && bypass.is_securable());
    refuse(
        others.iter().map(RlsBypass::finding).collect(),
        OpenError::RlsBypassed,
    )?;
    refuse_writers(pool).await?;
    Ok(rls_bypasses::secure(connection, &views).await?)
}

/// Fails if the database has rows of an older deployment.
async fn refuse_older_data(pool: &PgPool) -> Result<(), OpenError> {
    let (tables, rows): (Vec<&str>, Vec<i64>) = filled(pool).await?.into_iter().unzip();
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
    if filled(pool).await?.is_empty() {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    let seen = match sqlx::query(LOCK_WRITERS_OUT)
        .execute(&mut *transaction)
        .await
    {
        Ok(_) => watch(&mut transaction).await?,
        Err(error) if is_lock_timeout(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    transaction.rollback().await?;
    refuse(seen, |by| OpenError::InUse { by })?;
    // Either no writer waited for the lock, or the lock could not be had in time. A client that holds the table
    // is found now, unless it is another `migrate`.
    refuse_sessions(pool).await
}

/// Fails if another client writes to one of the tables, or has a transaction open on one, at this moment.
pub(super) async fn refuse_sessions(pool: &PgPool) -> Result<(), OpenError> {
    let mut connection = pool.acquire().await?;
    refuse(sessions(&mut connection).await?, |by| OpenError::InUse {
        by,
    })
}

/// The clients that wait for the lock which `connection` holds.
async fn watch(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    for _ in 0..WATCH_POLLS {
        let seen = sessions(connection).await?;
        if !seen.is_empty() {
            return Ok(seen);
        }
        tokio::time::sleep(WATCH_FOR / WATCH_POLLS).await;
    }
    Ok(Vec::new())
}

/// Other clients that write to the tables or keep a transaction open on them, as `2 × name`.
pub(super) async fn sessions(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let seen: Vec<(String, i64)> = sqlx::query_as(SESSIONS)
        .bind(&OLDER_TABLES[..])
        .fetch_all(connection)
        .await?;
    Ok(seen
        .into_iter()
        .map(|(name, count)| format!("{count} × {name}"))
        .collect())
}

/// The tables of an older deployment that have rows, with the number of rows.
async fn filled(pool: &PgPool) -> Result<Vec<(&'static str, i64)>, sqlx::Error> {
    let mut filled = Vec::new();
    for (table, count) in OLDER_TABLES.into_iter().zip(COUNTS) {
        if table_exists(pool, table).await? {
            let rows: i64 = sqlx::query_scalar(count).fetch_one(pool).await?;
            if rows > 0 {
                filled.push((table, rows));
            }
        }
    }
    Ok(filled)
}

pub(super) async fn table_exists(pool: &PgPool, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TABLE_EXISTS)
        .bind(table)
        .fetch_one(pool)
        .await
}

pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().as_deref() == Some("55P03"))
}
