//! `archety_user`, the role of the backend's user routes: the rows that it may write, and that the role ends with its
//! transaction.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use archety_backend::store::{Pools, StoreError, Tx};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::*;

/// Every permitted write. `{whose}` stands for the id of the person whose row is written.
const WRITES: [(&str, &str); 8] = [
    (
        "users",
        "update users set name = 'n', meta_data = '{}', updated_at = now() where id = {whose}",
    ),
    (
        "user_traits",
        "insert into user_traits (id, user_id, name, value, source, created_at, updated_at)
       values (gen_random_uuid(), {whose}, 'new', '1', 's', now(), now())",
    ),
    (
        "user_traits",
        "update user_traits set value = '2', updated_at = now() where user_id = {whose}",
    ),
    (
        "user_traits",
        "delete from user_traits where user_id = {whose}",
    ),
    (
        "trait_profiles",
        "insert into trait_profiles (user_id, profile, created_at, updated_at)
       values ({whose}, '{}', now(), now())
       on conflict (user_id) do update set profile = excluded.profile",
    ),
    (
        "trait_profiles",
        "update trait_profiles set profile = '{}' where user_id = {whose}",
    ),
    (
        "onboarding_sessions",
        "insert into onboarding_sessions
       (id, user_id, persona_id, stage, answers, started_at, updated_at)
       values (gen_random_uuid(), {whose}, 'sage', 'greeting', '{}', now(), now())",
    ),
    (
        "onboarding_sessions",
        "update onboarding_sessions set stage = 's' where user_id = {whose}",
    ),
];

#[tokio::test]
async fn a_person_writes_their_own_rows_and_no_others() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    for (table, sql) in WRITES {
        let sql_for = |person: Person| sql.replace("{whose}", &format!("'{}'", person.id));
        let ada = ADA.claims();
        let mut attempt = async |claims: Option<&str>, sql: String| {
            super::attempt(connection, "archety_user", claims, &sql).await
        };
        assert_eq!(
            attempt(Some(&ada), sql_for(ADA)).await,
            Outcome::Rows(1),
            "{table}"
        );
        let refused = if sql.starts_with("insert") {
            Outcome::Denied
        } else {
            Outcome::Rows(0)
        };
        assert_eq!(attempt(Some(&ada), sql_for(BEN)).await, refused, "{table}");
        assert_eq!(attempt(None, sql_for(ADA)).await, refused, "{table}");
        assert_eq!(
            attempt(Some("garbage"), sql_for(ADA)).await,
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

/// A pool of one connection, so that each transaction gets the connection of the one before.
async fn pool(people: &People) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .connect(&people.database.url())
        .await
        .expect("the server is up")
}

/// Asserts that the connection has neither the role nor the claims of a person.
async fn assert_clean(pool: &PgPool, after: &str) {
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

async fn assert_runs_as_ada(transaction: &mut Tx) {
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
    for end in ["commit", "given up", "drop", "error", "panic"] {
        let pool_of_task = pool.clone();
        let ended = tokio::spawn(async move {
            let pools = Pools::Postgres(pool_of_task.clone());
            let mut transaction = pools.begin_as(&ADA.actor()).await.expect("begun");
            assert_runs_as_ada(&mut transaction).await;
            match end {
                "commit" => transaction.commit().await.expect("committed"),
                "given up" => {
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
                    done.expect("a failed one commits as a rollback");
                }
                _ => panic!("in the middle of it"),
            }
        });
        let panicked = ended.await.is_err_and(|error| error.is_panic());
        assert_eq!(panicked, end == "panic");
        assert_clean(&pool, end).await;
    }
}

/// A request may be cancelled at any moment, and the driver counts a transaction as open only once the server has
/// answered its `begin`.
#[tokio::test]
async fn a_transaction_abandoned_while_it_begins_leaves_nothing_on_the_connection() {
    let mut people = People::new().await;
    let pool = pool(&people).await;
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
        assert_clean(&pool, "being given up").await;
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
        assert_eq!(kept, 2, "it was committed");
    }
}

#[tokio::test]
async fn a_begin_that_fails_leaves_the_connection_usable() {
    let people = People::new().await;
    // The login `anon` may not switch to the role `archety_user`.
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
async fn a_reading_transaction_writes_nothing() {
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
    assert!(
        matches!(refused, sqlx::Error::Database(ref fault) if fault.code().as_deref() == Some("25006"))
    );
    drop(transaction);
    assert_clean(&pool, "a refused write").await;
}

/// `StoreError::Unavailable` would make the caller retry and report that the database does not answer.
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
