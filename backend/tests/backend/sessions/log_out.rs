//! `POST /auth/logout`: which sessions it ends, on this replica and on others, and concurrent log-outs.

use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use http::Method;
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::{Fault, faults};

use super::support::{
    ADA, BOB, EXPIRED, Issuer, LOG_OUT, NEARLY_EXPIRED, Pair, Person, REFRESH, at_once, until,
};
use crate::support::jobs::claim;
use crate::support::{Engine, Postgres, Sqlite, TestBrowser, TestPhone};

/// Replicas may take a second to notice the end of a session.
const WITHIN_A_SECOND: Duration = Duration::from_millis(900);

struct People {
    first: TestPhone,
    second: TestPhone,
    browser: TestBrowser,
    stranger: TestPhone,
}

impl People {
    async fn of(pair: &Pair) -> Self {
        let people = Self {
            first: pair.first().signed_in(ADA).await,
            second: pair.first().signed_in(ADA).await,
            browser: pair.first().browser_of(ADA).await,
            stranger: pair.first().signed_in(BOB).await,
        };
        // Both replicas have cached all four sessions.
        assert_eq!(people.in_at(pair, 0).await, [true; 4]);
        assert_eq!(people.in_at(pair, 1).await, [true; 4]);
        people
    }

    async fn in_at(&self, pair: &Pair, replica: usize) -> [bool; 4] {
        let app = &pair.replicas[replica];
        [
            self.first.is_in(app).await,
            self.second.is_in(app).await,
            self.browser.is_in(app).await,
            self.stranger.is_in(app).await,
        ]
    }

    /// Asserts the sessions at once on the first replica, and within a second on the second.
    async fn are_in(&self, pair: &Pair, expected: [bool; 4]) {
        assert_eq!(self.in_at(pair, 0).await, expected, "{}", pair.kind());
        pair.advance(WITHIN_A_SECOND);
        assert_eq!(self.in_at(pair, 1).await, expected, "{}", pair.kind());
    }
}

async fn log_out(pair: &Pair, phone: &TestPhone, scope: &str) {
    let body = json!({ "scope": scope });
    let answer = phone
        .call(pair.first(), Method::POST, "/auth/logout", Some(&body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[rstest]
#[tokio::test]
async fn each_scope_ends_its_own_set_of_sessions(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "local").await;
    people.are_in(&pair, [false, true, true, true]).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "others").await;
    people.are_in(&pair, [true, false, false, true]).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "global").await;
    people.are_in(&pair, [false, false, false, true]).await;
    for phone in [&people.first, &people.second] {
        assert_eq!(phone.refresh(pair.second()).await.status, 401);
        let list = phone.get(pair.second(), "/auth/sessions").await;
        assert_eq!(list.status, 401);
    }
}

#[rstest]
#[tokio::test]
async fn a_browser_logs_out_and_loses_its_cookie(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::local(engine).await;
    let people = People::of(&pair).await;
    let mut browser = people.browser.clone();
    let answer = browser.post(pair.first(), "/auth/logout", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!browser.cookies.values().any(|v| v.starts_with("rt_")));
    people.are_in(&pair, [true, true, false, true]).await;
}

#[rstest]
#[tokio::test]
async fn a_log_out_without_a_session_succeeds(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::local(engine).await;
    let app = pair.first();
    let signed_out = app.call(Method::POST, "/auth/logout", &[], None).await;
    assert_eq!(signed_out.status, 204, "{}", signed_out.text());
    let people = People::of(&pair).await;
    let mut browser = people.browser.clone();
    let stale = browser.clone();
    assert_eq!(
        browser.post(app, "/auth/logout", &json!({})).await.status,
        200
    );
    // A double click, and a page that is still open in another tab.
    let again = browser.peek(app, Method::POST, "/auth/logout", None).await;
    assert_eq!(again.status, 204, "{}", again.text());
    let mut stale = stale;
    let again = stale
        .post(app, "/auth/logout", &json!({ "scope": "global" }))
        .await;
    assert_eq!(again.status, 204, "{}", again.text());
    assert!(!stale.cookies.values().any(|v| v.starts_with("rt_")));
    people.are_in(&pair, [true, true, false, true]).await;
    // The log-out of a live session requires the CSRF token, so that another site cannot end it.
    let mut forged = app.browser_of(ADA).await;
    forged.csrf_token = None;
    let refused = forged.post(app, "/auth/logout", &json!({})).await;
    assert_eq!(refused.fault(), "csrf_failed");
}

#[rstest]
#[tokio::test]
async fn one_session_is_ended_by_its_id_by_its_owner_alone(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let people = People::of(&pair).await;
    let second = people.second.session_id(pair.first()).await;
    let path = format!("/auth/sessions/{second}");
    let delete = async |phone: &TestPhone, path: &str| {
        phone.call(pair.first(), Method::DELETE, path, None).await
    };
    for path in [&path, "/auth/sessions/none"] {
        let refused = delete(&people.stranger, path).await;
        assert_eq!(refused.status, 404, "{}", refused.text());
        assert_eq!(refused.fault(), "session_not_found");
    }
    let unsigned = pair.first().call(Method::DELETE, &path, &[], None).await;
    assert_eq!(unsigned.status, 401);
    people.are_in(&pair, [true; 4]).await;
    let ended = people
        .browser
        .peek(pair.first(), Method::DELETE, &path, None)
        .await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    people.are_in(&pair, [true, false, true, true]).await;
    assert_eq!(delete(&people.first, &path).await.status, 404, "it is over");
}

