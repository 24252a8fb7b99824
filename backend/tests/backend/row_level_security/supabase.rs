//! A database like one of Supabase: a schema `auth` that only Supabase may write to, the roles of the Data API with
//! default rights on every new table, and a login that is no superuser.

use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Adoption, Pools, Store};
use url::Url;

use super::catalogue::assert_closed;
use super::*;
use crate::support::{NOW, TestDatabase};

/// The login of all these databases. A login belongs to the whole server and would outlive its database.
const LOGIN: &str = "archety_test_login";

struct Supabase {
    /// Deletes the database when dropped.
    _database: TestDatabase,
    url: String,
}

impl Supabase {
    async fn new() -> Self {
        let database = TestDatabase::empty().await;
        let mut admin = database.connect().await;
        let name: String = sqlx::query_scalar("select current_database()::text")
            .fetch_one(&mut admin)
            .await
            .expect("a name");
        let sql = include_str!("supabase.sql")
            .replace("{login}", LOGIN)
            .replace("{database}", &name);
        admin
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .expect("a database like Supabase's");
        // From Postgres 16 on only the login that created a role may grant it. At Supabase that is this login. Here
        // another test may have created the role before.
        let shared = "do $$ begin
            if current_setting('server_version_num')::int >= 160000
              and exists (select 1 from pg_roles where rolname = 'archety_user') then
              execute format('grant archety_user to %I with admin true, inherit false, set false', '{login}');
            end if;
          end $$";
        admin
            .execute(AssertSqlSafe(shared.replace("{login}", LOGIN)))
            .await
            .expect("the right to grant");
        let mut url = Url::parse(&database.url()).expect("a URL");
        url.set_username(LOGIN).expect("a host");
        url.set_password(Some("local")).expect("a host");
        Self {
            _database: database,
            url: url.into(),
        }
    }

    fn config(&self) -> DatabaseConfig {
        DatabaseConfig::from(DatabaseKind::Postgres {
            url: self.url.as_str().into(),
        })
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a login")
    }

    async fn migrate(&self, adoption: Adoption) {
        Store::migrate(&self.config(), Environment::Development, adoption, NOW)
            .await
            .expect("migrated");
    }
}

#[tokio::test]
async fn new_tables_are_closed_despite_the_default_rights_of_supabase() {
    let supabase = Supabase::new().await;
    let mut connection = supabase.connect().await;
    let refused = connection
        .execute("create table auth.ours (id integer)")
        .await;
    assert!(refused.is_err(), "the stage is set: auth is not ours");
    for _ in 0..2 {
        supabase.migrate(Adoption::Refused).await;
    }
    assert_closed(&mut connection).await;
    // A table that a later migration creates without setting rights is closed, too.
    connection
        .execute("create table later (id integer); create sequence later_ids")
        .await
        .expect("created");
    for role in ["anon", "authenticated", "archety_user"] {
        for sql in [
            "select from later",
            "insert into later values (1)",
            "select nextval('later_ids')",
        ] {
            let outcome = attempt(&mut connection, role, None, sql).await;
            assert_eq!(outcome, Outcome::Denied, "{role}: {sql}");
        }
    }
    let kept: bool = sqlx::query_scalar(
        "select to_regprocedure('auth.uid()') is not null and to_regprocedure('auth.jwt()') is not null",
    )
    .fetch_one(&mut connection)
    .await
    .expect("a catalogue");
    assert!(kept, "what is Supabase's stands");
}

#[tokio::test]
async fn the_backend_works_on_supabase_with_a_plain_login() {
    let supabase = Supabase::new().await;
    supabase.migrate(Adoption::Refused).await;
    let store = Store::open(&supabase.config(), Environment::Development, NOW)
        .await
        .expect("opened");
    let Pools::Postgres(pool) = store.pools() else {
        panic!("Postgres was asked for");
    };
    for person in [ADA, BEN] {
        sqlx::query("insert into users (id, phone) values ($1, $2)")
            .bind(person.id)
            .bind(person.subject.to_string())
            .execute(pool)
            .await
            .expect("a person");
        sqlx::query("insert into accounts values ($1, $2, $3, now(), now())")
            .bind(ISSUER)
            .bind(person.id)
            .bind(person.subject)
            .execute(pool)
            .await
            .expect("an account");
    }
    let people: i64 = sqlx::query_scalar("select count(*) from users")
        .fetch_one(pool)
        .await
        .expect("a count");
    assert_eq!(people, 2, "the service sees all");
    let pools = Pools::Postgres(pool.clone());
    let mut transaction = pools
        .begin_as(&ADA.actor())
        .await
        .expect("it may become the guarded role");
    let renamed: Vec<uuid::Uuid> = sqlx::query_scalar("update users set name = 'n' returning id")
        .fetch_all(transaction.postgres().expect("Postgres"))
        .await
        .expect("their own row");
    assert_eq!(renamed, [ADA.id]);
    transaction.commit().await.expect("committed");
    store.close().await;
}

#[tokio::test]
async fn an_older_deployment_on_supabase_is_adopted_and_closed() {
    let supabase = Supabase::new().await;
    let mut connection = supabase.connect().await;
    let older = crate::support::fixture("legacy/postgres.sql")
        .unwrap_or_else(|| include_str!("../adoption/older.sql").to_owned());
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(older)))
        .await
        .expect("the fixture loads");
    let open = attempt(&mut connection, "anon", None, "select from users").await;
    assert_eq!(
        open,
        Outcome::Rows(3),
        "the stage is set: the world reads it"
    );
    supabase.migrate(Adoption::Allowed).await;
    assert_closed(&mut connection).await;
}
