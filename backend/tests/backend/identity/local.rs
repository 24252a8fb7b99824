//! Access tokens that the backend signs itself: their claims, and signing keys that replicas share, rotate
//! and encrypt again.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::IdentityConfig;
use archety_backend::identity::{
    ACCESS_TOKEN_TTL, Claims, Grant, Identity, InvalidToken, LEEWAY, SessionRef, TokenError,
    Verified, rotate_signing_key,
};
use archety_backend::keyring::Keyring;
use archety_backend::store::Store;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{
    CLIENT_ADDRESS, LONG_TIMEOUTS, OTHER_PASSWORD_KEY, SESSION_KEY, keyring, new_user, token,
};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const SESSION: Uuid = Uuid::from_u128(7);
/// Longer than the time between publication of a new key and its first signature.
const STANDBY: Duration = Duration::from_mins(3);

async fn open_with(store: &Store, ring: Arc<Keyring>, now: Timestamp) -> Arc<Identity> {
    let opened = Identity::open(&IdentityConfig::Local, LONG_TIMEOUTS, store, ring, now).await;
    Arc::new(opened.expect("the database has local identities"))
}

async fn open(store: &Store) -> Arc<Identity> {
    open_with(store, keyring(SESSION_KEY), NOW).await
}

async fn issue(identity: &Identity, subject: Uuid, now: Timestamp) -> Grant {
    let issued = identity.refresh(SESSION, subject, None, now).await;
    issued.expect("issued")
}

fn token_part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn key_ids(identity: &Identity, now: Timestamp) -> Vec<String> {
    let document: Value = serde_json::from_str(&identity.jwks(now).await.json).expect("JSON");
    let keys = document["keys"].as_array().expect("a list");
    keys.iter()
        .map(|key| key["kid"].as_str().expect("a name").to_owned())
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_token_names_person_session_and_expiry_and_is_accepted_until_it_expires(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let identity = open(&base.store).await;
    let ada = new_user(&base.store, 1, NOW).await;
    let signed_in = identity
        .sign_in(&ada.person(), SESSION, CLIENT_ADDRESS, NOW)
        .await;
    let grant = signed_in.expect("signed in");
    assert!(grant.upstream.is_none());
    assert_eq!(grant.subject, ada.user_id);
    assert_eq!(grant.expires_at, NOW.plus(ACCESS_TOKEN_TTL));
    let kid = token_part(token(&grant), 0)["kid"].clone();
    assert_eq!(
        token_part(token(&grant), 0),
        json!({"alg": "ES256", "typ": "JWT", "kid": kid})
    );
    let (iat, exp) = (NOW.as_secs(), NOW.as_secs() + 3_600);
    assert_eq!(
        token_part(token(&grant), 1),
        json!({"iss": identity.issuer(), "sub": ada.user_id, "aud": "authenticated",
            "role": "authenticated", "session_id": SESSION, "iat": iat, "exp": exp, "aal": "aal1",
            "is_anonymous": false})
    );
    let claims = Claims {
        subject: ada.user_id,
        session: SessionRef::Own(SESSION),
        expires_at: grant.expires_at,
    };
    for _ in 0..2 {
        let verified = identity.verify(token(&grant), NOW).await;
        assert_eq!(verified, Ok(Verified::Proven(claims.clone())));
    }
    // Row-level security finds the person by issuer and subject, so the account has to be confirmed.
    let account = base
        .store
        .read_account(ada.user_id, identity.issuer())
        .await;
    assert!(account.expect("answers").expect("an account").is_confirmed);
    let end = grant.expires_at.plus(LEEWAY);
    let nearly = end.minus(Duration::from_micros(1));
    assert!(identity.verify(token(&grant), nearly).await.is_ok());
    let expired = identity.verify(token(&grant), end).await;
    assert_eq!(expired, Err(TokenError::Invalid(InvalidToken::Expired)));
    // A replica that sees the token for the first time refuses it, too.
    let fresh = open(&base.second().await).await;
    let expired = fresh.verify(token(&grant), end).await;
    assert_eq!(expired, Err(TokenError::Invalid(InvalidToken::Expired)));
}

#[tokio::test]
async fn the_published_key_verifies_an_issued_token() {
    let base = TestStore::sqlite().await;
    let identity = open(&base.store).await;
    let grant = issue(&identity, Uuid::from_u128(1), NOW).await;
    let document = identity.jwks(NOW).await;
    assert!(document.max_age < STANDBY);
    assert!(!document.json.contains("\"d\""), "no private part");
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&document.json).expect("a set");
    let kid = token_part(token(&grant), 0)["kid"]
        .as_str()
        .expect("a name")
        .to_owned();
    let jwk = set.find(&kid).expect("published");
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).expect("a key");
    let (signed, signature) = token(&grant).rsplit_once('.').expect("signed");
    let is_valid = jsonwebtoken::crypto::verify(
        signature,
        signed.as_bytes(),
        &key,
        jsonwebtoken::Algorithm::ES256,
    );
    assert_eq!(is_valid, Ok(true));
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_simultaneously_agree_on_one_key(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = if n % 2 == 0 {
            base.store.clone()
        } else {
            base.second().await
        };
        tasks.spawn(async move { open(&store).await });
    }
    let replicas = tasks.join_all().await;
    let first = key_ids(&replicas[0], NOW).await;
    assert_eq!(first.len(), 1);
    for replica in &replicas {
        assert_eq!(key_ids(replica, NOW).await, first, "{}", base.kind);
    }
}

