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

/// A token of the person's only session, as the project would sign it. Tokens with different `mark` differ.
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

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let turned: String = signature.chars().rev().collect();
    format!("{signed}.{turned}")
}

fn hs256() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

#[rstest]
#[tokio::test]
async fn by_secret_what_was_issued_is_known_without_asking(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    for _ in 0..20 {
        pair.advance(Duration::from_secs(90));
        assert!(phone.is_in(pair.first()).await && phone.is_in(pair.second()).await);
    }
    let next = renewed(&phone, &phone.refresh(pair.second()).await);
    assert_ne!(next.access_token, phone.access_token);
    for _ in 0..10 {
        pair.advance(Duration::from_secs(90));
        assert!(phone.is_in(pair.first()).await, "the one before, too");
        assert!(next.is_in(pair.first()).await);
    }
    assert_eq!(pair.asked(USER), 0, "{}", pair.kind());
    pair.advance(EXPIRED);
    assert!(!phone.is_in(pair.first()).await);
    assert!(!next.is_in(pair.first()).await);
    assert_eq!(pair.asked(USER), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn by_secret_another_token_of_the_session_is_asked_about_now_and_then(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let other = with_token(&phone, &signed(&pair, &hs256(), ADA, "one"));
    let another = with_token(&phone, &signed(&pair, &hs256(), ADA, "two"));
    for round in 1..=3 {
        let answers = at_once(20, |_| {
            let (other, app) = (other.clone(), pair.first().clone());
            async move { other.is_in(&app).await }
        });
        assert_eq!(answers.await, vec![true; 20], "{}", pair.kind());
        for _ in 0..14 {
            assert!(other.is_in(pair.first()).await);
            assert!(!another.is_in(pair.first()).await, "its turn is over");
            assert!(phone.is_in(pair.first()).await);
            pair.advance(Duration::from_secs(2));
        }
        assert_eq!(pair.asked(USER), round, "{}", pair.kind());
        pair.advance(Duration::from_secs(2));
    }
    // Known to the provider no more.
    let person = pair.provider().person_by_phone(ADA).expect("an account");
    pair.provider().end_sessions(person.id);
    pair.advance(Duration::from_secs(30));
    assert!(!other.is_in(pair.first()).await);
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
            assert!(!thief.is_in(pair.first()).await, "{}", pair.kind());
            let list = thief.get(pair.first(), "/auth/sessions").await;
            assert_eq!(list.status, 401, "{}", list.text());
        }
        assert!(phone.is_in(pair.first()).await);
        pair.advance(Duration::from_secs(1));
        calls = pair.asked(USER);
    }
    assert!((1..=3).contains(&calls), "{calls} in 90 s");
    // Tokens that name a session we do not have: the provider is not asked.
    let person = pair.provider().person_by_phone(ADA).expect("an account");
    for (sub, session) in [(person.id, Uuid::nil()), (Uuid::nil(), person.sessions[0])] {
        let now = pair.first().clock.now().as_secs();
        let claims = json!({
            "iss": pair.provider().issuer(), "sub": sub, "aud": "authenticated",
            "role": "authenticated", "exp": now + 60, "session_id": session,
        });
        let token = pair.provider().mint(&hs256(), &claims);
        assert!(!with_token(&phone, &token).is_in(pair.first()).await);
    }
    // A token that names Ada's session and Bob's subject.
    let bob = pair.provider().person_by_phone(BOB).expect("an account");
    let now = pair.first().clock.now().as_secs();
    let claims = json!({
        "iss": pair.provider().issuer(), "sub": bob.id, "aud": "authenticated",
        "role": "authenticated", "exp": now + 60, "session_id": person.sessions[0],
    });
    let token = pair.provider().mint(&hs256(), &claims);
    assert!(!with_token(&phone, &token).is_in(pair.first()).await);
    assert_eq!(pair.asked(USER), calls);
}

#[rstest]
#[tokio::test]
async fn by_secret_a_provider_that_is_away_ends_nothing(
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
    assert_eq!(pair.asked(USER), 1, "{}", pair.kind());
    assert!(phone.is_in(pair.first()).await);
    pair.provider().faults().clear();
    pair.advance(Duration::from_secs(5));
    assert!(other.is_in(pair.first()).await, "{}", pair.kind());
}

fn key_pair() -> Settings {
    Settings {
        signing: Signing::Es256,
        ..Settings::default()
    }
}

#[rstest]
#[tokio::test]
async fn by_key_pair_tokens_are_verified_here(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::supabase_with(engine, &key_pair()).await;
    let phone = pair.first().signed_in(ADA).await;
    assert!(phone.is_in(pair.first()).await);
    let keys = pair.asked(JWKS);
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": pair.provider().kid() });
    // Any token of a session that lives; and one by the secret is not taken for one by the key.
    let other = with_token(&phone, &signed(&pair, &header, ADA, "one"));
    let by_secret = json!({ "alg": "HS256", "typ": "JWT", "kid": pair.provider().kid() });
    let confused = with_token(&phone, &signed(&pair, &by_secret, ADA, "one"));
    let unsigned = json!({ "alg": "none", "typ": "JWT" });
    let unsigned = with_token(&phone, &signed(&pair, &unsigned, ADA, "one"));
    for _ in 0..20 {
        assert!(phone.is_in(pair.first()).await && other.is_in(pair.first()).await);
        let thief = with_token(&phone, &forged(&phone.access_token));
        for thief in [&thief, &confused, &unsigned] {
            assert!(!thief.is_in(pair.first()).await, "{}", pair.kind());
        }
        pair.advance(Duration::from_secs(5));
    }
    assert_eq!((pair.asked(JWKS), pair.asked(USER)), (keys, 0));
}

#[rstest]
#[tokio::test]
async fn by_key_pair_an_unknown_key_waits_for_the_list_of_keys(
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
    assert!(phone.is_in(pair.second()).await, "{}", pair.kind());
    let id = phone.session_id(pair.second()).await;
    assert_eq!(pair.end_of(id).await, None);
    // While the key list is unavailable, known keys still verify, and tokens with an unknown key id
    // cause few requests for the list.
    pair.provider().requests().clear();
    pair.provider().faults().always(JWKS, Fault::Drop);
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "unknown" });
    let strange = with_token(&phone, &signed(&pair, &header, ADA, "one"));
    for _ in 0..60 {
        pair.advance(Duration::from_secs(1));
        assert!(phone.is_in(pair.second()).await, "{}", pair.kind());
        let refused = strange.get(pair.second(), "/auth/sessions").await;
        assert!(matches!(refused.status.as_u16(), 401 | 503));
    }
    assert!(pair.asked(JWKS) <= 12, "{}", pair.asked(JWKS));
    assert_eq!(pair.end_of(id).await, None);
}
