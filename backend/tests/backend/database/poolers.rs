//! Behind a pooler in transaction mode the backend does not start and leaves no settings on sessions. Behind a
//! pooler in session mode all settings apply, although the pooler accepts none at the start of a session.

use archety_backend::store::Pools;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::*;
use crate::store::message_builder::direct;
use crate::support::{PoolMode, Pooler};

const SETTINGS: &str = "select current_setting('search_path'), current_setting('statement_timeout'), \
     current_setting('enable_seqscan'), current_setting('row_security')";

type Settings = (String, String, String, String);

/// The settings that a session has in which the client sets none.
async fn settings(url: &str) -> Settings {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut connection = options
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .connect()
        .await
        .expect("the pooler is up");
    sqlx::query_as(SETTINGS)
        .persistent(false)
        .fetch_one(&mut connection)
        .await
        .expect("settings")
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_and_its_sessions_keep_their_settings() {
    let database = TestDatabase::migrated().await;
    if !database.accepts_any_password() {
        return;
    }
    let pooler = Pooler::in_front_of(&database, PoolMode::Transaction).await;
    let before = settings(&pooler.url()).await;
    let config = pooler.config();
    for refused in [
        open(&config).await.map(drop),
        migrate(&config).await.map(drop),
        Store::plan(&config, Environment::Development)
            .await
            .map(drop),
    ] {
        let refused = refused.expect_err("sessions are shared");
        assert!(
            matches!(refused, OpenError::TransactionPooler { .. }),
            "{refused:?}"
        );
        let report = refused.to_string();
        for part in ["127.0.0.1:", "transaction mode", "session mode", "5432"] {
            assert!(report.contains(part), "{part}: {report}");
        }
    }
    assert_eq!(
        settings(&pooler.url()).await,
        before,
        "the next client finds unchanged settings"
    );
}

#[tokio::test]
async fn sessions_of_a_pooler_in_session_mode_have_the_backends_settings() {
    let database = TestDatabase::empty().await;
    if !database.accepts_any_password() {
        return;
    }
    let name = database.name();
    database
        .run(&format!(
            "create schema first; alter database {name} set search_path = first, public"
        ))
        .await;
    let pooler = Pooler::in_front_of(&database, PoolMode::Session).await;
    migrate(&pooler.config()).await.expect("migrated");
    assert_eq!(misplaced_or_unprotected_tables(&database).await, [""; 0]);
    let store = open(&pooler.config()).await.expect("the store opens");
    store.store_message(direct("msg_1")).await.expect("stored");
    let Pools::Postgres(pool) = store.pools() else {
        panic!("a server");
    };
    let found: Settings = sqlx::query_as(SETTINGS)
        .fetch_one(pool)
        .await
        .expect("settings");
    let expected = ["public,pg_temp", "10s", "off", "on"].map(str::to_owned);
    assert_eq!([found.0, found.1, found.2, found.3], expected);
    store.close().await;
}