#[rstest]
#[tokio::test]
async fn during_a_rotation_every_replica_accepts_every_token(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (one, two) = (open(&base.store).await, open(&base.second().await).await);
    let subject = Uuid::from_u128(1);
    let old = issue(&one, subject, NOW).await;
    let old_kid = token_part(token(&old), 0)["kid"].clone();
    let ring = keyring(SESSION_KEY);
    let new_kid = rotate_signing_key(&base.store, &ring, NOW)
        .await
        .expect("rotated");
    // The new key is published at once. No replica signs with it yet, not even one that has loaded it.
    let started = open(&base.store).await;
    assert_eq!(key_ids(&started, NOW).await.len(), 2);
    let early = issue(&started, subject, NOW.plus(Duration::from_secs(170))).await;
    assert_eq!(
        token_part(token(&early), 0)["kid"],
        old_kid,
        "{}",
        base.kind
    );
    // After the standby time every replica signs with the new key, and accepts the tokens of the others.
    let after_standby = NOW.plus(STANDBY);
    let grants = [
        issue(&one, subject, after_standby).await,
        issue(&two, subject, after_standby).await,
    ];
    for grant in &grants {
        assert_eq!(token_part(token(grant), 0)["kid"], json!(new_kid));
        for replica in [&one, &two, &started] {
            assert!(replica.verify(token(grant), after_standby).await.is_ok());
        }
    }
    // The old key verifies for as long as the last token that it signed.
    let last = issue(&two, subject, after_standby.minus(Duration::from_secs(1))).await;
    assert!(two.verify(token(&last), last.expires_at).await.is_ok());
    assert!(one.verify(token(&last), last.expires_at).await.is_ok());
    // Two minutes later the old key is removed.
    let after = after_standby
        .plus(ACCESS_TOKEN_TTL)
        .plus(Duration::from_mins(2));
    assert_eq!(key_ids(&one, after).await, std::slice::from_ref(&new_kid));
    let restarted = open_with(&base.second().await, ring, after).await;
    assert_eq!(key_ids(&restarted, after).await, [new_kid]);
    assert_eq!(base.store.signing_keys().await.expect("answers").len(), 1);
}

