//! Databases as operators set them up: logins with few rights, other schemas, poolers, and servers that restart or
//! accept no writes.

mod needs;
mod newer;
mod outages;
mod place;
mod poolers;
mod safety;
mod tls;
mod unreachable;

use archety_backend::config::{DatabaseConfig, Environment};
use archety_backend::store::{Adoption, Finding, OpenError, SchemaVersion, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{NOW, TestDatabase};

async fn migrate(config: &DatabaseConfig) -> Result<SchemaVersion, OpenError> {
    Store::migrate(config, Environment::Development, Adoption::Refused, NOW).await
}

async fn open(config: &DatabaseConfig) -> Result<Store, OpenError> {
    Store::open(config, Environment::Development, NOW).await
}

/// The findings of a refusal to migrate or to serve.
fn findings<T>(done: Result<T, OpenError>) -> Vec<Finding> {
    match done.err().expect("refused") {
        OpenError::NotReady(found) | OpenError::NotSafe(found) | OpenError::RlsBypassed(found) => {
            found
        }
        other => panic!("{other:?}"),
    }
}

/// Runs the statements that the findings offer as fixes.
async fn apply_fixes(database: &TestDatabase, found: &[Finding]) {
    for finding in found {
        for statement in &finding.fix {
            database.run(statement).await;
        }
    }
}

/// The texts of all findings, on one line.
fn report(found: &[Finding]) -> String {
    let report: Vec<String> = found.iter().map(ToString::to_string).collect();
    report.join(" | ").replace('\n', " ")
}

/// A login that may migrate an empty database, on a server that has the backend's roles already.
async fn deployer(database: &TestDatabase) -> (String, DatabaseConfig) {
    let (login, config) = database.login("createrole").await;
    let name = database.name();
    database
        .run(&format!(
            "grant create on database {name} to {login}; grant usage, create on schema public to {login}"
        ))
        .await;
    (login, config)
}

/// Tables outside of `public`, and tables in `public` without row-level security.
async fn misplaced_or_unprotected_tables(database: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n
           on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and (n.nspname <> 'public' or not c.relrowsecurity)
         order by 1",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .expect("a catalogue")
}

async fn as_login(config: &DatabaseConfig) -> PgConnection {
    use archety_backend::config::DatabaseKind;
    use secrecy::ExposeSecret;
    let DatabaseKind::Postgres { url } = &config.kind else {
        panic!("a server");
    };
    PgConnection::connect(url.expose_secret())
        .await
        .expect("the server is up")
}

async fn run_as(connection: &mut PgConnection, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    connection
        .execute(sqlx::raw_sql(sql))
        .await
        .expect("the login may run it");
}
