//! A database has its people from one issuer, until its owner says otherwise.

use archety_backend::config::IdentityConfig;
use archety_backend::identity::{Identity, OpenIdentityError, switch_identity};
use archety_backend::store::{Pools, Store};
use supabase_stand_in::{Settings, StandIn};
use uuid::Uuid;

use super::support::{
    KeyKind, PASSWORD_KEY, PATIENT, SESSION_KEY, Somebody, config, keyring, somebody,
};
use crate::support::{NOW, stores};

async fn open(config: &IdentityConfig, store: &Store) -> Result<Identity, OpenIdentityError> {
    Identity::open(config, PATIENT, store, keyring(SESSION_KEY), NOW).await
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    match store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a number")
}

async fn account(store: &Store, somebody: &Somebody, issuer: &str) {
    let account = store.account(somebody.user_id, issuer, somebody.user_id, NOW);
    account.await.expect("the store answers").expect("nobody's");
}

async fn open_session(store: &Store, id: u128, user_id: Uuid) {
    const SQL: &str = "insert into sessions (id, user_id, transport, issuer, remember, created_at, \
         last_seen_at, idle_expires_at, expires_at, step_up_is_test, token_counter, upstream_tokens, \
         access_hash, upstream_version) \
         values ($1, $2, 'bearer', 'x', false, $3, $3, $3, $3, false, 0, $4, $4, 0)";
    let sealed = &b"sealed"[..];
    match store.pools() {
        Pools::Postgres(pool) => sqlx::query(SQL)
            .bind(Uuid::from_u128(id))
            .bind(user_id)
            .bind(NOW)
            .bind(sealed)
            .execute(pool)
            .await
            .map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(SQL)
            .bind(Uuid::from_u128(id))
            .bind(user_id)
            .bind(NOW)
            .bind(sealed)
            .execute(writer)
            .await
            .map(drop),
    }
    .expect("a session");
}

#[tokio::test]
async fn a_vanished_configuration_does_not_turn_people_into_others() {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let supabase = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    for base in stores().await {
        let identity = open(&supabase, &base.store).await.expect("the first");
        assert_eq!(identity.issuer(), project.issuer());
        open(&supabase, &base.second().await)
            .await
            .expect("the same");
        let ada = somebody(&base.store, 1, NOW).await;
        account(&base.store, &ada, identity.issuer()).await;
        let Err(refused) = open(&IdentityConfig::Local, &base.store).await else {
            panic!("{}: another issuer", base.kind);
        };
        let told = refused.to_string();
        assert!(told.contains("archety-backend identity switch"), "{told}");
        assert!(told.contains(&project.issuer()), "{told}");
        assert!(told.contains("IDENTITY=local"), "{told}");
    }
    assert_eq!(project.requests().all().len(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_typo_at_the_first_start_binds_nothing() {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let right = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    let mut typo = config(&project, KeyKind::Legacy, &[PASSWORD_KEY]);
    typo.issuer.push_str("/typo");
    let typo = IdentityConfig::Supabase(typo);
    for base in stores().await {
        let store = &base.store;
        open(&typo, store).await.expect("the first");
        open(&IdentityConfig::Local, store).await.expect("nobody");
        // Somebody who only texted has no identity to lose.
        let ada = somebody(store, 1, NOW).await;
        open(&right, store).await.expect("nobody has signed in");
        open_session(store, 1, ada.user_id).await;
        assert!(
            open(&typo, store).await.is_err(),
            "{}: a session",
            base.kind
        );
        open(&right, store).await.expect("bound to it");
    }
    for base in stores().await {
        let store = &base.store;
        open(&right, store).await.expect("the first");
        let ada = somebody(store, 1, NOW).await;
        account(store, &ada, &project.issuer()).await;
        assert!(
            open(&typo, store).await.is_err(),
            "{}: an account",
            base.kind
        );
        open(&right, store).await.expect("bound to it");
    }
}

#[tokio::test]
async fn switching_ends_every_session_and_back_again_finds_the_same_issuer() {
    const ALIVE: &str = "select count(*) from sessions where ended_at is null";
    const KEPT: &str = "select count(*) from sessions where upstream_tokens is not null or access_hash is not null";
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let supabase = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    for base in stores().await {
        let store = &base.store;
        let own = open(&IdentityConfig::Local, store)
            .await
            .expect("the first");
        let own = own.issuer().to_owned();
        let ada = somebody(store, 1, NOW).await;
        open_session(store, 1, ada.user_id).await;
        open_session(store, 2, ada.user_id).await;
        let ended = switch_identity(&supabase, store, NOW).await;
        assert_eq!(ended.expect("switched"), 2, "{}", base.kind);
        assert_eq!(
            (count(store, ALIVE).await, count(store, KEPT).await),
            (0, 0)
        );
        assert!(open(&IdentityConfig::Local, store).await.is_err());
        open(&supabase, store).await.expect("bound to it now");
        let again = switch_identity(&IdentityConfig::Local, store, NOW).await;
        assert_eq!(again.expect("switched"), 0);
        let back = open(&IdentityConfig::Local, store).await.expect("bound");
        assert_eq!(back.issuer(), own, "{}", base.kind);
    }
}

#[tokio::test]
async fn databases_have_issuers_of_their_own() {
    let mut issuers = std::collections::HashSet::new();
    for base in stores().await {
        let identity = open(&IdentityConfig::Local, &base.store)
            .await
            .expect("new");
        assert!(
            issuers.insert(identity.issuer().to_owned()),
            "{}",
            base.kind
        );
    }
}
