//! Access tokens of a Supabase project, with a shared secret and with a key pair.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use supabase_stand_in::{Fault, Settings, Signing};
use uuid::Uuid;

use super::support::{ADA, BOB, EXPIRED, Pair, Person, at_once, renewed};
use crate::support::{Engine, Postgres, Sqlite, TestPhone};

const USER: &str = "GET /auth/v1/user";
const JWKS: &str = "jwks.json";

/// A token of the person's only session, as the project would sign it. Another `mark` gives another token.
fn signed(pair: &Pair, header: &Value, phone: &str, mark: &str) -> String {
    let person = pair.provider().person_by_phone(phone).expect("an account");
    let now = pair.first().clock.now().as_secs();
    let claims = json!({
        "iss": pair.provider().issuer(), "sub": person.id, "aud": "authenticated",
        "role": "authenticated", "iat": now, "exp": now + 3_600,
        "session_id": person.sessions[0], "mark": mark,
    });
    pair.provider().mint(header, &claims)
}

fn with_token(phone: &TestPhone, token: &str) -> TestPhone {
    TestPhone {
        access_token: token.to_owned(),
        ..phone.clone()
    }
}

/// The same token with an invalid signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let reversed: String = signature.chars().rev().collect();
    format!("{signed}.{reversed}")
}

fn hs256() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

