//! The role of the backend's user routes: its rights to write, and its reset when a transaction ends.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use archety_backend::store::{Pools, StoreError, Tx};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::*;

/// Every write, with `{owner}` in place of the id of the row's owner.
const WRITES: [(&str, &str); 8] = [
    (
        "users",
        "update users set name = 'n', meta_data = '{}', updated_at = now() where id = {owner}",
    ),
    (
        "user_traits",
        "insert into user_traits (id, user_id, name, value, source, created_at, updated_at)
       values (gen_random_uuid(), {owner}, 'new', '1', 's', now(), now())",
    ),
    (
        "user_traits",
        "update user_traits set value = '2', updated_at = now() where user_id = {owner}",
    ),
    (
        "user_traits",
        "delete from user_traits where user_id = {owner}",
    ),
    (
        "trait_profiles",
        "insert into trait_profiles (user_id, profile, created_at, updated_at)
       values ({owner}, '{}', now(), now())
       on conflict (user_id) do update set profile = excluded.profile",
    ),
    (
        "trait_profiles",
        "update trait_profiles set profile = '{}' where user_id = {owner}",
    ),
    (
        "onboarding_sessions",
        "insert into onboarding_sessions
       (id, user_id, persona_id, stage, answers, started_at, updated_at)
       values (gen_random_uuid(), {owner}, 'sage', 'greeting', '{}', now(), now())",
    ),
    (
        "onboarding_sessions",
        "update onboarding_sessions set stage = 's' where user_id = {owner}",
    ),
];

#[tokio::test]
async fn a_person_writes_their_own_rows_and_no_others() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    for (table, sql) in WRITES {
        let sql_on_row_of = |person: Person| sql.replace("{owner}", &format!("'{}'", person.id));
        let ada = ADA.claims();
        let mut attempt = async |claims: Option<&str>, sql: String| {
            super::attempt(connection, "archety_user", claims, &sql).await
        };
        assert_eq!(
            attempt(Some(&ada), sql_on_row_of(ADA)).await,
            Outcome::Rows(1),
            "{table}"
        );
        let refused = if sql.starts_with("insert") {
            Outcome::Denied
        } else {
            Outcome::Rows(0)
        };
        assert_eq!(
            attempt(Some(&ada), sql_on_row_of(BEN)).await,
            refused,
            "{table}"
        );
        assert_eq!(attempt(None, sql_on_row_of(ADA)).await, refused, "{table}");
        assert_eq!(
            attempt(Some("garbage"), sql_on_row_of(ADA)).await,
            refused,
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_person_cannot_give_a_row_to_another_person() {
    let mut people = People::new().await;
    for table in ["user_traits", "trait_profiles", "onboarding_sessions"] {
        let sql = format!("update {table} set user_id = '{}'", BEN.id);
        let given = attempt(
            &mut people.connection,
            "archety_user",
            Some(&ADA.claims()),
            &sql,
        )
        .await;
        assert_eq!(given, Outcome::Denied, "{table}");
    }
}

#[tokio::test]
async fn people_change_only_the_profile_columns_of_their_own_row() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    let columns: Vec<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns
         where table_schema = 'public' and table_name = 'users'",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("columns");
    for column in columns {
        let sql = format!("update users set {column} = {column}");
        let expected = if ["name", "meta_data", "updated_at"].contains(&column.as_str()) {
            Outcome::Rows(1)
        } else {
            Outcome::Denied
        };
        let outcome = attempt(connection, "archety_user", Some(&ADA.claims()), &sql).await;
        assert_eq!(outcome, expected, "{column}");
    }
}

/// A pool of one connection, so that the next query runs on the connection under test.
async fn pool(people: &People) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .connect(&people.database.url())
        .await
        .expect("the server is up")
}

/// The next query on the connection has another role, no claims, and sees both people.
async fn assert_role_and_claims_are_reset(pool: &PgPool, after: &str) {
    let (role, claims, seen): (String, Option<String>, i64) = sqlx::query_as(
        "select current_user::text, nullif(current_setting('request.jwt.claims', true), ''),
           (select count(*) from users)",
    )
    .fetch_one(pool)
    .await
    .expect("the connection is good");
    assert_ne!(role, "archety_user", "after {after}");
    assert_eq!((claims, seen), (None, 2), "after {after}");
}

async fn assert_only_ada_is_visible(transaction: &mut Tx) {
    let (role, seen): (String, i64) =
        sqlx::query_as("select current_user::text, (select count(*) from users)")
            .fetch_one(transaction.postgres().expect("Postgres"))
            .await
            .expect("a row");
    assert_eq!((role.as_str(), seen), ("archety_user", 1));
}

