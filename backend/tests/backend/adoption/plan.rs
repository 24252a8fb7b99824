//! What a plan says is what happens: every statement is understood, and takes the locks that it is said
//! to take.

use std::collections::BTreeMap;

use archety_backend::store::plan::{Lock, PlannedStatement, Schema, Work, split};
use archety_backend::store::{MIGRATIONS_SQLITE, plan::Boundary};

use super::size::files;
use super::*;

#[test]
fn no_statement_of_ours_is_unknown() {
    for migrator in [&MIGRATIONS_POSTGRES, &MIGRATIONS_SQLITE] {
        let mut schema = Schema::default();
        for migration in migrator.iter() {
            let pieces = split(migration.sql.as_str());
            assert!(!pieces.is_empty(), "{}", migration.description);
            for piece in pieces {
                assert!(
                    schema.effects(piece).is_some(),
                    "`migrate --plan` cannot tell what this does; say it by a comment, as \
                     backend/src/store/plan/effects.rs describes:\n{}",
                    piece.body
                );
            }
        }
    }
}

type Locks = BTreeMap<String, Lock>;

/// The strongest lock on each adopted table that this session holds.
async fn held(connection: &mut PgConnection) -> Locks {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, l.mode from pg_locks l join pg_class c on c.oid = l.relation
         where l.pid = pg_backend_pid() and l.granted and c.relkind = 'r'
           and c.relname in ('users', 'conversations', 'messages', 'relationships')",
    )
    .fetch_all(connection)
    .await
    .expect("a catalogue");
    let mut locks = Locks::new();
    for (table, mode) in rows {
        raise(&mut locks, table, Lock::of_mode(&mode).expect("a lock"));
    }
    locks
}

fn raise(locks: &mut Locks, table: String, lock: Lock) {
    let known = locks.entry(table).or_insert(lock);
    *known = lock.max(*known);
}

/// How many rows of the adopted tables this transaction has read one after the other, or written, and
/// what files the tables are in.
async fn work_done(connection: &mut PgConnection) -> (i64, Vec<i64>) {
    let rows: i64 = sqlx::query_scalar(
        "select sum(seq_tup_read + n_tup_ins + n_tup_upd + n_tup_del)::bigint
         from pg_stat_xact_user_tables
         where relname in ('users', 'conversations', 'messages', 'relationships')",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("statistics");
    (rows, files(connection).await)
}

#[tokio::test]
async fn locks_taken_are_the_locks_planned() {
    let Some(database) = older().await else {
        return;
    };
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    assert_eq!(plan.migrations.len(), MIGRATIONS_POSTGRES.iter().count());
    let mut connection = database.connect().await;
    for (migration, planned) in MIGRATIONS_POSTGRES.iter().zip(plan.migrations) {
        let pieces = split(migration.sql.as_str());
        assert_eq!(pieces.len(), planned.statements.len());
        connection.execute("begin").await.expect("begun");
        let mut expected = Locks::new();
        for (piece, statement) in pieces.into_iter().zip(planned.statements) {
            let before = work_done(&mut connection).await;
            let mut sql = piece.body.to_owned();
            if planned.transaction == Boundary::Statement {
                // To see what it holds it must not let go.
                sql = sql.replace("commit;", "");
            }
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", piece.body));
            let PlannedStatement { statement, tables } = statement;
            let tables = tables.expect("it is understood");
            let work = tables.iter().map(|table| table.work).max();
            for table in tables {
                raise(
                    &mut expected,
                    table.rows.table,
                    table.lock.expect("Postgres"),
                );
            }
            assert_eq!(held(&mut connection).await, expected, "{statement}");
            let after = work_done(&mut connection).await;
            assert_eq!(after.1, before.1, "none rewrites: {statement}");
            if work.is_none_or(|work| work == Work::Catalogue) {
                assert_eq!(after.0, before.0, "no row is touched: {statement}");
            }
        }
        connection.execute("commit").await.expect("committed");
    }
}

#[tokio::test]
async fn planning_changes_nothing_and_tells_what_is_there() {
    let Some(database) = older().await else {
        return;
    };
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    let adopts: Vec<(&str, i64)> = plan
        .adopts
        .iter()
        .map(|rows| (rows.table.as_str(), rows.rows))
        .collect();
    assert_eq!(
        adopts,
        [
            ("users", 3),
            ("conversations", 2),
            ("messages", 3),
            ("relationships", 1)
        ]
    );
    assert_eq!(plan.in_use_by, Vec::<String>::new());
    assert_eq!(contents(&mut connection, "metadata").await, before);
    let ours: bool = sqlx::query_scalar(
        "select to_regclass('_sqlx_migrations') is not null or to_regclass('app_meta') is not null",
    )
    .fetch_one(&mut connection)
    .await
    .expect("a catalogue");
    assert!(!ours, "not even the migrator's own table");

    connection
        .execute("begin; lock table users in row exclusive mode")
        .await
        .expect("locked");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("it waits for nobody");
    assert_eq!(plan.in_use_by, ["1 × unnamed"]);
    connection.execute("rollback").await.expect("rolled back");

    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    assert!(plan.migrations.is_empty() && plan.adopts.is_empty());
    let other = Store::plan(&database.config(), Environment::Production).await;
    assert!(
        matches!(other, Err(OpenError::OtherEnvironment { .. })),
        "{other:?}"
    );
}

/// The next release's migration on a filled database of ours, in the middle of which planning began.
#[tokio::test]
async fn what_is_applied_is_left_out() {
    let Some(database) = older().await else {
        return;
    };
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let mut connection = database.connect().await;
    connection
        .execute("delete from _sqlx_migrations where version > 6")
        .await
        .expect("forgotten");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    let versions: Vec<i64> = plan
        .migrations
        .iter()
        .map(|planned| planned.version)
        .collect();
    let newest = *versions.last().expect("some");
    assert!(newest >= 11);
    assert_eq!(versions, (7..=newest).collect::<Vec<_>>());
    let building = plan.migrations[0]
        .statements
        .iter()
        .find(|planned| planned.statement.contains("messages_by_user"))
        .and_then(|planned| planned.tables.as_deref())
        .expect("it is there");
    assert_eq!(
        building[0].work,
        Work::Catalogue,
        "the index is there already"
    );
}
