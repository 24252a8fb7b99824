//! The list of locks beside the migrations is true: every statement is run alone, on a database that was
//! empty, on adopted ones, and on one that has been migrated before. What it holds afterwards and has done
//! to rows is compared with the list.

use std::collections::{BTreeMap, BTreeSet};

use archety_backend::store::plan::{Lock, Plan, Work, split};

use super::*;

const LISTED: &str = include_str!("../../../../migrations/postgres/locks.txt");

/// A table of the older deployment that the list knows and the built-in schema has not, and the migrator's
/// own.
const BOOKKEEPING: &str =
    "create table if not exists alembic_version (version_num text primary key);
    create table if not exists _sqlx_migrations (version bigint primary key)";

/// Rows of a database that began empty, once its first migration has run. That a statement reads or writes
/// a table is seen only if there is a row for it.
const IN_USE: &str = "
    insert into users (id, phone) values (md5('u')::uuid, '+15550100001');
    insert into conversations (id, chat_guid, mode, guid, line) values
      (md5('a')::uuid, 'RCS;Lite;-;+15550100001', 'direct', 'RCS;Lite;-;+15550100001', 'tel:+15550100100'),
      (md5('b')::uuid, 'SMS;+;chat1', 'group', '+;chat1', '+15550100001');
    insert into participants (conversation_id, handle, created_at) values
      (md5('b')::uuid, '+15550100001', now());
    insert into messages (conversation_id, user_id, role, text) values
      (md5('a')::uuid, md5('u')::uuid, 'user', 'hi')";

/// The strongest lock and the most work per table, by version and number of the statement.
type Effects = BTreeMap<(i64, usize), BTreeMap<String, (Lock, Work)>>;

/// What a table is made of, by its oid.
type Tables = BTreeMap<i64, Counted>;

#[derive(Clone, sqlx::FromRow)]
struct Counted {
    oid: i64,
    name: String,
    /// Rows that this transaction has read and written.
    read: i64,
    written: i64,
    /// Another one means that the table was written anew.
    file: i64,
}

async fn tables(connection: &mut PgConnection) -> Tables {
    let tables: Vec<Counted> = sqlx::query_as(
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

/// The strongest lock on each table that this session holds, also on one that it has dropped.
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
        let lock = of_mode(&mode);
        let known = locks.entry(table).or_insert(lock);
        *known = lock.max(*known);
    }
    locks
}

/// The lock that `pg_locks` calls so: `AccessExclusiveLock`.
fn of_mode(mode: &str) -> Lock {
    let mut all = Lock::ALL.into_iter();
    let lock = all.find_map(|(lock, spelled)| {
        let letters = spelled.replace(' ', "") + "lock";
        mode.eq_ignore_ascii_case(&letters).then_some(lock)
    });
    lock.expect("a lock")
}

/// What a lock is taken for, also where there happens to be no row to read or write.
fn meant_by(lock: Lock) -> Work {
    match lock {
        Lock::RowShare | Lock::ShareUpdateExclusive | Lock::Share => Work::ReadsRows,
        Lock::RowExclusive => Work::WritesRows,
        _ => Work::Catalogue,
    }
}

fn done(before: &Counted, after: Option<&Counted>) -> Work {
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

/// Runs every statement in a transaction of its own, and notes what each does to tables that were there
/// before its migration.
async fn run_each(database: &TestDatabase, in_use: &str, effects: &mut Effects) {
    let mut connection = database.connect().await;
    connection.execute(BOOKKEEPING).await.expect("tables");
    for migration in MIGRATIONS_POSTGRES.iter() {
        let there: BTreeSet<i64> = tables(&mut connection).await.into_keys().collect();
        for (number, statement) in (1..).zip(split(migration.sql.as_str())) {
            let mut sql = statement.to_owned();
            if migration.no_tx {
                // To see what it holds it must not let go.
                sql = sql.replace("commit;", "");
            }
            connection.execute("begin").await.expect("begun");
            let before = tables(&mut connection).await;
            // Prepared, which two statements in one text cannot be.
            sqlx::query(AssertSqlSafe(sql))
                .persistent(false)
                .execute(&mut connection)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            let after = tables(&mut connection).await;
            let held = held(&mut connection).await;
            for (oid, table) in before.iter().filter(|(oid, _)| there.contains(oid)) {
                let work = done(table, after.get(oid));
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
                let most = of_statement
                    .entry(table.name.clone())
                    .or_insert((*lock, work));
                *most = (most.0.max(*lock), most.1.max(work).max(meant_by(*lock)));
            }
            connection.execute("commit").await.expect("committed");
        }
        if migration.version == 1 {
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(in_use.to_owned())))
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

/// The lines of the list as they have to be.
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

/// The part of `effects` that concerns `tables`.
fn on(effects: &Effects, tables: &BTreeSet<String>) -> Effects {
    let mut some = effects.clone();
    for of_statement in some.values_mut() {
        of_statement.retain(|table, _| tables.contains(table));
    }
    some.retain(|_, of_statement| !of_statement.is_empty());
    some
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
async fn locks_taken_are_the_locks_listed() {
    let (empty, older, odd) = (TestDatabase::empty().await, older().await, odd().await);
    let (fresh, adopting) = (plan(&empty).await, plan(&older).await);
    let older_tables = tables(&mut older.connect().await).await;
    let older_tables = older_tables.into_values().map(|table| table.name).collect();
    let mut effects = Effects::new();
    run_each(&empty, IN_USE, &mut effects).await;
    // The older one twice: as when the migrator's own table was lost with a partial restore.
    for adopted in [&older, &odd, &older] {
        run_each(adopted, "select", &mut effects).await;
    }
    let taken = lines(&effects, &fresh);
    let listed = LISTED.lines().filter(|line| !line.starts_with('#'));
    assert!(
        listed.eq(&taken),
        "migrations/postgres/locks.txt does not say what happens; below its comments it should read\n{}",
        taken.join("\n")
    );
    // A plan shows the part of it that is about tables which are there.
    assert_eq!(planned(&fresh), Effects::new());
    assert_eq!(planned(&adopting), on(&effects, &older_tables));
    assert_eq!(fresh.migrations.len(), MIGRATIONS_POSTGRES.iter().count());
}
