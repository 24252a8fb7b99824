//! The rows of each table that each role may see and change on Postgres.
//!
//! The statements are generated from the catalogue, so that tables of later migrations are tested, too.
//! `READABLE` and `WRITABLE` list every right; every other statement must be refused.

mod catalogue;
mod claims;
mod guarded;
mod people;
mod plans;
mod supabase;
mod visible;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use people::{ADA, BEN, ISSUER, People, Person};

/// Tables whose own rows a person may read, as `authenticated` and as `archety_user`.
const READABLE: [&str; 8] = [
    "users",
    "conversations",
    "messages",
    "command_bubbles",
    "relationships",
    "user_traits",
    "trait_profiles",
    "onboarding_sessions",
];

/// Statements with which the backend's user routes change rows, as `archety_user`.
const WRITABLE: [(&str, &str); 8] = [
    ("users", "update"),
    ("user_traits", "insert"),
    ("user_traits", "update"),
    ("user_traits", "delete"),
    ("trait_profiles", "insert"),
    ("trait_profiles", "update"),
    ("onboarding_sessions", "insert"),
    ("onboarding_sessions", "update"),
];

/// Postgres's error code for a missing right.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The result of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The number of rows that were read or changed.
    Rows(u64),
    /// The role lacks the right, or the row would belong to another person.
    Denied,
}

/// Runs one statement as `role` under `claims` and rolls it back.
async fn attempt(
    connection: &mut PgConnection,
    role: &str,
    claims: Option<&str>,
    sql: &str,
) -> Outcome {
    let mut transaction = connection.begin().await.expect("begun");
    sqlx::query("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)")
        .bind(role)
        .bind(claims.unwrap_or_default())
        .execute(&mut *transaction)
        .await
        .expect("the login may become any of the roles");
    let done = transaction
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .map(|done| done.rows_affected());
    transaction.rollback().await.expect("rolled back");
    match done {
        Ok(rows) => Outcome::Rows(rows),
        Err(sqlx::Error::Database(fault))
            if fault.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE) =>
        {
            Outcome::Denied
        }
        Err(error) => panic!("{role}: {sql}: {error}"),
    }
}

/// All tables of the schema `public`.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1",
    )
    .fetch_all(connection)
    .await
    .expect("a catalogue");
    assert!(tables.len() >= 20, "{tables:?}");
    tables
}

/// A statement of each kind on `table`. None contains a value, so a missing right is all that can make it fail.
fn statements(table: &str, column: &str) -> [(&'static str, String); 5] {
    [
        ("select", format!("select from {table}")),
        (
            "insert",
            format!("insert into {table} select * from {table} where false"),
        ),
        ("update", format!("update {table} set {column} = {column}")),
        ("delete", format!("delete from {table}")),
        ("truncate", format!("truncate {table} cascade")),
    ]
}
