//! The backend's tables are in the schema `public`, whatever the search path of the login is.

use archety_backend::config::DatabaseKind;
use archety_backend::store::MIGRATIONS_POSTGRES;
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use super::*;
use crate::store::message_builder::direct;

/// The login's configuration with this in the query of its URL.
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
async fn no_other_schema_gets_the_backends_tables() {
    let mut checks = JoinSet::new();
    for way in 0..7 {
        checks.spawn(check_search_path(way));
    }
    checks.join_all().await;
}

/// Migrates twice with a login whose search path leads to another schema, and stores a message.
async fn check_search_path(way: u32) {
    let database = TestDatabase::empty().await;
    let name = database.name();
    let (login, config) = deployer(&database).await;
    let mine = format!("create schema mine authorization {login};");
    let (sql, config) = match way {
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
        // Ours by name, and first in the path.
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
            .unwrap_or_else(|error| panic!("{way}: {error}"));
    }
    let expected: &[&str] = if way == 6 { &["app.users"] } else { &[] };
    assert_eq!(
        misplaced_or_unprotected_tables(&database).await,
        expected,
        "{way}"
    );
    let store = open(&config).await.expect("it serves");
    store.store_message(direct("msg_1")).await.expect("stored");
    let stored: i64 = sqlx::query_scalar("select count(*) from public.messages")
        .fetch_one(&mut database.connect().await)
        .await
        .expect("a count");
    assert_eq!(stored, 1, "{way}");
    store.close().await;
}

/// A database as a fault of earlier versions left it: all tables in the first schema of the search path.
async fn in_own_schema(login: &str, config: &DatabaseConfig) {
    let mut connection = as_login(config).await;
    run_as(&mut connection, &format!("create schema {login}")).await;
    MIGRATIONS_POSTGRES
        .run_direct(None, &mut connection, false)
        .await
        .expect("it went through without a word");
    run_as(
        &mut connection,
        "insert into users (phone) values ('+15550100001')",
    )
    .await;
}

#[tokio::test]
async fn tables_in_another_schema_are_reported_and_can_be_moved() {
    let database = TestDatabase::empty().await;
    let (login, config) = deployer(&database).await;
    in_own_schema(&login, &config).await;
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
    let there: bool = sqlx::query_scalar("select to_regclass('public.users') is not null")
        .fetch_one(&mut database.connect().await)
        .await
        .expect("a catalogue");
    assert!(!there, "no second set was made beside it");
    // The reported statements fix the database, one step at a time.
    apply_fixes(&database, &findings(migrate(&config).await)).await;
    let found = findings(migrate(&config).await);
    assert!(
        report(&found).contains("have no row-level security"),
        "{found:?}"
    );
    apply_fixes(&database, &found).await;
    migrate(&config).await.expect("fixed");
    let store = open(&config).await.expect("it serves");
    assert_eq!(misplaced_or_unprotected_tables(&database).await, [""; 0]);
    let ada = shared_protocol::Address::parse("+15550100001").expect("a number");
    let traces = store.traces(&ada, None).await.expect("read");
    assert_eq!(traces.people.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_second_set_of_tables_is_reported_until_closed_or_dropped() {
    let database = TestDatabase::empty().await;
    let (login, config) = deployer(&database).await;
    in_own_schema(&login, &config).await;
    // Of which one part only was moved away.
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
        "another program's: {found:?}"
    );
    let found = findings(open(&config).await);
    assert!(report(&found).contains("attic.messages"), "{found:?}");
    apply_fixes(&database, &found).await;
    open(&config)
        .await
        .expect("closed is good enough")
        .close()
        .await;
    // A copy that is made by hand, of one table alone.
    database
        .run("create schema copies; create table copies.messages as select * from public.messages")
        .await;
    let found = findings(open(&config).await);
    assert!(report(&found).contains("copies.messages"), "{found:?}");
    database.run("drop schema copies cascade").await;
    open(&config).await.expect("gone").close().await;
}

#[tokio::test]
async fn a_missing_right_on_schema_public_is_reported_with_the_grant() {
    let database = TestDatabase::empty().await;
    let (login, config) = database.login("createrole").await;
    let name = database.name();
    database
        .run(&format!("grant create on database {name} to {login}"))
        .await;
    // Since Postgres 15 every new database has these rights.
    let found = findings(migrate(&config).await);
    let grant = format!("grant usage, create on schema public to {login};");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fix, std::slice::from_ref(&grant));
    // Not even to be looked into.
    database
        .run("revoke usage on schema public from public")
        .await;
    let found = findings(migrate(&config).await);
    assert_eq!(found[0].fix, [grant], "{found:?}");
    // Gone.
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
    open(&config).await.expect("it serves").close().await;
}
