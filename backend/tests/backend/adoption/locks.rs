//! `locks.txt` beside the migrations is correct. Each statement runs alone, on a new database, on adopted ones and
//! on one that was migrated before. The locks that it holds and its work on rows are compared with the list.

use std::collections::{BTreeMap, BTreeSet};

use archety_backend::store::plan::{Lock, Plan, Work, split};

use super::*;

const LISTED: &str = include_str!("../../../../migrations/postgres/locks.txt");

/// Tables that `locks.txt` names and the test's databases may lack: the table of the older deployment's migrations, and
/// that of the migrator.
const LISTED_TABLES: &str =
    "create table if not exists alembic_version (version_num text primary key);
    create table if not exists _sqlx_migrations (version bigint primary key)";

/// Rows for a new database, inserted after its first migration. Postgres counts what a statement reads and
/// writes only if there are rows.
const INSERT_ROWS: &str = "
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

/// The state of each table, by the table's oid.
type Tables = BTreeMap<i64, TableState>;

#[derive(Clone, sqlx::FromRow)]
struct TableState {
    oid: i64,
    name: String,
    /// Rows that the current transaction has read.
    read: i64,
    /// Rows that the current transaction has written.
    written: i64,
    /// Changes when the table is rewritten.
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

/// The strongest lock that the session holds on each table, including tables that it has dropped.
async fn held_locks(connection: &mut PgConnection) -> BTreeMap<i64, Lock> {
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

/// The lock of a mode as `pg_locks` writes it, such as `AccessExclusiveLock`.
fn lock_of_mode(mode: &str) -> Lock {
    let mut all = Lock::ALL.into_iter();
    let lock = all.find_map(|(lock, spelled)| {
        let letters = spelled.replace(' ', "") + "lock";
        mode.eq_ignore_ascii_case(&letters).then_some(lock)
    });
    lock.expect("a lock")
}

/// The work that a statement takes a lock for, even if it finds no row.
fn work_implied_by(lock: Lock) -> Work {
    match lock {
        Lock::RowShare | Lock::ShareUpdateExclusive | Lock::Share => Work::ReadsRows,
        Lock::RowExclusive => Work::WritesRows,
        _ => Work::Catalogue,
    }
}

/// The work of a statement on a table, from the table's state `before` and `after` it.
fn work_between(before: &TableState, after: Option<&TableState>) -> Work {
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

/// Runs each statement in a transaction of its own, and adds to `effects` what it does to tables that existed
/// before its migration. `insert_rows` runs after the first migration.
async fn run_each(database: &TestDatabase, insert_rows: &str, effects: &mut Effects) {
    let mut connection = database.connect().await;
    connection.execute(LISTED_TABLES).await.expect("tables");
    for migration in MIGRATIONS_POSTGRES.iter() {
        let existing: BTreeSet<i64> = tables(&mut connection).await.into_keys().collect();
        for (number, statement) in (1..).zip(split(migration.sql.as_str())) {
            let mut sql = statement.to_owned();
            if migration.no_tx {
                // A commit would release the locks before they are read.
                sql = sql.replace("commit;", "");
            }
            connection.execute("begin").await.expect("begun");
            let before = tables(&mut connection).await;
            // The statement is prepared, which fails if the text contains two statements.
            sqlx::query(AssertSqlSafe(sql))
                .persistent(false)
                .execute(&mut connection)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
            let after = tables(&mut connection).await;
            let locks = held_locks(&mut connection).await;
            for (oid, table) in before.iter().filter(|(oid, _)| existing.contains(oid)) {
                let work = work_between(table, after.get(oid));
                let Some(lock) = locks.get(oid) else {
                    assert_eq!(
                        work,
                        Work::Catalogue,
                        "{} without a lock: {statement}",
                        table.name
                    );
                    continue;
                };
                let of_statement = effects.entry((migration.version, number)).or_default();
                let strongest = of_statement
                    .entry(table.name.clone())
                    .or_insert((*lock, work));
                *strongest = (
                    strongest.0.max(*lock),
                    strongest.1.max(work).max(work_implied_by(*lock)),
                );
            }
            connection.execute("commit").await.expect("committed");
        }
        if migration.version == 1 {
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(insert_rows.to_owned())))
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

/// The lines that `locks.txt` has to contain.
fn expected_lines(effects: &Effects, plan: &Plan) -> Vec<String> {
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

/// The effects on `tables` only.
fn limited_to(effects: &Effects, tables: &BTreeSet<String>) -> Effects {
    let mut limited = effects.clone();
    for of_statement in limited.values_mut() {
        of_statement.retain(|table, _| tables.contains(table));
    }
    limited.retain(|_, of_statement| !of_statement.is_empty());
    limited
}

fn planned_effects(plan: &Plan) -> Effects {
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
async fn locks_txt_and_plans_list_the_lock_and_work_of_each_statement_on_each_table() {
    let (empty, older, odd) = (
        TestDatabase::empty().await,
        older_database().await,
        database_with_odd_rows().await,
    );
    let (fresh, adopting) = (plan(&empty).await, plan(&older).await);
    let older_tables = tables(&mut older.connect().await).await;
    let older_tables = older_tables.into_values().map(|table| table.name).collect();
    let mut effects = Effects::new();
    run_each(&empty, INSERT_ROWS, &mut effects).await;
    // `older` runs twice, as if a partial restore had lost the migrator's own table.
    for adopted in [&older, &odd, &older] {
        run_each(adopted, "select", &mut effects).await;
    }
    let expected = expected_lines(&effects, &fresh);
    let listed = LISTED.lines().filter(|line| !line.starts_with('#'));
    assert!(
        listed.eq(&expected),
        "migrations/postgres/locks.txt does not match; below its comments it should read\n{}",
        expected.join("\n")
    );
    // A plan shows the effects on existing tables only.
    assert_eq!(planned_effects(&fresh), Effects::new());
    assert_eq!(
        planned_effects(&adopting),
        limited_to(&effects, &older_tables)
    );
    assert_eq!(fresh.migrations.len(), MIGRATIONS_POSTGRES.iter().count());
}
