//! Changes of `SESSION_SECRET`: which sessions, signing keys and jobs keep working.

use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use http::Method;
use rstest::rstest;
use serde_json::json;

use super::support::{
    ADA, BOB, EXPIRED, Issuer, LOG_OUT, NEARLY_EXPIRED, Pair, Person, cookie_of, renewed,
};
use crate::support::{Engine, Postgres, Sqlite, TestBrowser, code_of};

const OLD: &str = "the session secret of the tests 0001";
const NEW: &str = "the session secret of the tests 0002";

#[rstest]
#[tokio::test]
async fn with_the_old_key_listed_after_the_new_one_all_sessions_continue(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let browser = pair.first().browser_of(ADA).await;
    let phone = pair.first().signed_in(BOB).await;
    let both = format!("{NEW},{OLD}");
    let rotated = pair.another(&[("SESSION_SECRET", &both)]).await;
    assert!(browser.is_signed_in(&rotated).await);
    let renewed_phone = renewed(&phone, &phone.refresh(&rotated).await);
    let again = renewed(&phone, &phone.refresh(&rotated).await);
    assert_eq!(renewed_phone.refresh_token, again.refresh_token);
    let mut page = browser.clone();
    let answer = page.post(&rotated, "/auth/refresh", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    pair.advance(NEARLY_EXPIRED);
    rotated.clock.advance(NEARLY_EXPIRED);
    assert!(page.is_signed_in(&rotated).await, "{}", pair.kind());
    let again = renewed(&again, &again.refresh(&rotated).await);
    // Tokens that were refreshed with both keys listed need only the new key.
    let only_new = pair.another(&[("SESSION_SECRET", NEW)]).await;
    let last = renewed(&again, &again.refresh(&only_new).await);
    assert!(last.is_signed_in(&only_new).await);
    assert!(page.is_signed_in(&only_new).await);
}

#[rstest]
#[tokio::test]
async fn a_confirmation_repeated_at_a_replica_with_a_newer_key_gets_the_same_cookie(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::of(engine, Issuer::Local).await;
    let mut browser = TestBrowser::new();
    browser.get(pair.first(), "/auth/csrf-token").await;
    let ask = json!({ "phone": ADA });
    let started = browser.post(pair.first(), "/auth/verify/start", &ask).await;
    let challenge = &started.json()["challenge_id"];
    let body = json!({ "phone": ADA, "code": code_of(ADA), "challenge_id": challenge });
    let mut repeating = browser.clone();
    let first = browser.post(pair.first(), "/auth/verify/confirm", &body);
    let first = first.await;
    assert_eq!(first.status, 200, "{}", first.text());
    let both = format!("{NEW},{OLD}");
    let rotated = pair.another(&[("SESSION_SECRET", &both)]).await;
    let second = repeating.post(&rotated, "/auth/verify/confirm", &body);
    let second = second.await;
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(cookie_of(&repeating), cookie_of(&browser));
    assert!(repeating.is_signed_in(pair.first()).await);
}

#[rstest]
#[tokio::test]
async fn sessions_that_depend_on_a_removed_key_end(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let browser = pair.first().browser_of(ADA).await;
    let phone = pair.first().signed_in(BOB).await;
    let idle = pair.first().browser_of(BOB).await;
    // While both keys are listed, the backend encrypts its signing keys again with the new one.
    let both = format!("{NEW},{OLD}");
    pair.another(&[("SESSION_SECRET", &both)]).await;
    for span in [Duration::ZERO, NEARLY_EXPIRED, EXPIRED] {
        pair.advance(span);
        let without_old_key = pair.another(&[("SESSION_SECRET", NEW)]).await;
        assert!(
            !browser.is_signed_in(&without_old_key).await,
            "{}",
            pair.kind()
        );
        let list = idle.peek(&without_old_key, Method::GET, "/auth/sessions", None);
        assert_eq!(list.await.status, 401);
        let refused = phone.refresh(&without_old_key).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
        let mut page = browser.clone();
        let refused = page
            .post(&without_old_key, "/auth/refresh", &json!({}))
            .await;
        assert!(
            matches!(refused.status.as_u16(), 401 | 403),
            "{}",
            refused.text()
        );
    }
    // A new sign-in works.
    let without_old_key = pair.another(&[("SESSION_SECRET", NEW)]).await;
    let mut fresh = TestBrowser::new();
    let answer = fresh.sign_in(&without_old_key, ADA).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(fresh.is_signed_in(&without_old_key).await);
    assert_ne!(cookie_of(&fresh), cookie_of(&browser));
}

#[rstest]
#[tokio::test]
async fn a_job_is_postponed_until_a_replica_with_its_key_takes_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let both = format!("{NEW},{OLD}");
    let rotated = pair.another(&[("SESSION_SECRET", &both)]).await;
    let before = pair.first().signed_in(ADA).await;
    let since = rotated.signed_in(ADA).await;
    for phone in [before, since] {
        let log_out = phone
            .call(&rotated, Method::POST, "/auth/logout", None)
            .await;
        assert_eq!(log_out.status, 200, "{}", log_out.text());
    }
    // During a deployment, this replica does not have the new key yet.
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed; 2]);
    assert_eq!(pair.request_count(LOG_OUT), 0);
    let later = rotated.clock.now().plus(Duration::from_mins(1));
    for _ in 0..2 {
        let outcome = rotated.jobs.step(later).await.expect("a step");
        assert_eq!(outcome, Some(JobOutcome::Done));
    }
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}
