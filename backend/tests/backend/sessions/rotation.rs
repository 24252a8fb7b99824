//! Refresh tokens of the backend: when a token works, and how reuse of a copied token ends its session.

use std::time::Duration;

use archety_backend::keyring::Keyring;
use archety_backend::sessions::{GRACE, RefreshToken};
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::support::{ADA, BOB, Issuer, Pair, Person, at_once, cookie_of, renewed};
use crate::support::{Engine, Postgres, Sqlite, TestBrowser, TestPhone};

const MOMENT: Duration = Duration::from_micros(1);

async fn refreshed(pair: &Pair, browser: &TestBrowser) -> TestBrowser {
    let mut next = browser.clone();
    let answer = next.post(pair.first(), "/auth/refresh", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    next
}

#[rstest]
#[tokio::test]
async fn a_repeated_refresh_gets_the_same_successor_twenty_hours_later(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let first = renewed(&phone, &phone.refresh(pair.first()).await);
    pair.advance(Duration::from_hours(20));
    let again = renewed(&phone, &phone.refresh(pair.second()).await);
    assert_eq!(first.refresh_token, again.refresh_token);
    assert_ne!(first.refresh_token, phone.refresh_token);
    let browser = pair.first().browser_of(BOB).await;
    let first = refreshed(&pair, &browser).await;
    pair.advance(Duration::from_hours(20));
    let again = refreshed(&pair, &browser).await;
    assert_eq!(cookie_of(&first), cookie_of(&again));
    assert_ne!(cookie_of(&first), cookie_of(&browser));
}

#[rstest]
#[tokio::test]
async fn a_token_works_until_thirty_seconds_after_its_successors_first_use_and_then_ends_its_family(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let old = pair.first().browser_of(ADA).await;
    let new = refreshed(&pair, &old).await;
    pair.advance(Duration::from_hours(10));
    assert!(
        old.is_signed_in(pair.first()).await,
        "the successor is unused"
    );
    assert!(new.is_signed_in(pair.second()).await);
    pair.advance(GRACE);
    assert!(old.is_signed_in(pair.first()).await);
    assert_eq!(cookie_of(&refreshed(&pair, &old).await), cookie_of(&new));
    pair.advance(Duration::from_secs(1));
    assert!(!old.is_signed_in(pair.first()).await, "{}", pair.kind());
    assert!(
        !new.is_signed_in(pair.first()).await,
        "the reuse ended the session"
    );

    let old = pair.first().signed_in(BOB).await;
    let new = renewed(&old, &old.refresh(pair.first()).await);
    pair.advance(Duration::from_hours(10));
    let newer = renewed(&new, &new.refresh(pair.second()).await);
    pair.advance(GRACE);
    let again = renewed(&old, &old.refresh(pair.first()).await);
    assert_eq!(again.refresh_token, newer.refresh_token);
    pair.advance(MOMENT);
    let late = old.refresh(pair.first()).await;
    assert_eq!(late.status, 401, "{}", late.text());
    assert_eq!(newer.refresh(pair.second()).await.status, 401);
}

#[rstest]
#[tokio::test]
async fn a_replaced_token_works_during_fast_rotations_and_ends_its_family_later(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let first = pair.first().browser_of(ADA).await;
    let mut newest = first.clone();
    for _ in 0..6 {
        newest = refreshed(&pair, &newest).await;
        pair.advance(Duration::from_secs(4));
    }
    assert!(first.is_signed_in(pair.second()).await, "{}", pair.kind());
    assert!(newest.is_signed_in(pair.second()).await, "{}", pair.kind());
    // Only the three newest tokens of a session stay in the database.
    for _ in 0..3 {
        pair.advance(Duration::from_hours(1));
        newest = refreshed(&pair, &newest).await;
    }
    let kept = pair
        .base
        .number("select count(*) from session_tokens")
        .await;
    assert_eq!(kept, 3, "{}", pair.kind());
    assert!(!first.is_signed_in(pair.second()).await);
    assert!(
        !newest.is_signed_in(pair.first()).await,
        "the reuse ended its family"
    );
}

#[rstest]
#[tokio::test]
async fn reuse_of_a_token_ends_its_session_on_both_replicas_and_at_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let other_session = pair.first().signed_in(ADA).await;
    let thief = pair.first().signed_in(ADA).await;
    let id = thief.session_id(pair.first()).await;
    let owner = renewed(&thief, &thief.refresh(pair.first()).await);
    let owner = renewed(&owner, &owner.refresh(pair.first()).await);
    pair.advance(GRACE + MOMENT);
    assert!(owner.is_signed_in(pair.second()).await);
    assert_eq!(pair.sessions_at_provider(ADA), 2);
    assert_eq!(thief.refresh(pair.first()).await.status, 401);
    assert!(
        !owner.is_signed_in(pair.first()).await,
        "at once on the replica that saw the reuse"
    );
    pair.advance(Duration::from_millis(900));
    assert!(
        !owner.is_signed_in(pair.second()).await,
        "within a second on the other replica"
    );
    assert_eq!(owner.refresh(pair.second()).await.status, 401);
    assert!(other_session.is_signed_in(pair.second()).await);
    assert!(pair.end_reason(id).await.is_some());
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 1, "{}", pair.kind());
    let user = owner.user_id.parse().expect("an id");
    let events = pair.base.store.events_of(user, 1).await.expect("events");
    assert_eq!(events[0].outcome, "reused");
}

