//! The backend's tables are in the schema `public`, whatever the search path of the login is.

use archety_backend::config::DatabaseKind;
use archety_backend::store::MIGRATIONS_POSTGRES;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use super::*;
use crate::store::message_builder::direct;

/// The login's configuration, with `query` added to its URL.
fn with_query(config: &DatabaseConfig, query: &str) -> DatabaseConfig {
    let DatabaseKind::Postgres { url } = &config.kind else {
        panic!("a server");
    };
    let url = format!("{}&{query}", url.expose_secret());
    let url = if url.contains('?') {
        url
    } else {
        url.replacen('&', "?", 1)
    };
    DatabaseConfig {
        kind: DatabaseKind::Postgres { url: url.into() },
        ..config.clone()
    }
}

#[tokio::test]
async fn the_backends_tables_are_in_public_whatever_the_search_path_is() {
    let mut checks = JoinSet::new();
    for case in 0..=SCHEMA_APP_EXISTS {
        checks.spawn(check_search_path(case));
    }
    checks.join_all().await;
}

/// The last case of [`check_search_path`]: the login has a schema with the name of the backend's own schema `app`.
const SCHEMA_APP_EXISTS: u32 = 6;

/// Migrates twice with a login whose search path leads to another schema, and stores a message. Each case sets the
/// search path in another way.
async fn check_search_path(case: u32) {
    let database = TestDatabase::empty().await;
    let name = database.name();
    let (login, config) = deployer(&database).await;
    let mine = format!("create schema mine authorization {login};");
    let (sql, config) = match case {
        0 => (
            format!("create schema {login} authorization {login}"),
            config,
        ),
        1 => (mine, with_query(&config, "options=-c%20search_path%3Dmine")),
        2 => (
            mine,
            with_query(&config, "options[search_path]=mine,public"),
        ),
        3 => (
            format!("{mine} alter role {login} set search_path = mine, public"),
            config,
        ),
        4 => (
            format!("{mine} alter database {name} set search_path = mine"),
            config,
        ),
        5 => (
            format!("{mine} alter role {login} in database {name} set search_path = mine"),
            config,
        ),
        _ => (
            format!(
                "create schema app authorization {login}; create table app.users (id int);
                 alter table app.users owner to {login};
                 alter role {login} set search_path = app"
            ),
            config,
        ),
    };
    database.run(&sql).await;
    for _ in 0..2 {
        migrate(&config)
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    let expected: &[&str] = match case {
        SCHEMA_APP_EXISTS => &["app.users"],
        _ => &[],
    };
    assert_eq!(
        misplaced_or_unprotected_tables(&database).await,
        expected,
        "{case}"
    );
    let store = open(&config).await.expect("the store opens");
    store.store_message(direct("msg_1")).await.expect("stored");
    let stored: i64 = sqlx::query_scalar("select count(*) from public.messages")
        .fetch_one(&mut database.connect().await)
        .await
        .expect("a count");
    assert_eq!(stored, 1, "{case}");
    store.close().await;
}

/// Migrates as earlier versions did by mistake: all tables are in the first schema of the search path.
async fn migrate_into_own_schema(login: &str, config: &DatabaseConfig) {
    let mut connection = as_login(config).await;
    run_as(&mut connection, &format!("create schema {login}")).await;
    MIGRATIONS_POSTGRES
        .run_direct(None, &mut connection, false)
        .await
        .expect("migrated");
    run_as(
        &mut connection,
        "insert into users (phone) values ('+15550100001')",
    )
    .await;
}

#[tokio::test]
async fn tables_in_another_schema_are_reported_and_moved_by_the_reported_statements() {
    let database = TestDatabase::empty().await;
    let (login, config) = deployer(&database).await;
    migrate_into_own_schema(&login, &config).await;
    assert!(
        misplaced_or_unprotected_tables(&database)
            .await
            .contains(&format!("{login}.messages"))
    );
    for refused in [
        migrate(&config).await.map(drop),
        open(&config).await.map(drop),
    ] {
        let found = findings(refused);
        for table in ["users", "messages", "_sqlx_migrations"] {
            assert!(
                report(&found).contains(&format!("{login}.{table}")),
                "{found:?}"
            );
        }
    }
    let has_public_users: bool =
        sqlx::query_scalar("select to_regclass('public.users') is not null")
            .fetch_one(&mut database.connect().await)
            .await
            .expect("a catalogue");
    assert!(!has_public_users, "no second set of tables is created");
    // The reported statements fix the database, one step at a time.
    apply_fixes(&database, &findings(migrate(&config).await)).await;
    let found = findings(migrate(&config).await);
    assert!(
        report(&found).contains("have no row-level security"),
        "{found:?}"
    );
    apply_fixes(&database, &found).await;
    migrate(&config).await.expect("fixed");
    let store = open(&config).await.expect("the store opens");
    assert_eq!(misplaced_or_unprotected_tables(&database).await, [""; 0]);
    let ada = shared_protocol::Address::parse("+15550100001").expect("a number");
    let traces = store.traces(&ada, None).await.expect("read");
    assert_eq!(traces.people.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_second_set_of_tables_is_reported_until_row_level_security_protects_it_or_it_is_dropped()
{
    let database = TestDatabase::empty().await;
    let (login, config) = deployer(&database).await;
    migrate_into_own_schema(&login, &config).await;
    // `attic` contains only some of the backend's tables. `elsewhere` belongs to another program.
    database
        .run(&format!(
            "create schema elsewhere; create table elsewhere.users (id int, phone text);
             alter schema {login} rename to attic"
        ))
        .await;
    run_as(
        &mut as_login(&config).await,
        "drop table attic.app_meta; drop table attic.sealed_keys",
    )
    .await;
    let found = findings(migrate(&config).await);
    assert!(report(&found).contains("attic.messages"), "{found:?}");
    assert!(
        !report(&found).contains("elsewhere"),
        "another program's table: {found:?}"
    );
    let found = findings(open(&config).await);
    assert!(report(&found).contains("attic.messages"), "{found:?}");
    apply_fixes(&database, &found).await;
    open(&config)
        .await
        .expect("row-level security protects the copies")
        .close()
        .await;
    // A copy of a single table is reported too.
    database
        .run("create schema copies; create table copies.messages as select * from public.messages")
        .await;
    let found = findings(open(&config).await);
    assert!(report(&found).contains("copies.messages"), "{found:?}");
    database.run("drop schema copies cascade").await;
    open(&config)
        .await
        .expect("the copy is dropped")
        .close()
        .await;
}

#[tokio::test]
async fn missing_rights_on_schema_public_and_its_absence_are_reported_with_the_fix() {
    let database = TestDatabase::empty().await;
    let (login, config) = database.login("createrole").await;
    let name = database.name();
    database
        .run(&format!("grant create on database {name} to {login}"))
        .await;
    // Since Postgres 15, only the owner of a new database may create tables in `public`.
    let found = findings(migrate(&config).await);
    let grant = format!("grant usage, create on schema public to {login};");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fix, std::slice::from_ref(&grant));
    // Without `usage`, the login cannot even read the schema.
    database
        .run("revoke usage on schema public from public")
        .await;
    let found = findings(migrate(&config).await);
    assert_eq!(found[0].fix, [grant], "{found:?}");
    // The schema does not exist.
    database.run("drop schema public").await;
    let found = findings(migrate(&config).await);
    assert_eq!(found[0].fix[0], "create schema public;", "{found:?}");
    apply_fixes(&database, &found).await;
    let found = findings(migrate(&config).await);
    assert!(
        report(&found).contains("may not let archety_user use the schema public"),
        "{found:?}"
    );
    apply_fixes(&database, &found).await;
    migrate(&config).await.expect("fixed");
    open(&config).await.expect("the store opens").close().await;
}
