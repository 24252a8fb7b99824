//! `locks.txt` lists the locks that the migrations take. Every statement is run in a transaction of its own, on an
//! empty database, on adopted ones, and on one that was migrated before. The locks that the statement then holds and
//! its work on rows are compared with the list.

use std::collections::{BTreeMap, BTreeSet};

use archety_backend::store::plan::{Lock, Plan, Work, split};

use super::*;

const LOCKS_FILE: &str = include_str!("../../../../migrations/postgres/locks.txt");

/// Creates two tables that the list names: one of the older deployment, which the built-in schema lacks, and the
/// migrator's own.
const BOOKKEEPING: &str =
    "create table if not exists alembic_version (version_num text primary key);
    create table if not exists _sqlx_migrations (version bigint primary key)";

/// Rows for a database that began empty, inserted after its first migration. Without rows, a statement that reads or
/// writes a table could not be told from one that does not.
const ROWS_AFTER_FIRST_MIGRATION: &str = "
    insert into users (id, phone) values (md5('u')::uuid, '+15550100001');
    insert into conversations (id, chat_guid, mode, guid, line) values
      (md5('a')::uuid, 'RCS;Lite;-;+15550100001', 'direct', 'RCS;Lite;-;+15550100001', 'tel:+15550100100'),
      (md5('b')::uuid, 'SMS;+;chat1', 'group', '+;chat1', '+15550100001');
    insert into participants (conversation_id, handle, created_at) values
      (md5('b')::uuid, '+15550100001', now());
    insert into messages (conversation_id, user_id, role, text) values
      (md5('a')::uuid, md5('u')::uuid, 'user', 'hi')";

/// The strongest lock and the greatest work for each table, by the migration's version and the statement's number.
type Effects = BTreeMap<(i64, usize), BTreeMap<String, (Lock, Work)>>;

/// The state of each table, by its oid.
type Tables = BTreeMap<i64, TableState>;

#[derive(Clone, sqlx::FromRow)]
struct TableState {
    oid: i64,
    name: String,
    /// Rows that this transaction has read and written.
    read: i64,
    written: i64,
    /// The file of the table. A new file means that the table was rewritten.
    file: i64,
}

async fn tables(connection: &mut PgConnection) -> Tables {
    let tables: Vec<TableState> = sqlx::query_as(
        "select c.oid::bigint, c.relname::text as name, c.relfilenode::bigint as file,
           coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0) as read,
           coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) as written
         from pg_class c left join pg_stat_xact_user_tables s on s.relid = c.oid
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'",
    )
    .fetch_all(connection)
    .await
    .expect("a catalogue");
    tables.into_iter().map(|table| (table.oid, table)).collect()
}

/// The strongest lock that this session holds on each table, dropped tables included.
async fn held(connection: &mut PgConnection) -> BTreeMap<i64, Lock> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "select l.relation::bigint, l.mode from pg_locks l
         join pg_database d on d.oid = l.database and d.datname = current_database()
         where l.pid = pg_backend_pid() and l.granted and l.locktype = 'relation'",
    )
    .fetch_all(connection)
    .await
    .expect("a catalogue");
    let mut locks = BTreeMap::new();
    for (table, mode) in rows {
        let lock = lock_of_mode(&mode);
        let strongest = locks.entry(table).or_insert(lock);
        *strongest = lock.max(*strongest);
    }
    locks
}

/// The lock with this name in `pg_locks`, such as `AccessExclusiveLock`.
fn lock_of_mode(mode: &str) -> Lock {
    let mut all = Lock::ALL.into_iter();
    let lock = all.find_map(|(lock, spelled)| {
        let letters = spelled.replace(' ', "") + "lock";
        mode.eq_ignore_ascii_case(&letters).then_some(lock)
    });
    lock.expect("a lock")
}

/// The work for which a statement takes this lock, even if there was no row to read or write.
fn least_work(lock: Lock) -> Work {
    match lock {
        Lock::RowShare | Lock::ShareUpdateExclusive | Lock::Share => Work::ReadsRows,
        Lock::RowExclusive => Work::WritesRows,
        _ => Work::Catalogue,
    }
}

/// The work that a statement did on a table; `after` is `None` if the statement dropped the table.
fn work_done(before: &TableState, after: Option<&TableState>) -> Work {
    let Some(after) = after else {
        return Work::Catalogue;
    };
    if after.file != before.file {
        Work::Rewrites
    } else if after.written != before.written {
        Work::WritesRows
    } else if after.read != before.read {
        Work::ReadsRows
    } else {
        Work::Catalogue
    }
}

