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

/// Why the token is refused.
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
async fn each_wrong_claim_has_its_own_error() {
    use InvalidToken::{Anonymous, Audience, Expired, Issuer, NotYet, Role};
    let project = project(es256()).await;
    let good = claims(&project);
    let now = project.now().as_secs();
    let minted = |header: &Value, claims: &Value| project.stand_in.mint(header, claims);
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed
    };
    let sound = minted(&header(&project), &good);
    assert!(project.identity.verify(&sound, project.now()).await.is_ok());
    for (claims, reason) in [
        (
            with("iss", json!("https://other.supabase.co/auth/v1")),
            Issuer,
        ),
        (with("iss", json!("supabase")), Issuer),
        (with("iss", Value::Null), Issuer),
        (with("aud", json!("anon")), Audience),
        (with("aud", json!(["authenticated"])), Audience),
        (with("aud", Value::Null), Audience),
        (with("role", json!("service_role")), Role),
        (with("role", json!("anon")), Role),
        (with("role", Value::Null), Role),
        (with("is_anonymous", json!(true)), Anonymous),
        (with("exp", json!(now - 30)), Expired),
        (with("exp", json!(now - 100_000)), Expired),
        (with("exp", Value::Null), InvalidToken::Claims),
        (with("exp", json!("soon")), InvalidToken::Claims),
        (with("exp", json!(1.5)), InvalidToken::Claims),
        (with("nbf", json!(now + 60)), NotYet),
        (with("sub", json!("ada")), InvalidToken::Claims),
        (with("sub", Value::Null), InvalidToken::Claims),
        (with("sub", json!(Uuid::nil())), InvalidToken::Claims),
        (with("session_id", Value::Null), InvalidToken::Claims),
        (with("session_id", json!("")), InvalidToken::Claims),
        (
            with("session_id", json!("x".repeat(65))),
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
async fn each_kind_of_malformed_or_forged_token_has_its_own_error() {
    use InvalidToken::{Algorithm, Issuer, Malformed, Signature, TooLong, UnknownKey};
    let project = project(es256()).await;
    let good = claims(&project);
    let sound = project.stand_in.mint(&header(&project), &good);
    let kid = project.stand_in.kid();
    let unsigned = |alg: &str| forged(&json!({"alg": alg, "kid": kid}), &good, b"");
    let public = {
        let set: Value = reqwest::get(format!("{}/.well-known/jwks.json", project.stand_in.url()))
            .await
            .expect("answers")
            .json()
            .await
            .expect("JSON");
        set["keys"][0].to_string()
    };
    let signed_with_public_key = {
        let key = jsonwebtoken::EncodingKey::from_secret(public.as_bytes());
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, &good, &key).expect("signed")
    };
    let mut altered_signature = sound.clone();
    altered_signature.replace_range(
        sound.len() - 20..sound.len() - 19,
        if sound.as_bytes()[sound.len() - 20] == b'A' {
            "B"
        } else {
            "A"
        },
    );
    let repeated_role = {
        let payload = format!("{{\"role\":\"service_role\",{}", &good.to_string()[1..]);
        let parts: Vec<&str> = sound.split('.').collect();
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
        (format!("{sound}."), Malformed),
        (format!(" {sound}"), Malformed),
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
        (forged(&header(&project), &good, b""), Signature),
        (forged(&header(&project), &good, &[0; 64]), Signature),
        (
            forged(&json!({"alg": "ES256"}), &good, &[0; 64]),
            UnknownKey,
        ),
        (
            forged(&json!({"alg": "ES256", "kid": "x"}), &good, &[0; 64]),
            UnknownKey,
        ),
        (
            forged(
                &json!({"alg": "ES256", "kid": kid, "crit": ["exp"]}),
                &good,
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
async fn a_token_of_another_project_is_refused() {
    let (project, other) = (project(es256()).await, project(es256()).await);
    let foreign = other.stand_in.mint(&header(&other), &claims(&project));
    assert_eq!(refusal(&project, &foreign).await, InvalidToken::UnknownKey);
    let mut named = header(&other);
    named["kid"] = json!(project.stand_in.kid());
    let foreign = other.stand_in.mint(&named, &claims(&project));
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
    let ask = async |token: &str| project.identity.ask_user(token, project.now()).await;
    assert_eq!(ask(token(&grant)).await.as_ref(), Ok(&claimed));
    // A forged token, signed with another secret.
    let key = jsonwebtoken::EncodingKey::from_secret(b"not the secret");
    let forged = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims(&project), &key);
    let forged = forged.expect("signed");
    assert!(matches!(
        project.identity.verify(&forged, project.now()).await,
        Ok(Verified::Claimed(_))
    ));
    assert_eq!(
        ask(&forged).await,
        Err(TokenError::Invalid(InvalidToken::Refused))
    );
    assert_eq!(
        ask(project.stand_in.service_key()).await,
        Err(TokenError::Invalid(InvalidToken::Issuer))
    );
    for fault in [
        Fault::html(502),
        Fault::Drop,
        Fault::garbage(),
        supabase_stand_in::faults::rate_limited(),
    ] {
        project.stand_in.faults().next("/user", fault);
        let result = ask(token(&grant)).await;
        assert!(
            matches!(result, Err(TokenError::Unavailable { .. })),
            "{result:?}"
        );
    }
    project.stand_in.end_sessions(ada.user_id);
    assert_eq!(
        ask(token(&grant)).await,
        Err(TokenError::Invalid(InvalidToken::Ended))
    );
    project.stand_in.delete(ada.user_id);
    assert_eq!(
        ask(token(&grant)).await,
        Err(TokenError::Invalid(InvalidToken::Ended))
    );
}

#[tokio::test]
async fn requests_to_check_forged_tokens_are_limited() {
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
    assert_eq!(unavailable.len(), 2, "the limit lets some pass");
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
