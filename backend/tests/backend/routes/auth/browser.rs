//! The pages that may call the routes of `/auth`, and the tokens that a browser has to send.

use http::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Postgres, Sqlite, TestApp, TestBrowser};

const SITE: [(&str, &str); 2] = [
    ("PUBLIC_URL", "https://api.example.com"),
    (
        "WEB_ORIGINS",
        "https://app.example.com,https://app.example.org;cross-site",
    ),
];

/// A browser with a page of `origin`.
fn page_of(origin: &str) -> TestBrowser {
    TestBrowser {
        origin: Some(origin.to_owned()),
        ..TestBrowser::new()
    }
}

#[rstest]
#[tokio::test]
async fn a_page_of_another_site_is_refused_before_a_code_is_sent(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &SITE).await;
    let body = json!({ "phone": "+15550100001" });
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
    ] {
        let mut page = page_of(origin);
        for (method, path) in [
            (Method::POST, "/auth/verify/start"),
            (Method::POST, "/auth/verify/confirm"),
            (Method::GET, "/auth/csrf-token"),
            (Method::GET, "/auth/session"),
            (Method::POST, "/auth/refresh"),
            (Method::GET, "/auth/sessions"),
        ] {
            let body = (method == Method::POST).then_some(&body);
            let answer = page.call(&app, method, path, body).await;
            assert_eq!(answer.status, 403, "{origin} {path}: {}", answer.text());
            assert_eq!(answer.fault(), "cross_site_origin");
            let readable = answer.header("access-control-allow-origin");
            assert_eq!(readable, None, "{origin} cannot read the refusal");
        }
    }
    // A page of another site that sends no `Origin` is refused, too.
    let hidden = [("sec-fetch-site", "cross-site")];
    let answer = app
        .call(Method::POST, "/auth/verify/start", &hidden, Some(&body))
        .await;
    assert_eq!(answer.fault(), "cross_site_origin");
    let sent = app.post_json("/auth/verify/start", &body).await.json();
    assert_eq!(sent["sent"], true, "no code was sent before");
}

#[rstest]
#[tokio::test]
async fn cors_headers_let_only_allowed_pages_read_answers(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &SITE).await;
    for origin in [
        "https://api.example.com",
        "https://app.example.com",
        "https://app.example.org",
    ] {
        let answer = page_of(origin).get(&app, "/auth/session").await;
        assert_eq!(answer.status, 200, "{origin}: {}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let exposed = answer
            .header("access-control-expose-headers")
            .unwrap_or_default();
        assert_eq!(exposed, "retry-after,x-request-id");
        assert!(
            answer
                .header("vary")
                .is_some_and(|vary| vary.contains("origin"))
        );
    }
    let preflight = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PATCH"),
        (
            "access-control-request-headers",
            "x-csrf-token,content-type",
        ),
    ];
    let answer = app
        .call(Method::OPTIONS, "/auth/verify/start", &preflight, None)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    let headers = answer
        .header("access-control-allow-headers")
        .unwrap_or_default();
    assert!(
        headers.contains("x-csrf-token") && !headers.contains('*'),
        "{headers}"
    );
    let foreign = [("origin", "https://evil.example"), preflight[1]];
    let answer = app
        .call(Method::OPTIONS, "/auth/verify/start", &foreign, None)
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // An allowed page can also read a refusal.
    let refused = page_of("https://app.example.com")
        .get(&app, "/auth/sessions")
        .await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
}

#[rstest]
#[tokio::test]
async fn a_listed_page_of_another_site_gets_partitioned_cookies(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &SITE).await;
    let mut page = page_of("https://app.example.org");
    let confirmed = page.sign_in(&app, "+15550100001").await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    for cookie in confirmed.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("ASCII");
        assert!(
            cookie.contains("SameSite=None; Partitioned; Secure"),
            "{cookie}"
        );
    }
    let session = page.get(&app, "/auth/session").await.json();
    assert_eq!(session["authenticated"], true);
}

#[rstest]
#[tokio::test]
async fn a_sign_in_needs_the_csrf_token_and_the_challenge_of_the_same_browser(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let phone = json!({ "phone": "+15550100001" });
    let mut without_cookie = TestBrowser::new();
    let answer = without_cookie
        .post(&app, "/auth/verify/start", &phone)
        .await;
    assert_eq!(answer.fault(), "csrf_failed", "without a pre-session");
    let mut one = TestBrowser::new();
    one.get(&app, "/auth/csrf-token").await;
    let mut other = TestBrowser::new();
    other.get(&app, "/auth/csrf-token").await;
    let mixed = TestBrowser {
        csrf_token: other.csrf_token.clone(),
        ..one.clone()
    };
    let answer = mixed
        .peek(&app, Method::POST, "/auth/verify/start", Some(&phone))
        .await;
    assert_eq!(
        answer.fault(),
        "csrf_failed",
        "with the token of another browser"
    );
    let started = one.post(&app, "/auth/verify/start", &phone).await;
    assert_eq!(started.status, 200, "{}", started.text());
    // Login CSRF: a page makes the victim's browser confirm a code that the attacker asked for.
    let confirm = json!({
        "phone": "+15550100001",
        "code": "100001",
        "challenge_id": started.json()["challenge_id"],
    });
    let answer = other.post(&app, "/auth/verify/confirm", &confirm).await;
    assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
    // An app cannot confirm a code that a browser asked for.
    let answer = app.post_json("/auth/verify/confirm", &confirm).await;
    assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
    let confirmed = one.post(&app, "/auth/verify/confirm", &confirm).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
}