#[rstest]
#[tokio::test]
async fn each_ended_session_is_logged_out_at_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "global").await;
    assert_eq!(pair.sessions_at_provider(ADA), 3, "not by the request");
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done; 3]);
    assert_eq!(pair.sessions_at_provider(ADA), 0);
    assert_eq!(pair.sessions_at_provider(BOB), 1);
    let scopes = pair.provider().requests().matching(LOG_OUT);
    assert!(scopes.iter().all(|one| one.path.ends_with("scope=local")));
}

#[rstest]
#[tokio::test]
async fn sessions_are_logged_out_later_at_an_unavailable_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.provider().faults().times(4, LOG_OUT, Fault::html(503));
    let second = Duration::from_secs(1);
    for pause in [10, 20, 40, 80] {
        assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
        pair.advance(Duration::from_secs(pause - 1));
        assert_eq!(pair.do_jobs().await, []);
        pair.advance(second);
    }
    assert_eq!(pair.sessions_at_provider(ADA), 1);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done]);
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn logging_out_twice_at_the_provider_is_harmless(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.provider().faults().next(LOG_OUT, Fault::DropAfter);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
    assert_eq!(pair.sessions_at_provider(ADA), 0, "it took effect");
    pair.advance(Duration::from_secs(10));
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done], "{}", pair.kind());

    // The process died after the call to the provider, before it stored the result.
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    let now = pair.first().clock.now();
    let taken = claim(&pair.base.store, &["log_out"], now).await;
    assert!(taken.is_some());
    let person = pair.provider().person_by_phone(ADA).expect("an account");
    pair.provider().end_sessions(person.id);
    pair.advance(EXPIRED);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done], "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn an_access_token_that_has_expired_is_refreshed_to_log_out(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.advance(EXPIRED);
    // Each answer of the provider is lost once.
    let faults = pair.provider().faults();
    faults.next(REFRESH, Fault::DropAfter);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
    pair.advance(Duration::from_hours(1));
    faults.next(REFRESH, faults::rate_limited());
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
    pair.advance(Duration::from_hours(1));
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done]);
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_arrive_after_a_log_out_do_not_keep_a_session_alive(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for later in [Duration::ZERO, EXPIRED] {
        let pair = Pair::supabase(engine).await;
        let phone = pair.first().signed_in(ADA).await;
        let browser = pair.first().browser_of(ADA).await;
        pair.advance(NEARLY_EXPIRED);
        assert!(phone.is_in(pair.first()).await);
        let held = Fault::HangAfter(Duration::from_millis(500));
        pair.provider().faults().times(2, REFRESH, held);
        let late_refresh = {
            let (phone, app) = (phone.clone(), pair.second().clone());
            tokio::spawn(async move { phone.refresh(&app).await })
        };
        let late_page = {
            let (browser, app) = (browser.clone(), pair.second().clone());
            tokio::spawn(async move { browser.is_in(&app).await })
        };
        until(|| pair.asked(REFRESH) == 2).await;
        log_out(&pair, &phone, "global").await;
        pair.advance(later);
        pair.provider().faults().next(LOG_OUT, Fault::html(502));
        pair.do_jobs().await;
        let refused = late_refresh.await.expect("no panic");
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert!(!late_page.await.expect("no panic"), "{}", pair.kind());
        for _ in 0..3 {
            pair.advance(Duration::from_hours(3));
            pair.do_jobs().await;
        }
        assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
        assert_eq!(pair.base.store.waiting_jobs().await.expect("a store"), 0);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_credential_works_after_a_log_out_was_answered_during_forty_requests(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    for _ in 0..5 {
        let phone = pair.first().signed_in(ADA).await;
        let browser = pair.first().browser_of(ADA).await;
        let tries = {
            let (phone, browser, app) = (phone.clone(), browser.clone(), pair.first().clone());
            // Each request looks the session up before, during or after the log-out.
            at_once(40, move |n| {
                let (phone, browser, app) = (phone.clone(), browser.clone(), app.clone());
                async move {
                    for _ in 0..n % 7 {
                        tokio::task::yield_now().await;
                    }
                    phone.is_in(&app).await;
                    browser.is_in(&app).await;
                }
            })
        };
        let tries = tokio::spawn(tries);
        log_out(&pair, &phone, "global").await;
        assert!(!phone.is_in(pair.first()).await, "{}", pair.kind());
        assert!(!browser.is_in(pair.first()).await, "{}", pair.kind());
        tries.await.expect("no panic");
        assert!(!phone.is_in(pair.first()).await, "{}", pair.kind());
        assert!(!browser.is_in(pair.first()).await, "{}", pair.kind());
    }
}