#[rstest]
#[tokio::test]
async fn two_simultaneous_rotations_leave_one_key_that_is_not_retired(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let identity = open(&base.store).await;
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let store = base.second().await;
        tasks.spawn(async move {
            let rotated = rotate_signing_key(&store, &keyring(SESSION_KEY), NOW).await;
            rotated.expect("rotated")
        });
    }
    tasks.join_all().await;
    let keys = base.store.signing_keys().await.expect("answers");
    assert_eq!(keys.len(), 3);
    let not_retired = keys.iter().filter(|key| key.retired_at.is_none());
    assert_eq!(not_retired.count(), 1, "{}", base.kind);
    let later = NOW.plus(Duration::from_mins(5));
    let grant = issue(&identity, Uuid::from_u128(1), later).await;
    assert!(identity.verify(token(&grant), later).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn an_unknown_key_of_another_replica_is_loaded_from_the_store(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let one = open(&base.store).await;
    // With clocks that differ, or a restored database, the other replica signs with the new key at once.
    rotate_signing_key(&base.store, &keyring(SESSION_KEY), NOW.minus(STANDBY))
        .await
        .expect("rotated");
    let two = open(&base.second().await).await;
    let grant = issue(&two, Uuid::from_u128(1), NOW).await;
    assert!(
        one.verify(token(&grant), NOW).await.is_ok(),
        "{}",
        base.kind
    );
}

#[rstest]
#[tokio::test]
async fn keys_are_encrypted_with_the_newest_session_secret_and_running_replicas_keep_working(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let old = open(&base.store).await;
    let subject = Uuid::from_u128(1);
    let grant = issue(&old, subject, NOW).await;
    let both = format!("{OTHER_PASSWORD_KEY},{SESSION_KEY}");
    let new = open_with(&base.second().await, keyring(&both), NOW).await;
    assert!(new.verify(token(&grant), NOW).await.is_ok());
    // The replica with both secrets has encrypted the key again, so the old secret is not needed any more.
    let with_new_secret = open_with(&base.second().await, keyring(OTHER_PASSWORD_KEY), NOW).await;
    assert!(
        with_new_secret.verify(token(&grant), NOW).await.is_ok(),
        "{}",
        base.kind
    );
    // A replica with the old secret cannot decrypt the new key. It continues with the key that it has loaded.
    let later = NOW.plus(Duration::from_mins(2));
    rotate_signing_key(&base.store, &keyring(OTHER_PASSWORD_KEY), later)
        .await
        .expect("rotated");
    let later = later.plus(Duration::from_mins(2));
    let grant = issue(&old, subject, later).await;
    assert!(with_new_secret.verify(token(&grant), later).await.is_ok());
    // A backend that can decrypt no signing key does not start.
    let opened = Identity::open(
        &IdentityConfig::Local,
        LONG_TIMEOUTS,
        &base.store,
        keyring(SESSION_KEY),
        later,
    );
    let Err(refused) = opened.await else {
        panic!("{}: no signing key can be decrypted", base.kind);
    };
    assert!(refused.to_string().contains("SESSION_SECRET"), "{refused}");
}

#[tokio::test]
async fn without_the_store_known_keys_verify_tokens_and_unknown_keys_are_reported_as_unavailable() {
    let base = TestStore::postgres().await;
    let identity = open(&base.store).await;
    let grant = issue(&identity, Uuid::from_u128(1), NOW).await;
    base.database.as_ref().expect("postgres").vanish().await;
    let later = NOW.plus(Duration::from_mins(10));
    assert!(identity.verify(token(&grant), later).await.is_ok());
    // An unknown key may be a new one, so the answer is "unavailable" and not "invalid".
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"new"}"#);
    let (_, rest) = token(&grant).split_once('.').expect("three parts");
    let later = later.plus(Duration::from_mins(1));
    let unknown = identity.verify(&format!("{header}.{rest}"), later).await;
    assert!(
        matches!(unknown, Err(TokenError::Unavailable { .. })),
        "{unknown:?}"
    );
}
