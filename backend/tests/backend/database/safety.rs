//! The start finds faults of tables, row-level security and roles, and reports them.

use super::*;

#[tokio::test]
async fn a_fault_in_row_level_security_or_roles_stops_the_start_until_its_fix_is_applied() {
    let database = TestDatabase::empty().await;
    let (login, config) = deployer(&database).await;
    migrate(&config).await.expect("migrated");
    open(&config).await.expect("the store opens").close().await;
    for (fault, expected) in [
        (
            "alter table messages disable row level security".to_owned(),
            "no row-level security: public.messages".to_owned(),
        ),
        (
            "alter table messages force row level security".to_owned(),
            format!("binds {login} itself"),
        ),
        (
            format!("revoke archety_user from {login}"),
            format!("{login} cannot act as archety_user"),
        ),
        (
            format!("grant {login} to authenticated"),
            "does not bind the role authenticated".to_owned(),
        ),
        (
            "revoke usage on schema app from archety_user".to_owned(),
            "archety_user cannot read what it should".to_owned(),
        ),
        (
            "revoke select on users from archety_user".to_owned(),
            "archety_user cannot read what it should".to_owned(),
        ),
    ] {
        database.run(&fault).await;
        for refused in [
            open(&config).await.map(drop),
            migrate(&config).await.map(drop),
        ] {
            let found = findings(refused);
            assert!(
                report(&found).contains(&expected),
                "{fault}: {}",
                report(&found)
            );
        }
        let found = findings(open(&config).await);
        apply_fixes(&database, &found).await;
        let fixed = open(&config).await;
        fixed
            .unwrap_or_else(|error| panic!("{fault}: {error}"))
            .close()
            .await;
    }
}

#[tokio::test]
async fn a_login_that_owns_no_table_is_reported() {
    let database = TestDatabase::migrated().await;
    let (login, config) = database.login("").await;
    database
        .run(&format!(
            "grant all on all tables in schema public to {login}; grant archety_user to {login}"
        ))
        .await;
    let found = findings(open(&config).await);
    assert!(
        report(&found).contains(&format!("binds {login} itself")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_missing_table_is_reported() {
    let database = TestDatabase::migrated().await;
    database.run("drop table body_windows").await;
    let found = findings(open(&database.config()).await);
    assert!(report(&found).contains("public.body_windows"), "{found:?}");
}

/// Roles belong to a server, so the tests of these faults need a server of their own.
#[tokio::test]
async fn roles_that_bypass_row_level_security_are_reported() {
    let database = TestDatabase::on_fresh_server().await;
    migrate(&database.config()).await.expect("migrated");
    for (fault, role) in [
        ("alter role authenticated bypassrls", "authenticated"),
        ("alter role anon superuser", "anon"),
        ("alter role archety_user superuser", "archety_user"),
    ] {
        database.run(fault).await;
        let found = findings(open(&database.config()).await);
        let expected = format!("does not bind the role {role}");
        assert!(report(&found).contains(&expected), "{fault}: {found:?}");
        apply_fixes(&database, &found).await;
        open(&database.config()).await.expect("fixed").close().await;
    }
}
