//! A database is bound to one identity issuer until the operator runs `identity switch`.

use archety_backend::config::IdentityConfig;
use archety_backend::identity::{Identity, OpenIdentityError, switch_identity};
use archety_backend::store::{Pools, Store};
use rstest::rstest;
use supabase_stand_in::{Settings, StandIn};
use uuid::Uuid;

use super::support::{
    KeyKind, LONG_TIMEOUTS, PASSWORD_KEY, SESSION_KEY, TestUser, config, keyring, new_user,
};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

async fn open(config: &IdentityConfig, store: &Store) -> Result<Identity, OpenIdentityError> {
    Identity::open(config, LONG_TIMEOUTS, store, keyring(SESSION_KEY), NOW).await
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    match store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a number")
}

async fn create_account(store: &Store, user: &TestUser, issuer: &str) {
    let account = store.find_or_create_account(user.user_id, issuer, user.user_id, NOW);
    account
        .await
        .expect("the store answers")
        .expect("the subject is free");
}

async fn insert_session(store: &Store, id: u128, user_id: Uuid) {
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

#[rstest]
#[tokio::test]
async fn local_identities_are_refused_on_a_database_with_an_account_at_supabase(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let supabase = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    let base = TestStore::new(engine).await;
    let identity = open(&supabase, &base.store).await.expect("the first");
    assert_eq!(identity.issuer(), project.issuer());
    open(&supabase, &base.second().await)
        .await
        .expect("the same");
    let ada = new_user(&base.store, 1, NOW).await;
    create_account(&base.store, &ada, identity.issuer()).await;
    let Err(refused) = open(&IdentityConfig::Local, &base.store).await else {
        panic!("{}: another issuer", base.kind);
    };
    let message = refused.to_string();
    assert!(
        message.contains("archety-backend identity switch"),
        "{message}"
    );
    assert!(message.contains(&project.issuer()), "{message}");
    assert!(message.contains("IDENTITY=local"), "{message}");
    assert_eq!(
        project.requests().all().len(),
        0,
        "the project gets no request"
    );
}

#[rstest]
#[tokio::test]
async fn the_issuer_may_change_until_the_first_session_or_account(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let right = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    let mut typo = config(&project, KeyKind::Legacy, &[PASSWORD_KEY]);
    typo.issuer.push_str("/typo");
    let typo = IdentityConfig::Supabase(typo);
    let base = TestStore::new(engine).await;
    let store = &base.store;
    open(&typo, store).await.expect("the first");
    open(&IdentityConfig::Local, store)
        .await
        .expect("no session and no account binds the database");
    // A person who has only sent messages has no account, so the issuer may still change.
    let ada = new_user(store, 1, NOW).await;
    open(&right, store)
        .await
        .expect("no session and no account binds the database");
    insert_session(store, 1, ada.user_id).await;
    assert!(
        open(&typo, store).await.is_err(),
        "{}: a session",
        base.kind
    );
    open(&right, store).await.expect("the bound issuer");
    let base = TestStore::new(engine).await;
    let store = &base.store;
    open(&right, store).await.expect("the first");
    let ada = new_user(store, 1, NOW).await;
    create_account(store, &ada, &project.issuer()).await;
    assert!(
        open(&typo, store).await.is_err(),
        "{}: an account",
        base.kind
    );
    open(&right, store).await.expect("the bound issuer");
}

#[rstest]
#[tokio::test]
async fn switching_the_issuer_ends_all_sessions_and_switching_back_restores_the_local_issuer(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const OPEN_SESSIONS: &str = "select count(*) from sessions where ended_at is null";
    const SESSIONS_WITH_TOKENS: &str = "select count(*) from sessions where upstream_tokens is not null or access_hash is not null";
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let supabase = IdentityConfig::Supabase(config(&project, KeyKind::Legacy, &[PASSWORD_KEY]));
    let base = TestStore::new(engine).await;
    let store = &base.store;
    let local = open(&IdentityConfig::Local, store)
        .await
        .expect("the first");
    let local_issuer = local.issuer().to_owned();
    let ada = new_user(store, 1, NOW).await;
    insert_session(store, 1, ada.user_id).await;
    insert_session(store, 2, ada.user_id).await;
    let ended = switch_identity(&supabase, store, NOW).await;
    assert_eq!(ended.expect("switched"), 2, "{}", base.kind);
    assert_eq!(
        (
            count(store, OPEN_SESSIONS).await,
            count(store, SESSIONS_WITH_TOKENS).await
        ),
        (0, 0)
    );
    assert!(open(&IdentityConfig::Local, store).await.is_err());
    open(&supabase, store).await.expect("the bound issuer");
    let again = switch_identity(&IdentityConfig::Local, store, NOW).await;
    assert_eq!(again.expect("switched"), 0);
    let back = open(&IdentityConfig::Local, store).await.expect("bound");
    assert_eq!(back.issuer(), local_issuer, "{}", base.kind);
}

#[rstest]
#[tokio::test]
async fn each_database_has_a_local_issuer_of_its_own(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut issuers = Vec::new();
    for _ in 0..2 {
        let base = TestStore::new(engine).await;
        let identity = open(&IdentityConfig::Local, &base.store).await;
        issuers.push(identity.expect("new").issuer().to_owned());
    }
    assert_ne!(issuers[0], issuers[1], "{engine:?}");
}
