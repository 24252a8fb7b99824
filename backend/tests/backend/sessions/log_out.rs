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

/// A replica trusts its cached sessions for less than a second.
const ALMOST_A_SECOND: Duration = Duration::from_millis(900);

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
        assert_eq!(people.signed_in_at(pair, 0).await, [true; 4]);
        assert_eq!(people.signed_in_at(pair, 1).await, [true; 4]);
        people
    }

    /// Which of the four clients are signed in, according to one replica.
    async fn signed_in_at(&self, pair: &Pair, replica: usize) -> [bool; 4] {
        let app = &pair.replicas[replica];
        [
            self.first.is_signed_in(app).await,
            self.second.is_signed_in(app).await,
            self.browser.is_signed_in(app).await,
            self.stranger.is_signed_in(app).await,
        ]
    }

    /// Asserts which clients are signed in: at once on the first replica, within a second on the second.
    async fn assert_signed_in(&self, pair: &Pair, expected: [bool; 4]) {
        assert_eq!(
            self.signed_in_at(pair, 0).await,
            expected,
            "{}",
            pair.kind()
        );
        pair.advance(ALMOST_A_SECOND);
        assert_eq!(
            self.signed_in_at(pair, 1).await,
            expected,
            "{}",
            pair.kind()
        );
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
async fn scope_local_ends_the_own_session_others_the_other_ones_and_global_all_of_the_person(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "local").await;
    people
        .assert_signed_in(&pair, [false, true, true, true])
        .await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "others").await;
    people
        .assert_signed_in(&pair, [true, false, false, true])
        .await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "global").await;
    people
        .assert_signed_in(&pair, [false, false, false, true])
        .await;
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
    people
        .assert_signed_in(&pair, [true, true, false, true])
        .await;
}

#[rstest]
#[tokio::test]
async fn a_log_out_without_a_session_answers_204_and_one_of_a_browser_needs_its_csrf_token(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let app = pair.first();
    let signed_out = app.call(Method::POST, "/auth/logout", &[], None).await;
    assert_eq!(signed_out.status, 204, "{}", signed_out.text());
    let people = People::of(&pair).await;
    let mut browser = people.browser.clone();
    let mut stale = browser.clone();
    assert_eq!(
        browser.post(app, "/auth/logout", &json!({})).await.status,
        200
    );
    // The second request of a double click, then a request of a page that is still open in another tab.
    let again = browser.peek(app, Method::POST, "/auth/logout", None).await;
    assert_eq!(again.status, 204, "{}", again.text());
    let again = stale
        .post(app, "/auth/logout", &json!({ "scope": "global" }))
        .await;
    assert_eq!(again.status, 204, "{}", again.text());
    assert!(!stale.cookies.values().any(|v| v.starts_with("rt_")));
    people
        .assert_signed_in(&pair, [true, true, false, true])
        .await;
    // The log-out of a live session requires the CSRF token, so that another site cannot end it.
    let mut forged = app.browser_of(ADA).await;
    forged.csrf_token = None;
    let refused = forged.post(app, "/auth/logout", &json!({})).await;
    assert_eq!(refused.fault(), "csrf_failed");
}

#[rstest]
#[tokio::test]
async fn a_session_is_ended_by_its_id_only_by_its_person(
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
    people.assert_signed_in(&pair, [true; 4]).await;
    let ended = people
        .browser
        .peek(pair.first(), Method::DELETE, &path, None)
        .await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    people
        .assert_signed_in(&pair, [true, false, true, true])
        .await;
    assert_eq!(
        delete(&people.first, &path).await.status,
        404,
        "the session has ended already"
    );
}

