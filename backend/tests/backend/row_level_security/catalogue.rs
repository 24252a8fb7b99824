//! The catalogue grants exactly the rights that the lists of `mod.rs` name.

use std::collections::BTreeSet;

use super::*;

/// Fails if a table lacks row-level security, a view exists, or a role has another right than the lists name.
pub(super) async fn assert_only_listed_rights(connection: &mut PgConnection) {
    let without_security: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("a catalogue");
    assert!(
        without_security.is_empty(),
        "no row-level security on {without_security:?}: list them in 0003_row_level_security.sql, or enable it in \
         the migration that creates them"
    );
    let views: i64 = sqlx::query_scalar(
        "select count(*) from pg_class
         where relnamespace in ('public'::regnamespace, 'app'::regnamespace) and relkind in ('v', 'm')",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("a catalogue");
    assert_eq!(
        views, 0,
        "a view reads with the rights of its owner, past row-level security"
    );

    let granted = grants(connection, &["anon", "public"]).await;
    assert_eq!(granted, BTreeSet::new());
    // A right that is granted by column is checked by the next query.
    let whole_tables = READABLE.iter().filter(|table| **table != "command_bubbles");
    let mut expected: BTreeSet<String> = whole_tables
        .clone()
        .map(|table| format!("authenticated select {table}"))
        .collect();
    assert_eq!(grants(connection, &["authenticated"]).await, expected);
    expected = whole_tables
        .map(|table| format!("archety_user select {table}"))
        .collect();
    expected.extend(
        WRITABLE
            .iter()
            .filter(|allowed| **allowed != ("users", "update"))
            .map(|(table, right)| format!("archety_user {right} {table}")),
    );
    assert_eq!(grants(connection, &["archety_user"]).await, expected);

    let columns: Vec<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname || ' ' || lower(g.privilege_type) || ' '
           || coalesce(r.rolname, 'public')
         from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) g
           left join pg_roles r on r.oid = g.grantee
         where c.relnamespace = 'public'::regnamespace
           and coalesce(r.rolname, 'public') in ('public', 'anon', 'authenticated', 'archety_user')
         order by 1",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("a catalogue");
    let mut expected: Vec<_> = ["meta_data", "name", "updated_at"]
        .map(|column| format!("users.{column} update archety_user"))
        .into();
    for column in ["message_id", "state"] {
        for role in ["archety_user", "authenticated"] {
            expected.push(format!("command_bubbles.{column} select {role}"));
        }
    }
    expected.sort();
    assert_eq!(columns, expected);
}

/// Rights on tables, views and sequences, as `role right relation`.
async fn grants(connection: &mut PgConnection, roles: &[&str]) -> BTreeSet<String> {
    let rights: Vec<String> = sqlx::query_scalar(
        "select coalesce(r.rolname, 'public') || ' ' || lower(g.privilege_type) || ' ' || c.relname
         from pg_class c, aclexplode(c.relacl) g left join pg_roles r on r.oid = g.grantee
         where c.relnamespace in ('public'::regnamespace, 'app'::regnamespace)
           and coalesce(r.rolname, 'public') = any ($1)",
    )
    .bind(roles)
    .fetch_all(connection)
    .await
    .expect("a catalogue");
    rights.into_iter().collect()
}

#[tokio::test]
async fn granted_rights_equal_the_list() {
    let mut people = People::new().await;
    assert_only_listed_rights(&mut people.connection).await;
    // `information_schema` lists the same rights.
    let listed: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, lower(privilege_type)::text from information_schema.role_table_grants
         where grantee in ('anon', 'authenticated') and table_schema in ('public', 'app') order by 1",
    )
    .fetch_all(&mut people.connection)
    .await
    .expect("a catalogue");
    let whole_tables = READABLE
        .into_iter()
        .filter(|table| *table != "command_bubbles");
    let mut expected: Vec<_> = whole_tables
        .map(|table| (table.to_owned(), "select".to_owned()))
        .collect();
    expected.sort();
    assert_eq!(listed, expected);
}

/// Schema, name, settings, whether the function runs as its owner, roles besides the owner that may call it.
type Function = (String, String, Option<Vec<String>>, bool, Vec<String>);

#[tokio::test]
async fn the_only_functions_are_is_group_and_uid_with_a_fixed_search_path_and_listed_callers() {
    let mut people = People::new().await;
    let functions: Vec<Function> = sqlx::query_as(
        "select n.nspname::text, p.proname::text, p.proconfig, p.prosecdef, array(
           select coalesce(r.rolname, 'public')::text from aclexplode(
             coalesce(p.proacl, acldefault('f', p.proowner))) g left join pg_roles r on r.oid = g.grantee
           where g.grantee <> p.proowner order by 1)
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname in ('public', 'app') order by 1, 2",
    )
    .fetch_all(&mut people.connection)
    .await
    .expect("a catalogue");
    let expected = ["is_group", "uid"].map(|name| {
        (
            "app".to_owned(),
            name.to_owned(),
            Some(vec!["search_path=\"\"".to_owned()]),
            true,
            vec!["archety_user".to_owned(), "authenticated".to_owned()],
        )
    });
    assert_eq!(functions, expected);
    let called = attempt(&mut people.connection, "anon", None, "select app.uid()").await;
    assert_eq!(called, Outcome::Denied);
}

#[tokio::test]
async fn roles_of_clients_cannot_create_tables_in_schema_app() {
    let mut people = People::new().await;
    let sql = "create table app.mine (id integer)";
    for role in ["anon", "authenticated", "archety_user"] {
        let created = attempt(&mut people.connection, role, None, sql).await;
        assert_eq!(created, Outcome::Denied, "{role}");
    }
}

#[tokio::test]
async fn migrations_create_no_schema_auth() {
    let mut people = People::new().await;
    let has_auth: bool = sqlx::query_scalar("select to_regnamespace('auth') is not null")
        .fetch_one(&mut people.connection)
        .await
        .expect("a catalogue");
    assert!(!has_auth, "only Supabase creates the schema auth");
}

#[tokio::test]
async fn every_policys_owner_column_leads_an_index() {
    let mut people = People::new().await;
    for table in READABLE {
        let column = match table {
            "users" => "id",
            "command_bubbles" => "conversation_id",
            _ => "user_id",
        };
        let is_indexed: bool = sqlx::query_scalar(
            "select exists (select 1 from pg_index i
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indrelid = to_regclass($1) and a.attname = $2 and i.indisvalid)",
        )
        .bind(table)
        .bind(column)
        .fetch_one(&mut people.connection)
        .await
        .expect("a catalogue");
        assert!(is_indexed, "{table}.{column}");
    }
}
