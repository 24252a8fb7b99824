//! Objects of an older deployment that bypass row-level security, such as views and functions. A plan lists
//! them, an adoption refuses them, and `--secure-views` changes views.

use tokio::task::JoinSet;

use super::*;

/// Creates the roles of a Supabase project. Other tests on the same server may have created them already.
const CREATE_ROLES: &str = "do $$ begin
  for n in 1..2 loop
    begin
      execute format('create role %I nologin', (array['anon', 'authenticated'])[n]);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
end $$";

async fn rls_bypasses(database: &TestDatabase) -> Vec<String> {
    let plan = Store::plan(&database.config(), Environment::Development).await;
    let bypasses = plan.expect("a plan").rls_bypasses;
    bypasses
        .iter()
        .map(|bypass| {
            format!(
                "{} {} to {}",
                bypass.kind,
                bypass.name,
                bypass.roles.join(", ")
            )
        })
        .collect()
}

async fn older_database_with(sql: &str) -> TestDatabase {
    let database = older_database().await;
    database.run(CREATE_ROLES).await;
    database.run(sql).await;
    database
}

/// SQL that an older deployment may have run, and how the bypass is reported, if it is one.
const CASES: [(&str, Option<&str>); 21] = [
    (
        "create view texts as select id, text from messages; grant select on texts to anon",
        Some("view public.texts to anon"),
    ),
    (
        "create view texts as select id, text from messages; grant select on texts to public",
        Some("view public.texts to public"),
    ),
    (
        "create view texts as select id, text from messages; grant select (text) on texts to anon",
        Some("view public.texts to anon"),
    ),
    (
        "create view inner_texts as select text from messages;
             create schema api; grant usage on schema api to authenticated;
             create view api.\"Texts\" as select t.text from inner_texts t;
             grant select on api.\"Texts\" to authenticated",
        Some("view api.\"Texts\" to authenticated"),
    ),
    (
        "create view people as select id from users; grant insert on people to anon, authenticated",
        Some("view public.people to anon, authenticated"),
    ),
    (
        "create materialized view counts as select count(*) from messages;
             grant select on counts to anon",
        Some("materialized view public.counts to anon"),
    ),
    (
        "create function texts() returns setof text language sql security definer
               as 'select text from public.messages'",
        Some("function public.texts() to public"),
    ),
    (
        "create function texts(of uuid) returns setof text language plpgsql security definer
               as $$ begin return query execute 'select m.text from messages m'; end $$;
             revoke all on function texts(uuid) from public;
             grant execute on function texts(uuid) to authenticated",
        Some("function public.texts(of uuid) to authenticated"),
    ),
    (
        "create function helper() returns setof messages language sql
               as 'select * from messages';
             create function middle() returns setof messages language plpgsql
               as $$ begin return query select * from public.helper(); end $$;
             create function api_list() returns json language sql security definer
               as 'select json_agg(h) from middle() h'",
        Some("function public.api_list() to public"),
    ),
    (
        "create function helper() returns bigint language sql
             begin atomic select count(*) from messages; end;
             create function api_count() returns bigint language sql security definer
             begin atomic select helper(); end",
        Some("function public.api_count() to public"),
    ),
    (
        "create function helper() returns setof messages language sql
               as 'select * from messages';
             create function api_list() returns json language sql
               as 'select json_agg(h) from helper() h'",
        None,
    ),
    (
        "create function helper() returns bigint language sql as 'select count(*) from messages';
             create function api_one() returns text language sql security definer
               as $$ select 'helper'::text $$",
        None,
    ),
    (
        "create function texts() returns setof text language sql security definer
             begin atomic select text from messages; end",
        Some("function public.texts() to public"),
    ),
    (
        "create view inner_texts as select text from messages;
             create function texts() returns setof text language sql security definer
               as 'select text from inner_texts'",
        Some("function public.texts() to public"),
    ),
    // None of the following shows other roles a row.
    ("create view texts as select text from messages", None),
    (
        "create view texts with (security_invoker = on) as select text from messages;
             grant select on texts to anon",
        None,
    ),
    (
        "create schema hidden; create view hidden.texts as select text from messages;
             grant select on hidden.texts to anon",
        None,
    ),
    (
        "create table notes (text text); create view texts as select text from notes;
             grant select on texts to anon",
        None,
    ),
    (
        "create function texts() returns setof text language sql as 'select text from messages'",
        None,
    ),
    (
        "create function touched() returns trigger language plpgsql security definer
               as $$ begin perform 1 from users; return new; end $$",
        None,
    ),
    (
        "create schema auth; create table auth.users (id int);
             create function known() returns bigint language sql security definer
               as 'select count(*) from auth.users'",
        None,
    ),
];