#[rstest]
#[tokio::test]
async fn a_sign_in_replaces_the_pre_session_and_any_earlier_session(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = TestBrowser::new();
    browser.get(&app, "/auth/csrf-token").await;
    let before = browser.clone();
    let cookies_before = browser.cookies.clone();
    assert_eq!(browser.sign_in(&app, "+15550100001").await.status, 200);
    assert!(!browser.cookies.contains_key("archety_dev_pre"));
    assert_ne!(
        browser.cookies.get("archety_dev"),
        cookies_before.get("archety_dev_pre")
    );
    // Session fixation: the pre-session does not become the session.
    let session = before.peek(&app, Method::GET, "/auth/session", None).await;
    assert_eq!(session.json()["authenticated"], false);
    let stale = TestBrowser {
        csrf_token: before.csrf_token,
        ..browser.clone()
    };
    let answer = stale.peek(&app, Method::POST, "/auth/logout", None).await;
    assert_eq!(answer.fault(), "csrf_failed");
    // A second sign-in opens another session and ends the first.
    let first = browser.clone();
    assert_eq!(browser.sign_in(&app, "+15550100002").await.status, 200);
    let old = first.peek(&app, Method::GET, "/auth/session", None).await;
    assert_eq!(old.json()["authenticated"], false);
}

#[rstest]
#[tokio::test]
async fn with_an_authorization_header_cookies_are_ignored(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let browser = app.browser_of("+15550100001").await;
    let phone = app.signed_in("+15550100002").await;
    let cookie = format!("archety_dev={}", browser.cookies["archety_dev"]);
    let session = |bearer: String| {
        let (app, cookie) = (app.clone(), cookie.clone());
        async move {
            let headers = [
                ("cookie", cookie.as_str()),
                ("origin", "http://localhost:3000"),
                ("authorization", &bearer),
            ];
            let answer = app.call(Method::GET, "/auth/session", &headers, None).await;
            answer.json()
        }
    };
    let both = session(format!("Bearer {}", phone.access_token)).await;
    assert_eq!(both["phone"], "+15550100002");
    for wrong in ["Bearer wrong", "Basic YTpi", ""] {
        let answer = session(wrong.to_owned()).await;
        assert_eq!(
            answer["authenticated"], false,
            "{wrong}: the cookie is no fallback"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_page_with_an_invalid_token_gets_401_instead_of_an_anonymous_sign_in(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let headers = [
        ("origin", "http://localhost:3000"),
        ("authorization", "Bearer wrong"),
    ];
    for path in ["/auth/verify/start", "/auth/verify/confirm"] {
        let body = json!({ "phone": "+15550100001", "code": "100001" });
        let answer = app.call(Method::POST, path, &headers, Some(&body)).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
    }
}

#[rstest]
#[tokio::test]
async fn a_refusal_names_the_reason_why_a_pages_cookies_do_not_arrive(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    // For a browser, 127.0.0.1 and localhost are two sites.
    let headers = [
        ("origin", "http://127.0.0.1:3000"),
        ("sec-fetch-site", "cross-site"),
    ];
    let answer = app
        .call(Method::GET, "/auth/csrf-token", &headers, None)
        .await;
    assert_eq!(answer.fault(), "cross_site_origin");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("both as localhost"), "{detail}");
    let phone = json!({ "phone": "+15550100001" });
    let mut without_cookie = TestBrowser::new();
    let answer = without_cookie
        .post(&app, "/auth/verify/start", &phone)
        .await;
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("no cookie of ours"), "{detail}");
}

#[rstest]
#[tokio::test]
async fn fetch_headers_alone_or_beside_a_bearer_token_do_not_make_a_browser(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &SITE).await;
    // The `fetch` of Node sends these two headers by itself.
    let node = [("sec-fetch-mode", "cors"), ("accept-language", "*")];
    let body = json!({ "phone": "+15550100001" });
    let answer = app
        .call(Method::POST, "/auth/verify/start", &node, Some(&body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let phone = app.signed_in("+15550100001").await;
    let bearer = format!("Bearer {}", phone.access_token);
    for headers in [
        [
            ("authorization", bearer.as_str()),
            ("sec-fetch-mode", "cors"),
        ],
        [("authorization", &bearer), ("sec-fetch-site", "cross-site")],
        [
            ("authorization", &bearer),
            ("origin", "https://evil.example"),
        ],
    ] {
        let answer = app.call(Method::GET, "/user/profile", &headers, None).await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
        // The page is not listed, so the browser may not show it the answer.
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}
