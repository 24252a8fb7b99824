//! A project's public keys: how often the backend fetches them, and how long it uses them.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::identity::{InvalidToken, TokenError};
use serde_json::json;
use supabase_stand_in::Fault;

use super::support::project;
use super::tokens::{HOUR, claims, es256, forged, header};

const JWKS: &str = "jwks.json";

#[tokio::test]
async fn tokens_with_unknown_keys_cause_at_most_three_fetches_a_minute() {
    let project = project(es256()).await;
    let unknown = |n: usize| {
        let header = json!({"alg": "ES256", "kid": format!("k{n}")});
        forged(&header, &claims(&project), &[0; 64])
    };
    let start = project.now();
    let mut now = start;
    for n in 0..120 {
        now = now.plus(Duration::from_millis(500));
        let refused = project.identity.verify(&unknown(n), now).await;
        assert_eq!(refused, Err(TokenError::Invalid(InvalidToken::UnknownKey)));
    }
    assert!(now <= start.plus(Duration::from_mins(1)));
    let fetched = project.stand_in.requests().count(JWKS);
    assert!((2..=3).contains(&fetched), "{fetched}");
}

#[tokio::test]
async fn twenty_simultaneous_first_tokens_fetch_the_keys_once() {
    let project = project(es256()).await;
    let valid_token = project.stand_in.mint(&header(&project), &claims(&project));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (identity, valid_token, now) =
            (project.identity.clone(), valid_token.clone(), project.now());
        tasks.spawn(async move { identity.verify(&valid_token, now).await.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|ok| ok));
    assert_eq!(project.stand_in.requests().count(JWKS), 1);
}

#[tokio::test]
async fn while_no_keys_can_be_fetched_the_last_fetched_keys_are_used_for_an_hour() {
    let project = project(es256()).await;
    let mut long_lived = claims(&project);
    long_lived["exp"] = json!(project.now().plus(HOUR * 5).as_secs());
    let valid_token = project.stand_in.mint(&header(&project), &long_lived);
    let start = project.now();
    let verify = async |now: Timestamp| project.identity.verify(&valid_token, now).await;
    assert!(verify(start).await.is_ok());
    for fault in [
        Fault::html(502),
        Fault::Drop,
        Fault::garbage(),
        Fault::json(200, &json!({})),
    ] {
        project.stand_in.faults().clear();
        project.stand_in.faults().always(JWKS, fault);
        assert!(verify(start.plus(HOUR / 2)).await.is_ok());
    }
    let unknown = forged(
        &json!({"alg": "ES256", "kid": "new"}),
        &long_lived,
        &[0; 64],
    );
    let result = project
        .identity
        .verify(&unknown, start.plus(HOUR / 2))
        .await;
    assert!(
        matches!(result, Err(TokenError::Unavailable { .. })),
        "{result:?}"
    );
    let result = verify(start.plus(HOUR)).await;
    assert!(
        matches!(result, Err(TokenError::Unavailable { .. })),
        "{result:?}"
    );
    project.stand_in.faults().clear();
    assert!(
        verify(start.plus(HOUR).plus(Duration::from_secs(6)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn without_keys_a_token_is_reported_as_unavailable_and_the_fetch_is_not_repeated_at_once() {
    let project = project(es256()).await;
    project.stand_in.faults().always(JWKS, Fault::empty(500));
    let valid_token = project.stand_in.mint(&header(&project), &claims(&project));
    for _ in 0..10 {
        let result = project.identity.verify(&valid_token, project.now()).await;
        assert!(
            matches!(result, Err(TokenError::Unavailable { .. })),
            "{result:?}"
        );
    }
    assert_eq!(
        project.stand_in.requests().count(JWKS),
        1,
        "a failed fetch is not repeated at once"
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_after_ten_minutes() {
    let project = project(es256()).await;
    let mut long_lived = claims(&project);
    long_lived["exp"] = json!(project.now().plus(HOUR * 5).as_secs());
    let valid_token = project.stand_in.mint(&header(&project), &long_lived);
    assert!(
        project
            .identity
            .verify(&valid_token, project.now())
            .await
            .is_ok()
    );
    project
        .stand_in
        .faults()
        .always(JWKS, Fault::json(200, &json!({"keys": []})));
    let soon = project.now().plus(Duration::from_secs(599));
    assert!(project.identity.verify(&valid_token, soon).await.is_ok());
    let later = project.now().plus(Duration::from_mins(10));
    let refused = project.identity.verify(&valid_token, later).await;
    assert_eq!(refused, Err(TokenError::Invalid(InvalidToken::UnknownKey)));
}

#[tokio::test]
async fn while_the_provider_hangs_only_the_request_that_fetches_waits() {
    let project = project(es256()).await;
    let valid_token = project.stand_in.mint(&header(&project), &claims(&project));
    assert!(
        project
            .identity
            .verify(&valid_token, project.now())
            .await
            .is_ok()
    );
    project
        .stand_in
        .faults()
        .always(JWKS, Fault::Hang(Duration::from_secs(30)));
    let later = project.now().plus(HOUR / 2);
    let (identity, token) = (project.identity.clone(), valid_token.clone());
    let first = tokio::spawn(async move { identity.verify(&token, later).await });
    while project.stand_in.requests().count(JWKS) < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        assert!(project.identity.verify(&valid_token, later).await.is_ok());
        let junk = project.identity.verify("junk", later).await;
        assert_eq!(junk, Err(TokenError::Invalid(InvalidToken::Malformed)));
    }
    assert!(!first.is_finished());
    assert!(
        first.await.expect("no panic").is_ok(),
        "verified with the last keys"
    );
}