/// A plan names exactly the expected bypass, and an adoption is refused until the statements of the refusal
/// were run.
async fn check_case(sql: &'static str, expected: Option<&'static str>) {
    let database = older_database_with(sql).await;
    let expected: Vec<&str> = expected.into_iter().collect();
    assert_eq!(rls_bypasses(&database).await, expected, "{sql}");
    if !expected.is_empty() {
        let refused = migrate(&database, Adoption::Allowed).await;
        let Err(OpenError::RlsBypassed(found)) = refused else {
            panic!("{sql}: {refused:?}");
        };
        // The refusal left the older deployment's columns as they were.
        contents(&mut database.connect().await, "metadata").await;
        for statement in found.iter().flat_map(|finding| &finding.fix) {
            database.run(statement).await;
        }
    }
    let adopted = migrate(&database, Adoption::Allowed).await;
    adopted.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(rls_bypasses(&database).await, [""; 0], "{sql}");
}

/// An adoption mostly waits to see whether another session writes, so all cases run at once.
#[tokio::test]
async fn every_rls_bypass_is_reported_and_nothing_else() {
    let mut checks = JoinSet::new();
    for (sql, expected) in CASES {
        checks.spawn(check_case(sql, expected));
    }
    checks.join_all().await;
}

#[tokio::test]
async fn securing_views_makes_views_security_invoker_and_refuses_materialized_views() {
    let database = older_database_with(
        "create view texts as select id, text from messages; grant select on texts, messages to anon;
         create materialized view counts as select count(*) from messages; grant select on counts to anon",
    )
    .await;
    let texts = async || -> i64 {
        let mut connection = database.connect().await;
        connection.execute("set role anon").await.expect("entered");
        let texts = sqlx::query_scalar("select count(*) from texts");
        texts.fetch_one(&mut connection).await.unwrap_or(0)
    };
    assert_eq!(
        texts().await,
        3,
        "the view bypasses row-level security before the adoption"
    );
    let refused = migrate(&database, Adoption::AllowedSecuringViews).await;
    let message = refused
        .expect_err("a materialized view cannot be secured")
        .to_string();
    assert!(
        message.contains("public.counts") && !message.contains("public.texts"),
        "{message}"
    );
    assert_eq!(texts().await, 3, "nothing was changed");
    database.run("drop materialized view counts").await;
    migrate(&database, Adoption::AllowedSecuringViews)
        .await
        .expect("adopted");
    assert_eq!(texts().await, 0);
    assert_eq!(rls_bypasses(&database).await, [""; 0]);
}

#[tokio::test]
async fn objects_that_depend_on_a_widened_column_are_reported_before_anything_changes() {
    for (sql, dependent, fix) in [
        (
            "create view names as select name from users",
            "view public.names",
            Some("drop view public.names;"),
        ),
        (
            "create schema api; create materialized view api.modes as select mode from conversations",
            "materialized view api.modes",
            Some("drop materialized view api.modes;"),
        ),
        (
            "create policy named on users using (name = 'me')",
            "policy named on table users",
            None,
        ),
        (
            "create function noted() returns trigger language plpgsql as 'begin return new; end';
             create trigger noted after update of name on users for each row execute function noted()",
            "trigger noted on table users",
            None,
        ),
        (
            "create function names() returns setof text language sql
             begin atomic select name from users; end",
            "function names()",
            None,
        ),
        (
            "alter table users add column shout text generated always as (upper(name)) stored",
            "generated column users.shout",
            None,
        ),
    ] {
        let database = older_database_with(sql).await;
        let before = contents(&mut database.connect().await, "metadata").await;
        let refused = migrate(&database, Adoption::Allowed).await;
        let Err(OpenError::NotReady(found)) = refused else {
            panic!("{sql}: {refused:?}");
        };
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].problem.contains(dependent), "{found:?}");
        assert_eq!(found[0].fix.first().map(String::as_str), fix);
        let plan = Store::plan(&database.config(), Environment::Development).await;
        assert_eq!(plan.expect("a plan").needs, found);
        assert_eq!(contents(&mut database.connect().await, "metadata").await, before);
    }
}
