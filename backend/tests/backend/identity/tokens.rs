//! Access tokens of a Supabase project: which are accepted, and why the others are refused.

use std::collections::HashSet;
use std::time::Duration;

use archety_backend::identity::{
    Claims, InvalidToken, MAX_TOKEN_BYTES, SessionRef, TokenError, Verified,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use supabase_stand_in::{Fault, Settings, Signing};
use uuid::Uuid;

use super::support::{Project, project, token, upstream_session};

pub(super) const HOUR: Duration = Duration::from_hours(1);

pub(super) fn es256() -> Settings {
    Settings {
        signing: Signing::Es256,
        ..Settings::default()
    }
}

pub(super) fn claims(project: &Project) -> Value {
    json!({
        "iss": project.identity.issuer(), "sub": Uuid::from_u128(1), "aud": "authenticated",
        "exp": project.now().plus(HOUR).as_secs(), "iat": project.now().as_secs(),
        "role": "authenticated", "session_id": Uuid::from_u128(2), "is_anonymous": false,
    })
}

pub(super) fn header(project: &Project) -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": project.stand_in.kid()})
}

/// The reason for which the token is refused.
async fn refusal(project: &Project, token: &str) -> InvalidToken {
    match project.identity.verify(token, project.now()).await {
        Err(TokenError::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

pub(super) fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_token_is_verified_with_the_projects_public_key() {
    let project = project(es256()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    let proven = Verified::Proven(Claims {
        subject: ada.user_id,
        session: SessionRef::Upstream(upstream_session(&grant).to_string()),
        expires_at: grant.expires_at,
    });
    for _ in 0..5 {
        let verified = project.identity.verify(token(&grant), project.now()).await;
        assert_eq!(verified.as_ref(), Ok(&proven));
    }
    assert_eq!(project.calls(), ["GET /.well-known/jwks.json"]);
}

#[tokio::test]
async fn a_token_with_a_wrong_claim_is_refused_with_the_error_of_that_claim() {
    use InvalidToken::{Anonymous, Audience, Expired, Issuer, NotYet, Role};
    let project = project(es256()).await;
    let valid_claims = claims(&project);
    let now = project.now().as_secs();
    let minted = |header: &Value, claims: &Value| project.stand_in.mint(header, claims);
    let with_claim = |key: &str, value: Value| {
        let mut changed = valid_claims.clone();
        changed[key] = value;
        changed
    };
    let valid_token = minted(&header(&project), &valid_claims);
    assert!(
        project
            .identity
            .verify(&valid_token, project.now())
            .await
            .is_ok()
    );
    for (claims, reason) in [
        (
            with_claim("iss", json!("https://other.supabase.co/auth/v1")),
            Issuer,
        ),
        (with_claim("iss", json!("supabase")), Issuer),
        (with_claim("iss", Value::Null), Issuer),
        (with_claim("aud", json!("anon")), Audience),
        (with_claim("aud", json!(["authenticated"])), Audience),
        (with_claim("aud", Value::Null), Audience),
        (with_claim("role", json!("service_role")), Role),
        (with_claim("role", json!("anon")), Role),
        (with_claim("role", Value::Null), Role),
        (with_claim("is_anonymous", json!(true)), Anonymous),
        (with_claim("exp", json!(now - 30)), Expired),
        (with_claim("exp", json!(now - 100_000)), Expired),
        (with_claim("exp", Value::Null), InvalidToken::Claims),
        (with_claim("exp", json!("soon")), InvalidToken::Claims),
        (with_claim("exp", json!(1.5)), InvalidToken::Claims),
        (with_claim("nbf", json!(now + 60)), NotYet),
        (with_claim("sub", json!("ada")), InvalidToken::Claims),
        (with_claim("sub", Value::Null), InvalidToken::Claims),
        (with_claim("sub", json!(Uuid::nil())), InvalidToken::Claims),
        (with_claim("session_id", Value::Null), InvalidToken::Claims),
        (with_claim("session_id", json!("")), InvalidToken::Claims),
        (
            with_claim("session_id", json!("x".repeat(65))),
            InvalidToken::Claims,
        ),
        (json!([]), InvalidToken::Claims),
    ] {
        let token = minted(&header(&project), &claims);
        assert_eq!(refusal(&project, &token).await, reason, "{claims}");
        // A token signed with the shared secret, which cannot be checked here, gives the same error.
        let token = minted(&json!({"alg": "HS256", "typ": "JWT"}), &claims);
        assert_eq!(refusal(&project, &token).await, reason, "HS256, {claims}");
    }
}

#[tokio::test]
async fn a_malformed_or_forged_token_is_refused_with_the_error_of_its_fault() {
    use InvalidToken::{Algorithm, Issuer, Malformed, Signature, TooLong, UnknownKey};
    let project = project(es256()).await;
    let valid_claims = claims(&project);
    let valid_token = project.stand_in.mint(&header(&project), &valid_claims);
    let kid = project.stand_in.kid();
    let unsigned = |alg: &str| forged(&json!({"alg": alg, "kid": kid}), &valid_claims, b"");
    let public_key = {
        let set: Value = reqwest::get(format!("{}/.well-known/jwks.json", project.stand_in.url()))
            .await
            .expect("answers")
            .json()
            .await
            .expect("JSON");
        set["keys"][0].to_string()
    };
    let signed_with_public_key = {
        let key = jsonwebtoken::EncodingKey::from_secret(public_key.as_bytes());
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, &valid_claims, &key).expect("signed")
    };
    let mut altered_signature = valid_token.clone();
    altered_signature.replace_range(
        valid_token.len() - 20..valid_token.len() - 19,
        if valid_token.as_bytes()[valid_token.len() - 20] == b'A' {
            "B"
        } else {
            "A"
        },
    );
    let repeated_role = {
        let payload = format!(
            "{{\"role\":\"service_role\",{}",
            &valid_claims.to_string()[1..]
        );
        let parts: Vec<&str> = valid_token.split('.').collect();
        format!(
            "{}.{}.{}",
            parts[0],
            URL_SAFE_NO_PAD.encode(payload),
            parts[2]
        )
    };
    for (token, reason) in [
        (String::new(), Malformed),
        (".".to_owned(), Malformed),
        ("..".to_owned(), Malformed),
        ("a.b.c".to_owned(), Malformed),
        (format!("{valid_token}."), Malformed),
        (format!(" {valid_token}"), Malformed),
        ("x".repeat(MAX_TOKEN_BYTES), Malformed),
        ("x".repeat(MAX_TOKEN_BYTES + 1), TooLong),
        ("é".repeat(MAX_TOKEN_BYTES), TooLong),
        (unsigned("none"), Algorithm),
        (unsigned("None"), Algorithm),
        (unsigned("ES512"), Algorithm),
        (unsigned("RS256"), Algorithm),
        (signed_with_public_key, Algorithm),
        (altered_signature, Signature),
        (repeated_role, Signature),
        (forged(&header(&project), &valid_claims, b""), Signature),
        (
            forged(&header(&project), &valid_claims, &[0; 64]),
            Signature,
        ),
        (
            forged(&json!({"alg": "ES256"}), &valid_claims, &[0; 64]),
            UnknownKey,
        ),
        (
            forged(
                &json!({"alg": "ES256", "kid": "x"}),
                &valid_claims,
                &[0; 64],
            ),
            UnknownKey,
        ),
        (
            forged(
                &json!({"alg": "ES256", "kid": kid, "crit": ["exp"]}),
                &valid_claims,
                &[0; 64],
            ),
            Malformed,
        ),
        (project.stand_in.service_key().to_owned(), Issuer),
        (project.stand_in.anon_key().to_owned(), Issuer),
        (project.stand_in.secret_key().to_owned(), Malformed),
    ] {
        assert_eq!(refusal(&project, &token).await, reason, "{token:.80}");
    }
}

#[tokio::test]
async fn a_token_signed_by_another_project_is_refused() {
    let (project, other) = (project(es256()).await, project(es256()).await);
    let foreign = other.stand_in.mint(&header(&other), &claims(&project));
    assert_eq!(refusal(&project, &foreign).await, InvalidToken::UnknownKey);
    let mut with_known_kid = header(&other);
    with_known_kid["kid"] = json!(project.stand_in.kid());
    let foreign = other.stand_in.mint(&with_known_kid, &claims(&project));
    assert_eq!(refusal(&project, &foreign).await, InvalidToken::Signature);
}

#[tokio::test]
async fn a_token_signed_with_the_shared_secret_is_checked_by_the_project() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    let claimed = match project.identity.verify(token(&grant), project.now()).await {
        Ok(Verified::Claimed(claims)) => claims,
        other => panic!("{other:?}"),
    };
    assert_eq!(claimed.subject, ada.user_id);
    let ask_project = async |token: &str| project.identity.ask_user(token, project.now()).await;
    assert_eq!(ask_project(token(&grant)).await.as_ref(), Ok(&claimed));
    // This token is signed with another secret.
    let key = jsonwebtoken::EncodingKey::from_secret(b"not the secret");
    let forged = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims(&project), &key);
    let forged = forged.expect("signed");
    assert!(matches!(
        project.identity.verify(&forged, project.now()).await,
        Ok(Verified::Claimed(_))
    ));
    assert_eq!(
        ask_project(&forged).await,
        Err(TokenError::Invalid(InvalidToken::Refused))
    );
    assert_eq!(
        ask_project(project.stand_in.service_key()).await,
        Err(TokenError::Invalid(InvalidToken::Issuer))
    );
    for fault in [
        Fault::html(502),
        Fault::Drop,
        Fault::garbage(),
        supabase_stand_in::faults::rate_limited(),
    ] {
        project.stand_in.faults().next("/user", fault);
        let result = ask_project(token(&grant)).await;
        assert!(
            matches!(result, Err(TokenError::Unavailable { .. })),
            "{result:?}"
        );
    }
    project.stand_in.end_sessions(ada.user_id);
    assert_eq!(
        ask_project(token(&grant)).await,
        Err(TokenError::Invalid(InvalidToken::Ended))
    );
    project.stand_in.delete(ada.user_id);
    assert_eq!(
        ask_project(token(&grant)).await,
        Err(TokenError::Invalid(InvalidToken::Ended))
    );
}

#[tokio::test]
async fn the_project_is_asked_about_50_forged_tokens_at_most() {
    let project = project(Settings::default()).await;
    let key = jsonwebtoken::EncodingKey::from_secret(b"not the secret");
    let now = project.now();
    let mut unavailable = HashSet::new();
    for n in 0..60_u128 {
        let mut claims = claims(&project);
        claims["session_id"] = json!(Uuid::from_u128(n));
        let forged = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
        let answered = project
            .identity
            .ask_user(&forged.expect("signed"), now)
            .await;
        unavailable.insert(matches!(answered, Err(TokenError::Unavailable { .. })));
    }
    assert_eq!(
        unavailable.len(),
        2,
        "some tokens are below the limit and some above"
    );
    assert_eq!(project.stand_in.requests().count("/user"), 50);
}

#[tokio::test]
async fn tokens_signed_before_a_change_of_keys_stay_valid() {
    // As in the recorded answers, the project signs with ES256 now and still accepts tokens that were signed
    // with the shared secret.
    let project = project(es256()).await;
    let ada = project.new_user(1).await;
    let grant = project.signed_in(&ada).await;
    let mut claims = claims(&project);
    claims["sub"] = json!(ada.user_id);
    claims["session_id"] = json!(upstream_session(&grant));
    let old = project
        .stand_in
        .mint(&json!({"alg": "HS256", "typ": "JWT"}), &claims);
    let verified = project.identity.verify(&old, project.now()).await;
    assert!(matches!(verified, Ok(Verified::Claimed(_))), "{verified:?}");
    assert!(project.identity.ask_user(&old, project.now()).await.is_ok());
}
