//! Simultaneous requests while the provider's tokens are about to expire share one refresh.

use std::time::Duration;

use http::Method;
use rstest::rstest;
use supabase_stand_in::{Fault, RefreshTokens, Settings, faults};

use super::support::{
    ADA, EXPIRED, NEARLY_EXPIRED, Pair, Person, REFRESH, at_once, renewed, until,
};
use crate::support::{Engine, Postgres, Sqlite};

const SIMULTANEOUS: usize = 50;

fn refresh_tokens_v2() -> Settings {
    Settings {
        refresh_tokens: RefreshTokens::V2,
        ..Settings::default()
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fifty_simultaneous_requests_of_a_browser_make_one_refresh_at_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in [Settings::default(), refresh_tokens_v2()] {
        let pair = Pair::supabase_with(engine, &settings).await;
        let browser = pair.first().browser_of(ADA).await;
        for span in [NEARLY_EXPIRED, EXPIRED] {
            pair.advance(span);
            pair.provider().requests().clear();
            let answers = at_once(SIMULTANEOUS, |n| {
                let (browser, app) = (browser.clone(), pair.replicas[n % 2].clone());
                async move { browser.who_am_i(&app).await }
            });
            for answer in answers.await {
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert_eq!(answer.json()["authenticated"], true, "{}", pair.kind());
            }
            assert_eq!(pair.request_count(REFRESH), 1, "{}", pair.kind());
        }
        assert_eq!(pair.sessions_at_provider(ADA), 1);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn fifty_simultaneous_refreshes_of_an_app_get_the_same_tokens_by_one_call(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in [Settings::default(), refresh_tokens_v2()] {
        let pair = Pair::supabase_with(engine, &settings).await;
        let mut phone = pair.first().signed_in(ADA).await;
        for span in [NEARLY_EXPIRED, EXPIRED] {
            pair.advance(span);
            pair.provider().requests().clear();
            let answers = at_once(SIMULTANEOUS, |n| {
                let (phone, app) = (phone.clone(), pair.replicas[n % 2].clone());
                async move { phone.refresh(&app).await }
            });
            let answers = answers.await;
            let next = renewed(&phone, &answers[0]);
            for answer in &answers {
                let got = renewed(&phone, answer);
                assert_eq!(got.refresh_token, next.refresh_token, "{}", pair.kind());
                assert_eq!(got.access_token, next.access_token, "{}", pair.kind());
            }
            assert_ne!(next.refresh_token, phone.refresh_token);
            assert_eq!(pair.request_count(REFRESH), 1, "{}", pair.kind());
            assert!(next.is_signed_in(pair.second()).await);
            phone = next;
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_simultaneous_refreshes_of_short_lived_tokens_make_at_most_two_calls(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    // Apps get only tokens that are valid for longer than these, so every token counts as nearly expired.
    let settings = Settings {
        access_token_ttl: Duration::from_mins(5),
        ..Settings::default()
    };
    let pair = Pair::supabase_with(engine, &settings).await;
    let phone = pair.first().signed_in(ADA).await;
    pair.advance(Duration::from_mins(4));
    pair.provider()
        .faults()
        .next(REFRESH, Fault::HangAfter(Duration::from_millis(200)));
    let answers = at_once(20, |n| {
        let (phone, app) = (phone.clone(), pair.replicas[n % 2].clone());
        async move { phone.refresh(&app).await }
    });
    for answer in answers.await {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["expires_in"], 300);
    }
    // A request that began after the first answer was stored may have made a second call.
    assert!(
        pair.request_count(REFRESH) <= 2,
        "{}",
        pair.request_count(REFRESH)
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_refresh_counts_for_all_waiting_requests_and_is_not_repeated_within_a_second(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    let phone = pair.first().signed_in(ADA).await;
    pair.advance(NEARLY_EXPIRED);
    pair.provider()
        .faults()
        .always(REFRESH, faults::rate_limited());
    let answers = at_once(SIMULTANEOUS, |_| {
        let (browser, app) = (browser.clone(), pair.first().clone());
        async move { browser.who_am_i(&app).await }
    });
    for answer in answers.await {
        assert_eq!(answer.json()["authenticated"], true);
    }
    assert_eq!(pair.request_count(REFRESH), 1, "{}", pair.kind());
    pair.advance(Duration::from_secs(1));
    assert!(browser.is_signed_in(pair.first()).await);
    assert_eq!(
        pair.request_count(REFRESH),
        1,
        "no second call within a second"
    );
    let answers = at_once(SIMULTANEOUS, |_| {
        let (phone, app) = (phone.clone(), pair.first().clone());
        async move { phone.refresh(&app).await }
    });
    for answer in answers.await {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(pair.request_count(REFRESH), 2, "{}", pair.kind());
    pair.provider().faults().clear();
    pair.advance(Duration::from_secs(15));
    assert!(browser.is_signed_in(pair.first()).await);
    assert_eq!(phone.refresh(pair.first()).await.status, 200);
    assert_eq!(pair.request_count(REFRESH), 4, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_client_hung_up_is_finished_and_used_by_the_next_request(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    pair.advance(NEARLY_EXPIRED);
    pair.provider()
        .faults()
        .next(REFRESH, Fault::HangAfter(Duration::from_millis(50)));
    let hung_up = {
        let (browser, app) = (browser.clone(), pair.first().clone());
        tokio::spawn(async move { browser.who_am_i(&app).await })
    };
    until(|| pair.request_count(REFRESH) == 1).await;
    hung_up.abort();
    assert!(hung_up.await.is_err());
    // The second request waits for the refresh of the first, and does not call the provider.
    assert!(browser.is_signed_in(pair.second()).await);
    assert!(browser.is_signed_in(pair.first()).await);
    assert_eq!(pair.request_count(REFRESH), 1, "{}", pair.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_at_the_provider_whose_answer_was_lost_is_repeated_with_the_old_token(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in [Settings::default(), refresh_tokens_v2()] {
        let pair = Pair::supabase_with(engine, &settings).await;
        let browser = pair.first().browser_of(ADA).await;
        let phone = pair.first().signed_in(ADA).await;
        pair.advance(EXPIRED);
        pair.provider().faults().times(4, REFRESH, Fault::DropAfter);
        assert!(browser.is_signed_in(pair.first()).await);
        assert_eq!(phone.refresh(pair.first()).await.status, 503);
        // Longer than the provider's own window in which a token may be used twice.
        pair.advance(Duration::from_mins(20));
        assert!(browser.is_signed_in(pair.second()).await);
        assert_eq!(phone.refresh(pair.second()).await.status, 503);
        pair.advance(Duration::from_mins(20));
        let refreshed = phone.refresh(pair.first()).await;
        let phone = renewed(&phone, &refreshed);
        assert!(phone.is_signed_in(pair.second()).await);
        assert!(browser.is_signed_in(pair.second()).await);
        assert_eq!(pair.request_count(REFRESH), 6, "{}", pair.kind());
        let signed_out = browser
            .peek(pair.first(), Method::POST, "/auth/logout", None)
            .await;
        assert_eq!(signed_out.status, 200, "{}", signed_out.text());
        pair.do_jobs().await;
        assert_eq!(pair.sessions_at_provider(ADA), 1, "{}", pair.kind());
    }
}