#[tokio::test]
async fn role_and_claims_are_reset_when_a_transaction_ends_in_any_way() {
    let people = People::new().await;
    let pool = pool(&people).await;
    for end in ["commit", "timeout", "drop", "error", "panic"] {
        let pool_of_task = pool.clone();
        let ended = tokio::spawn(async move {
            let pools = Pools::Postgres(pool_of_task.clone());
            let mut transaction = pools.begin_as(&ADA.actor()).await.expect("begun");
            assert_only_ada_is_visible(&mut transaction).await;
            match end {
                "commit" => transaction.commit().await.expect("committed"),
                "timeout" => {
                    let connection = transaction.postgres().expect("Postgres");
                    let slow = connection.execute("select pg_sleep(0.3)");
                    let done = tokio::time::timeout(Duration::from_millis(50), slow).await;
                    done.expect_err("under way");
                }
                "drop" => drop(transaction),
                "error" => {
                    let refused = transaction
                        .postgres()
                        .expect("Postgres")
                        .execute("select from accounts")
                        .await;
                    refused.expect_err("denied");
                    let done = transaction.commit().await;
                    done.expect("Postgres takes the commit of a failed transaction as a rollback");
                }
                _ => panic!("inside the transaction"),
            }
        });
        let panicked = ended.await.is_err_and(|error| error.is_panic());
        assert_eq!(panicked, end == "panic");
        assert_role_and_claims_are_reset(&pool, end).await;
    }
}

/// A client may hang up at any moment. The driver knows of a transaction only once the server has answered, so
/// it would not roll back one that is abandoned earlier.
#[tokio::test]
async fn a_transaction_abandoned_while_it_begins_leaves_nothing_on_the_connection() {
    let mut people = People::new().await;
    let pool = pool(&people).await;
    // Each round abandons the begin after one more poll.
    for polls in 1..=6 {
        let pools = Pools::Postgres(pool.clone());
        {
            let actor = ADA.actor();
            let mut begin = pin!(pools.begin_as(&actor));
            for _ in 0..polls {
                let is_begun =
                    poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready()));
                if is_begun.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert_role_and_claims_are_reset(&pool, "an abandoned begin").await;
        let name = format!("after {polls}");
        sqlx::query("update users set name = $1")
            .bind(&name)
            .execute(&pool)
            .await
            .expect("the connection is good");
        let kept: i64 = sqlx::query_scalar("select count(*) from users where name = $1")
            .bind(&name)
            .fetch_one(&mut people.connection)
            .await
            .expect("a count");
        assert_eq!(kept, 2, "the update was committed");
    }
}

#[tokio::test]
async fn a_begin_that_fails_leaves_the_connection_usable() {
    let people = People::new().await;
    // `anon` may not become `archety_user`.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(|connection, _| {
            Box::pin(async {
                connection
                    .execute("set session authorization anon")
                    .await
                    .map(drop)
            })
        })
        .connect(&people.database.url())
        .await
        .expect("the server is up");
    let pools = Pools::Postgres(pool.clone());
    let actor = ADA.actor();
    let refused = pools.begin_read(Some(&actor)).await.map(drop);
    refused.expect_err("denied");
    pool.execute("select 1").await.expect("a good connection");
}

#[tokio::test]
async fn a_write_in_a_reading_transaction_is_refused() {
    let people = People::new().await;
    let pool = pool(&people).await;
    let pools = Pools::Postgres(pool.clone());
    let mut transaction = pools.begin_read(Some(&ADA.actor())).await.expect("begun");
    let refused = transaction
        .postgres()
        .expect("Postgres")
        .execute("update users set name = 'n'")
        .await
        .expect_err("read only");
    let fault = refused.as_database_error().expect("Postgres refused");
    assert_eq!(
        fault.code().as_deref(),
        Some("25006"),
        "read-only transaction"
    );
    drop(transaction);
    assert_role_and_claims_are_reset(&pool, "a refused write").await;
}

/// A statement error is neither tried again nor reported as an unavailable database.
#[tokio::test]
async fn a_statement_without_the_needed_right_is_a_statement_error() {
    let people = People::new().await;
    let pool = pool(&people).await;
    let pools = Pools::Postgres(pool.clone());
    let mut transaction = pools.begin_as(&ADA.actor()).await.expect("begun");
    let refused = transaction
        .postgres()
        .expect("Postgres")
        .execute("delete from users")
        .await
        .expect_err("denied");
    assert!(matches!(
        StoreError::from(refused),
        StoreError::Statement(_)
    ));
}
