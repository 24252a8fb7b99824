//! Cookies as the backend writes them, and altered cookies.

use http::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Postgres, Sqlite, TestApp, TestBrowser};

#[rstest]
#[tokio::test]
async fn cookies_are_http_only_secure_and_bound_to_their_host(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &[("PUBLIC_URL", "https://api.example.com")]).await;
    let mut browser = TestBrowser {
        origin: Some("https://api.example.com".to_owned()),
        ..TestBrowser::new()
    };
    let confirmed = browser.sign_in(&app, "+15550100001").await;
    let mut names = Vec::new();
    for cookie in confirmed.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("ASCII");
        names.push(cookie.split('=').next().expect("a name").to_owned());
        assert!(
            cookie.contains("HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age="),
            "{cookie}"
        );
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    names.sort();
    assert_eq!(
        names,
        [
            "__Host-archety_device",
            "__Host-archety_pre",
            "__Host-archety_session"
        ]
    );
    let hsts = confirmed.header("strict-transport-security");
    assert_eq!(hsts, Some("max-age=31536000"));
}

#[rstest]
#[tokio::test]
async fn an_altered_repeated_or_foreign_session_token_is_not_accepted_as_a_cookie(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let browser = app.browser_of("+15550100001").await;
    let other = app.browser_of("+15550100002").await;
    let own = browser.cookies["archety_dev"].clone();
    let mut tampered = own.clone().into_bytes();
    let last = tampered.len() - 2;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).expect("ASCII");
    let foreign = &other.cookies["archety_dev"];
    let huge = "x".repeat(20_000);
    let phone = app.signed_in("+15550100003").await;
    for cookie_header in [
        format!("archety_dev={tampered}"),
        format!("archety_dev={own}; archety_dev={own}"),
        format!("archety_dev={own}; archety_dev={foreign}"),
        format!("archety_dev={huge}"),
        "archety_dev=".to_owned(),
        // The refresh token of an app is not accepted as a cookie.
        format!("archety_dev={}", phone.refresh_token),
    ] {
        let headers = [
            ("cookie", cookie_header.as_str()),
            ("origin", "http://localhost:3000"),
        ];
        let answer = app.call(Method::GET, "/auth/session", &headers, None).await;
        let start: String = cookie_header.chars().take(40).collect();
        assert_eq!(answer.json()["authenticated"], false, "{start}");
        let answer = app
            .call(Method::GET, "/auth/sessions", &headers, None)
            .await;
        assert_eq!(answer.status, 401, "{start}");
    }
    // The session still lives after these requests.
    let session = browser.peek(&app, Method::GET, "/auth/session", None).await;
    assert_eq!(session.json()["authenticated"], true);
    // The value of the cookie is not accepted as an app's refresh token.
    let answer = app
        .post_json("/auth/refresh", &json!({ "refresh_token": own }))
        .await;
    assert_eq!(answer.status, 401);
}

#[rstest]
#[tokio::test]
async fn the_session_cookie_is_removed_at_log_out_and_when_shown_later(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = app.browser_of("+15550100001").await;
    let mut stale = browser.clone();
    let answer = browser.call(&app, Method::POST, "/auth/logout", None).await;
    assert_eq!(answer.json()["ended"], 1);
    assert!(!browser.cookies.contains_key("archety_dev"));
    let session = stale.get(&app, "/auth/session").await;
    assert_eq!(session.json()["authenticated"], false);
    assert!(!stale.cookies.contains_key("archety_dev"));
    assert!(
        stale.cookies.contains_key("archety_dev_device"),
        "the device is still known"
    );
}

#[rstest]
#[tokio::test]
async fn a_refresh_by_a_browser_without_a_session_cookie_answers_401(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = app.browser_of("+15550100001").await;
    let refreshed = browser
        .call(&app, Method::POST, "/auth/refresh", None)
        .await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    browser.call(&app, Method::POST, "/auth/logout", None).await;
    for body in [None, Some(json!({}))] {
        let answer = browser
            .call(&app, Method::POST, "/auth/refresh", body.as_ref())
            .await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.fault(), "unauthorized");
    }
}

#[rstest]
#[tokio::test]
async fn a_session_cookie_that_is_sent_twice_is_removed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let headers = [
        ("cookie", "archety_dev=a; archety_dev=b"),
        ("origin", "http://localhost:3000"),
    ];
    let answer = app.call(Method::GET, "/auth/session", &headers, None).await;
    let cleared = answer.header("set-cookie").unwrap_or_default();
    assert!(cleared.starts_with("archety_dev=;"), "{cleared}");
}