#[rstest]
#[tokio::test]
async fn a_job_logs_each_ended_session_out_at_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let people = People::of(&pair).await;
    log_out(&pair, &people.first, "global").await;
    assert_eq!(
        pair.sessions_at_provider(ADA),
        3,
        "the request does not log out at the provider"
    );
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done; 3]);
    assert_eq!(pair.sessions_at_provider(ADA), 0);
    assert_eq!(pair.sessions_at_provider(BOB), 1);
    let requests = pair.provider().requests().matching(LOG_OUT);
    assert!(
        requests
            .iter()
            .all(|request| request.path_and_query.ends_with("scope=local"))
    );
}

#[rstest]
#[tokio::test]
async fn a_log_out_at_an_unavailable_provider_is_retried_after_10_20_40_and_80_seconds(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.provider().faults().times(4, LOG_OUT, Fault::html(503));
    for seconds in [10, 20, 40, 80] {
        assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
        pair.advance(Duration::from_secs(seconds - 1));
        assert_eq!(pair.do_jobs().await, []);
        pair.advance(Duration::from_secs(1));
    }
    assert_eq!(pair.sessions_at_provider(ADA), 1);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done]);
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn a_log_out_job_is_done_if_the_provider_has_ended_the_session_already(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.provider().faults().next(LOG_OUT, Fault::DropAfter);
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
    assert_eq!(
        pair.sessions_at_provider(ADA),
        0,
        "the provider ended the session before its answer was lost"
    );
    pair.advance(Duration::from_secs(10));
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done], "{}", pair.kind());

    // As if the process died after the call to the provider and before it stored the result.
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
async fn a_log_out_job_refreshes_an_expired_access_token_until_a_refresh_succeeds(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    log_out(&pair, &phone, "local").await;
    pair.advance(EXPIRED);
    // The first refresh loses its answer, the second is rate limited.
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
async fn refreshed_tokens_that_arrive_after_a_log_out_do_not_keep_a_session_alive(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for time_since_log_out in [Duration::ZERO, EXPIRED] {
        let pair = Pair::supabase(engine).await;
        let phone = pair.first().signed_in(ADA).await;
        let browser = pair.first().browser_of(ADA).await;
        pair.advance(NEARLY_EXPIRED);
        assert!(phone.is_signed_in(pair.first()).await);
        let delayed = Fault::HangAfter(Duration::from_millis(500));
        pair.provider().faults().times(2, REFRESH, delayed);
        let late_refresh = {
            let (phone, app) = (phone.clone(), pair.second().clone());
            tokio::spawn(async move { phone.refresh(&app).await })
        };
        let late_page = {
            let (browser, app) = (browser.clone(), pair.second().clone());
            tokio::spawn(async move { browser.is_signed_in(&app).await })
        };
        until(|| pair.request_count(REFRESH) == 2).await;
        log_out(&pair, &phone, "global").await;
        pair.advance(time_since_log_out);
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
        assert_eq!(pair.base.store.unfinished_jobs().await.expect("a store"), 0);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn after_the_answer_to_a_log_out_no_token_works_despite_forty_requests_at_the_time(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    for _ in 0..5 {
        let phone = pair.first().signed_in(ADA).await;
        let browser = pair.first().browser_of(ADA).await;
        let requests = {
            let (phone, browser, app) = (phone.clone(), browser.clone(), pair.first().clone());
            // Each request looks the session up before, during or after the log-out.
            at_once(40, move |n| {
                let (phone, browser, app) = (phone.clone(), browser.clone(), app.clone());
                async move {
                    for _ in 0..n % 7 {
                        tokio::task::yield_now().await;
                    }
                    phone.is_signed_in(&app).await;
                    browser.is_signed_in(&app).await;
                }
            })
        };
        let requests = tokio::spawn(requests);
        log_out(&pair, &phone, "global").await;
        assert!(!phone.is_signed_in(pair.first()).await, "{}", pair.kind());
        assert!(!browser.is_signed_in(pair.first()).await, "{}", pair.kind());
        requests.await.expect("no panic");
        assert!(!phone.is_signed_in(pair.first()).await, "{}", pair.kind());
        assert!(!browser.is_signed_in(pair.first()).await, "{}", pair.kind());
    }
}