#[rstest]
#[tokio::test]
async fn forged_tokens_are_refused_and_end_no_session(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::local(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let browser = pair.first().browser_of(ADA).await;
    let ours = renewed(&phone, &phone.refresh(pair.first()).await);
    let page = refreshed(&pair, &refreshed(&pair, &browser).await).await;
    pair.advance(Duration::from_mins(2));
    let foreign = Keyring::parse("a key that the attacker has made").expect("a key");
    let ids = [
        ours.session_id(pair.first()).await,
        page.session_id(pair.first()).await,
        Uuid::nil(),
    ];
    for id in ids {
        for counter in [1, 2, 3, 4, i64::MAX] {
            let forged_token = RefreshToken::mint(&foreign, id, counter).text;
            let forged_token = forged_token.expose_secret();
            let body = json!({ "refresh_token": forged_token });
            let refused = pair.first().post_json("/auth/refresh", &body).await;
            assert_eq!(refused.status, 401, "{}", refused.text());
            let mut forged = page.clone();
            for value in forged.cookies.values_mut() {
                if value.starts_with("rt_") {
                    forged_token.clone_into(value);
                }
            }
            assert!(!forged.is_signed_in(pair.first()).await);
        }
    }
    for bad in ["", "rt_", "rt_AAAA", &"rt_A".repeat(1_000), "eyJ.eyJ.AA"] {
        let body = json!({ "refresh_token": bad });
        let refused = pair.first().post_json("/auth/refresh", &body).await;
        assert_eq!(refused.status, 401, "{bad}: {}", refused.text());
    }
    assert!(page.is_signed_in(pair.second()).await);
    assert_eq!(ours.refresh(pair.second()).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn browsers_and_apps_cannot_use_each_others_tokens_nor_a_refresh_token_as_bearer(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let phone = pair.first().signed_in(ADA).await;
    let browser = pair.first().browser_of(BOB).await;
    assert!(browser.is_signed_in(pair.first()).await);
    assert!(phone.is_signed_in(pair.first()).await);
    let cookie = cookie_of(&browser);
    let body = json!({ "refresh_token": cookie });
    let refused = pair.first().post_json("/auth/refresh", &body).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    for token in [cookie, &phone.refresh_token] {
        let bearer = format!("Bearer {token}");
        // The replica has just cached the session.
        assert!(browser.is_signed_in(pair.first()).await);
        let headers = [(AUTHORIZATION.as_str(), bearer.as_str())];
        for path in ["/auth/sessions", "/auth/session"] {
            let answer = pair.first().call(Method::GET, path, &headers, None).await;
            let signed_in = answer.status == 200 && answer.text().contains("true");
            assert!(!signed_in, "{path}: {}", answer.text());
        }
    }
    let (name, _) = browser
        .cookies
        .iter()
        .find(|(_, value)| value.as_str() == cookie)
        .expect("a session cookie");
    for token in [&phone.refresh_token, &phone.access_token] {
        let mut forged = browser.clone();
        forged.cookies.insert(name.clone(), token.clone());
        assert!(!forged.is_signed_in(pair.first()).await);
        assert!(phone.is_signed_in(pair.first()).await);
        let headers = [(COOKIE.as_str(), format!("{name}={token}"))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let list = pair
            .first()
            .call(Method::GET, "/auth/sessions", &headers, None);
        assert_eq!(list.await.status, 401);
    }
    assert!(browser.is_signed_in(pair.first()).await && phone.is_signed_in(pair.first()).await);
}

#[rstest]
#[tokio::test]
async fn answers_to_browsers_contain_no_token(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::supabase(engine).await;
    let mut browser = TestBrowser::new();
    let mut answers = browser.sign_in(pair.first(), ADA).await.text().to_owned();
    for (method, path) in [
        (Method::GET, "/auth/session"),
        (Method::GET, "/auth/sessions"),
        (Method::GET, "/auth/csrf-token"),
        (Method::POST, "/auth/refresh"),
        (Method::POST, "/auth/logout"),
    ] {
        let answer = browser.call(pair.first(), method, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answers.push_str(answer.text());
    }
    assert!(
        !answers.contains("eyJ") && !answers.contains("rt_"),
        "{answers}"
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_refreshes_get_the_same_successor(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = Pair::local(engine).await;
    let phone: TestPhone = pair.first().signed_in(ADA).await;
    let answers = at_once(30, |n| {
        let (phone, app) = (phone.clone(), pair.replicas[n % 2].clone());
        async move { phone.refresh(&app).await }
    });
    let answers = answers.await;
    let next = renewed(&phone, &answers[0]);
    for answer in &answers {
        let got = renewed(&phone, answer);
        assert_eq!(got.refresh_token, next.refresh_token, "{}", pair.kind());
    }
    let counter = pair
        .base
        .number("select max(token_counter) from sessions")
        .await;
    assert_eq!(counter, 2, "{}", pair.kind());
}
