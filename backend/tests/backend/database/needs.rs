//! The rights that migrations need are checked before anything changes. `--plan` reports them, too.

use super::*;

/// All relations with their owners, all schemas and all roles.
async fn relations_schemas_and_roles(database: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar(
        "select 'r ' || n.nspname || '.' || c.relname || c.relowner from pg_class c join pg_namespace n
           on n.oid = c.relnamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
         union all select 'n ' || nspname from pg_namespace
         union all select 'a ' || rolname from pg_roles where rolname !~ '^archety_test'
         order by 1",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .expect("a catalogue")
}

/// What `--plan` reports as missing for the migrations.
async fn planned_needs(config: &DatabaseConfig) -> Vec<Finding> {
    let plan = Store::plan(config, Environment::Development).await;
    plan.expect("a plan needs no rights").needs
}

#[tokio::test]
async fn all_missing_rights_of_a_login_are_reported_together() {
    let database = TestDatabase::on_fresh_server().await;
    let (login, config) = database.login("").await;
    let before = relations_schemas_and_roles(&database).await;
    let found = findings(migrate(&config).await);
    assert_eq!(planned_needs(&config).await, found);
    assert_eq!(
        relations_schemas_and_roles(&database).await,
        before,
        "nothing was changed"
    );
    let fixes: Vec<&str> = found
        .iter()
        .flat_map(|finding| &finding.fix)
        .map(String::as_str)
        .collect();
    let name = database.name();
    for expected in [
        format!("grant usage, create on schema public to {login};"),
        "create role anon nologin;".to_owned(),
        "create role authenticated nologin;".to_owned(),
        "create role service_role nologin;".to_owned(),
        "create role archety_user nologin;".to_owned(),
        format!("grant archety_user to {login};"),
        format!("grant create on database {name} to {login};"),
    ] {
        assert!(fixes.contains(&expected.as_str()), "{expected}: {fixes:?}");
    }
    apply_fixes(&database, &found).await;
    assert_eq!(planned_needs(&config).await, []);
    migrate(&config).await.expect("the fixes are sufficient");
    open(&config).await.expect("the store opens").close().await;
}

#[tokio::test]
async fn the_existing_role_archety_user_must_be_granted_to_the_login() {
    // The migration of another database creates the role on the server.
    drop(TestDatabase::migrated().await);
    let empty = TestDatabase::empty().await;
    let (login, config) = empty.login("").await;
    let name = empty.name();
    empty
        .run(&format!(
            "grant create on database {name} to {login}; grant usage, create on schema public to {login}"
        ))
        .await;
    let found = findings(migrate(&config).await);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fix, [format!("grant archety_user to {login};")]);
    apply_fixes(&empty, &found).await;
    migrate(&config).await.expect("fixed");
}

#[tokio::test]
async fn the_login_must_own_adopted_tables() {
    let database = TestDatabase::empty().await;
    database.run(include_str!("../adoption/older.sql")).await;
    let (login, config) = deployer(&database).await;
    let adopt =
        async || Store::migrate(&config, Environment::Development, Adoption::Allowed, NOW).await;
    let before = relations_schemas_and_roles(&database).await;
    let found = findings(adopt().await);
    assert_eq!(
        planned_needs(&config).await,
        found,
        "a plan needs no rights on the tables"
    );
    assert_eq!(
        relations_schemas_and_roles(&database).await,
        before,
        "nothing was changed"
    );
    assert!(
        found[0]
            .fix
            .contains(&format!("alter table public.messages owner to {login};")),
        "{found:?}"
    );
    apply_fixes(&database, &found).await;
    adopt().await.expect("fixed");
}

#[tokio::test]
async fn conflicting_tables_and_settings_are_reported_and_nothing_is_changed() {
    for (sql, expected) in [
        ("create table sessions (token text)", "another program have names of ours: public.sessions"),
        ("create view jobs as select 1 as id", "have to be plain tables: public.jobs"),
        ("create table users (id serial primary key, email text)", "users.phone does not exist"),
        (
            "create table messages (id uuid, conversation_id uuid, user_id uuid, role text, text text,
               created_at timestamptz, metadata jsonb)",
            "public.messages has to have one column metadata or meta_data, of type json",
        ),
        (
            "create table users (id uuid primary key, phone text, name text, created_at timestamptz,
               updated_at timestamptz, metadata json, meta_data json)",
            "public.users has to have one column metadata or meta_data, of type json",
        ),
        (
            "create table messages (id uuid, conversation_id uuid, user_id uuid, role text, text text,
               created_at timestamptz, metadata json) partition by range (created_at)",
            "have to be plain tables: public.messages",
        ),
        ("alter database :name set default_transaction_read_only = on", "the database is read-only"),
        ("create schema app authorization pg_monitor", "the schema app belongs to pg_monitor"),
    ] {
        let database = TestDatabase::empty().await;
        let (_, config) = deployer(&database).await;
        database.run(&sql.replace(":name", database.name())).await;
        let before = relations_schemas_and_roles(&database).await;
        let found = findings(migrate(&config).await);
        assert!(report(&found).contains(expected), "{sql}: {}", report(&found));
        assert_eq!(planned_needs(&config).await, found);
        assert_eq!(relations_schemas_and_roles(&database).await, before, "nothing was changed");
    }
}