/// Runs every statement in a transaction of its own, and records its effects on tables that existed before its
/// migration. Runs `sql_after_first` after the first migration.
async fn run_each(database: &TestDatabase, sql_after_first: &str, effects: &mut Effects) {
    let mut connection = database.connect().await;
    connection.execute(BOOKKEEPING).await.expect("tables");
    for migration in MIGRATIONS_POSTGRES.iter() {
        let existing: BTreeSet<i64> = tables(&mut connection).await.into_keys().collect();
        for (number, statement) in (1..).zip(split(migration.sql.as_str())) {
            let mut sql = statement.to_owned();
            if migration.no_tx {
                // A commit within the statement would release the locks before they are read.
                sql = sql.replace("commit;", "");
            }
            connection.execute("begin").await.expect("begun");
            let before = tables(&mut connection).await;
            // A query is prepared, which fails if `split` has left two statements in one text.
            sqlx::query(AssertSqlSafe(sql))
                .persistent(false)
                .execute(&mut connection)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            let after = tables(&mut connection).await;
            let held = held(&mut connection).await;
            for (oid, table) in before.iter().filter(|(oid, _)| existing.contains(oid)) {
                let work = work_done(table, after.get(oid));
                let Some(lock) = held.get(oid) else {
                    assert_eq!(
                        work,
                        Work::Catalogue,
                        "{} without a lock: {statement}",
                        table.name
                    );
                    continue;
                };
                let of_statement = effects.entry((migration.version, number)).or_default();
                let greatest = of_statement
                    .entry(table.name.clone())
                    .or_insert((*lock, work));
                *greatest = (
                    greatest.0.max(*lock),
                    greatest.1.max(work).max(least_work(*lock)),
                );
            }
            connection.execute("commit").await.expect("committed");
        }
        if migration.version == 1 {
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(sql_after_first.to_owned())))
                .await
                .expect("rows");
        }
    }
}

async fn plan(database: &TestDatabase) -> Plan {
    Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan")
}

/// The lines that `locks.txt` has to have for these effects.
fn lines(effects: &Effects, plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for migration in &plan.migrations {
        for (number, statement) in (1..).zip(&migration.statements) {
            let version = migration.version;
            let Some(tables) = effects.get(&(version, number)) else {
                continue;
            };
            lines.push(format!("{version:04} {number} {}", statement.statement));
            for (table, (lock, work)) in tables {
                let (lock, work) = (lock.as_str(), work.as_str());
                lines.push(format!("  {table}: {lock}, {work}"));
            }
        }
    }
    lines
}

/// The effects on `tables`.
fn effects_on(effects: &Effects, tables: &BTreeSet<String>) -> Effects {
    let mut kept = effects.clone();
    for of_statement in kept.values_mut() {
        of_statement.retain(|table, _| tables.contains(table));
    }
    kept.retain(|_, of_statement| !of_statement.is_empty());
    kept
}

fn planned(plan: &Plan) -> Effects {
    let mut effects = Effects::new();
    for migration in &plan.migrations {
        for (number, statement) in (1..).zip(&migration.statements) {
            for touched in &statement.tables {
                let effect = (
                    touched.lock.expect("Postgres"),
                    touched.work.expect("Postgres"),
                );
                let of_statement = effects.entry((migration.version, number)).or_default();
                of_statement.insert(touched.rows.table.clone(), effect);
            }
        }
    }
    effects
}

#[tokio::test]
async fn the_list_has_the_locks_and_the_work_of_every_statement() {
    let empty = TestDatabase::empty().await;
    let (older, odd) = (older().await, older_with_odd_rows().await);
    let (fresh, adopting) = (plan(&empty).await, plan(&older).await);
    let older_tables = tables(&mut older.connect().await).await;
    let older_tables = older_tables.into_values().map(|table| table.name).collect();
    let mut effects = Effects::new();
    run_each(&empty, ROWS_AFTER_FIRST_MIGRATION, &mut effects).await;
    // The older database is migrated twice, as it is when a partial restore has lost the migrator's table.
    for adopted in [&older, &odd, &older] {
        run_each(adopted, "select", &mut effects).await;
    }
    let taken = lines(&effects, &fresh);
    let listed = LOCKS_FILE.lines().filter(|line| !line.starts_with('#'));
    assert!(
        listed.eq(&taken),
        "migrations/postgres/locks.txt does not say what happens; below its comments it should read\n{}",
        taken.join("\n")
    );
    // A plan shows the effects on existing tables.
    assert_eq!(planned(&fresh), Effects::new());
    assert_eq!(planned(&adopting), effects_on(&effects, &older_tables));
    assert_eq!(fresh.migrations.len(), MIGRATIONS_POSTGRES.iter().count());
}