#[rstest]
#[tokio::test]
async fn an_hs256_token_that_the_backend_handed_out_works_until_it_expires_without_a_call(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    for _ in 0..20 {
        pair.advance(Duration::from_secs(90));
        assert!(phone.is_signed_in(pair.first()).await && phone.is_signed_in(pair.second()).await);
    }
    let next = renewed(&phone, &phone.refresh(pair.second()).await);
    assert_ne!(next.access_token, phone.access_token);
    for _ in 0..10 {
        pair.advance(Duration::from_secs(90));
        assert!(
            phone.is_signed_in(pair.first()).await,
            "the previous token still works"
        );
        assert!(next.is_signed_in(pair.first()).await);
    }
    assert_eq!(pair.request_count(USER), 0, "{}", pair.kind());
    pair.advance(EXPIRED);
    assert!(!phone.is_signed_in(pair.first()).await);
    assert!(!next.is_signed_in(pair.first()).await);
    assert_eq!(pair.request_count(USER), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn another_hs256_token_of_a_session_is_checked_at_the_provider_once_in_thirty_seconds(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let other = with_token(&phone, &signed(&pair, &hs256(), ADA, "one"));
    let another = with_token(&phone, &signed(&pair, &hs256(), ADA, "two"));
    for round in 1..=3 {
        let answers = at_once(20, |_| {
            let (other, app) = (other.clone(), pair.first().clone());
            async move { other.is_signed_in(&app).await }
        });
        assert_eq!(answers.await, vec![true; 20], "{}", pair.kind());
        for _ in 0..14 {
            assert!(other.is_signed_in(pair.first()).await);
            assert!(
                !another.is_signed_in(pair.first()).await,
                "only one token of a session is checked in thirty seconds"
            );
            assert!(phone.is_signed_in(pair.first()).await);
            pair.advance(Duration::from_secs(2));
        }
        assert_eq!(pair.request_count(USER), round, "{}", pair.kind());
        pair.advance(Duration::from_secs(2));
    }
    // The provider ends the session, which the next check notices.
    let person = pair.provider().person_by_phone(ADA).expect("an account");
    pair.provider().end_sessions(person.id);
    pair.advance(Duration::from_secs(30));
    assert!(!other.is_signed_in(pair.first()).await);
}

#[rstest]
#[tokio::test]
async fn forged_hs256_tokens_are_refused_with_few_calls_to_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    pair.first().signed_in(BOB).await;
    let mut calls = 0;
    for n in 0..90 {
        let real = signed(&pair, &hs256(), ADA, &n.to_string());
        for token in [forged(&real), forged(&phone.access_token)] {
            let thief = with_token(&phone, &token);
            assert!(!thief.is_signed_in(pair.first()).await, "{}", pair.kind());
            let list = thief.get(pair.first(), "/auth/sessions").await;
            assert_eq!(list.status, 401, "{}", list.text());
        }
        assert!(phone.is_signed_in(pair.first()).await);
        pair.advance(Duration::from_secs(1));
        calls = pair.request_count(USER);
    }
    assert!((1..=3).contains(&calls), "{calls} in 90 s");
    // The provider is not called for tokens that name an unknown session or person.
    let person = pair.provider().person_by_phone(ADA).expect("an account");
    for (sub, session) in [(person.id, Uuid::nil()), (Uuid::nil(), person.sessions[0])] {
        let now = pair.first().clock.now().as_secs();
        let claims = json!({
            "iss": pair.provider().issuer(), "sub": sub, "aud": "authenticated",
            "role": "authenticated", "exp": now + 60, "session_id": session,
        });
        let token = pair.provider().mint(&hs256(), &claims);
        assert!(!with_token(&phone, &token).is_signed_in(pair.first()).await);
    }
    // A token that names Ada's session and Bob's subject.
    let bob = pair.provider().person_by_phone(BOB).expect("an account");
    let now = pair.first().clock.now().as_secs();
    let claims = json!({
        "iss": pair.provider().issuer(), "sub": bob.id, "aud": "authenticated",
        "role": "authenticated", "exp": now + 60, "session_id": person.sessions[0],
    });
    let token = pair.provider().mint(&hs256(), &claims);
    assert!(!with_token(&phone, &token).is_signed_in(pair.first()).await);
    assert_eq!(pair.request_count(USER), calls);
}

#[rstest]
#[tokio::test]
async fn another_hs256_token_gets_503_while_the_provider_is_unavailable_and_the_session_continues(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let other = with_token(&phone, &signed(&pair, &hs256(), ADA, "one"));
    pair.provider().faults().always(USER, Fault::html(502));
    for _ in 0..3 {
        let refused = other.who_am_i(pair.first()).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(pair.request_count(USER), 1, "{}", pair.kind());
    assert!(phone.is_signed_in(pair.first()).await);
    pair.provider().faults().clear();
    pair.advance(Duration::from_secs(5));
    assert!(other.is_signed_in(pair.first()).await, "{}", pair.kind());
}

fn key_pair() -> Settings {
    Settings {
        signing: Signing::Es256,
        ..Settings::default()
    }
}

#[rstest]
#[tokio::test]
async fn es256_tokens_are_verified_without_calls_and_tokens_of_other_algorithms_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase_with(engine, &key_pair()).await;
    let phone = pair.first().signed_in(ADA).await;
    assert!(phone.is_signed_in(pair.first()).await);
    let keys = pair.request_count(JWKS);
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": pair.provider().kid() });
    // Every ES256 token of a live session is good. One with the same key id but another algorithm is refused.
    let other = with_token(&phone, &signed(&pair, &header, ADA, "one"));
    let by_secret = json!({ "alg": "HS256", "typ": "JWT", "kid": pair.provider().kid() });
    let confused = with_token(&phone, &signed(&pair, &by_secret, ADA, "one"));
    let unsigned = json!({ "alg": "none", "typ": "JWT" });
    let unsigned = with_token(&phone, &signed(&pair, &unsigned, ADA, "one"));
    for _ in 0..20 {
        assert!(phone.is_signed_in(pair.first()).await && other.is_signed_in(pair.first()).await);
        let thief = with_token(&phone, &forged(&phone.access_token));
        for thief in [&thief, &confused, &unsigned] {
            assert!(!thief.is_signed_in(pair.first()).await, "{}", pair.kind());
        }
        pair.advance(Duration::from_secs(5));
    }
    assert_eq!(
        (pair.request_count(JWKS), pair.request_count(USER)),
        (keys, 0)
    );
}

#[rstest]
#[tokio::test]
async fn without_the_list_of_keys_tokens_of_unknown_keys_get_503_and_known_keys_still_verify(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase_with(engine, &key_pair()).await;
    let phone = pair.first().signed_in(ADA).await;
    pair.provider().faults().always(JWKS, Fault::html(503));
    for _ in 0..5 {
        let refused = phone.who_am_i(pair.second()).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());
        let refused = phone.get(pair.second(), "/auth/sessions").await;
        assert_eq!(refused.fault(), "provider_unavailable");
    }
    pair.provider().faults().clear();
    pair.advance(Duration::from_secs(6));
    assert!(phone.is_signed_in(pair.second()).await, "{}", pair.kind());
    let id = phone.session_id(pair.second()).await;
    assert_eq!(pair.end_reason(id).await, None);
    // While the key list is unavailable, known keys still verify, and tokens with an unknown key id
    // cause few requests for the list.
    pair.provider().requests().clear();
    pair.provider().faults().always(JWKS, Fault::Drop);
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "unknown" });
    let unknown_key = with_token(&phone, &signed(&pair, &header, ADA, "one"));
    for _ in 0..60 {
        pair.advance(Duration::from_secs(1));
        assert!(phone.is_signed_in(pair.second()).await, "{}", pair.kind());
        let refused = unknown_key.get(pair.second(), "/auth/sessions").await;
        assert!(matches!(refused.status.as_u16(), 401 | 503));
    }
    assert!(
        pair.request_count(JWKS) <= 12,
        "{}",
        pair.request_count(JWKS)
    );
    assert_eq!(pair.end_reason(id).await, None);
}
