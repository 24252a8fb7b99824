//! Calls every route of the public list without credentials, with wrong ones, with another person's, and with the
//! right ones.
//!
//! The list comes from the router, so a new route is tested without a change here. A new kind of access does not
//! compile until it is tested.

use std::time::Duration;

use archety_backend::http::{RouteAccess as Access, RouteEntry, route_list};
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    Answered, Engine, PLAIN_SECRET, Postgres, Sqlite, TestApp, TestBrowser, TestPhone, message,
};

/// Signs a phone in and out again. Its tokens are those of a session that has ended.
async fn sign_in_and_out(app: &TestApp, number: &str) -> TestPhone {
    let phone = app.signed_in(number).await;
    let answer = phone.call(app, Method::POST, "/auth/logout", None).await;
    assert_eq!(answer.status, 200);
    phone
}

/// A valid body for the route, if it takes one.
fn valid_body(route: &RouteEntry, person: &TestPhone) -> Option<Value> {
    match (route.method.as_str(), route.path.as_str()) {
        (_, "/auth/verify/start") => Some(json!({ "phone": "+15551234567" })),
        (_, "/auth/verify/confirm") => Some(json!({ "phone": "+15551234567", "code": "123456" })),
        (_, "/auth/refresh") => Some(json!({ "refresh_token": person.refresh_token })),
        (_, "/orchestrator/message" | "/edge/message") => Some(message("hello")),
        ("PATCH", "/user/profile") => Some(json!({ "name": "Ada" })),
        ("PUT", "/user/traits") => Some(json!({ "traits": { "likes": "tea" } })),
        _ => None,
    }
}

async fn session_id(app: &TestApp, person: &TestPhone) -> String {
    let session = person.get(app, "/auth/session").await.json();
    session["session_id"].as_str().expect("an id").to_owned()
}

async fn call(
    app: &TestApp,
    route: &RouteEntry,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answered {
    app.call(route.method.clone(), path, headers, body).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[rstest]
#[tokio::test]
async fn every_route_accepts_only_the_credentials_of_its_callers(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    for route in route_list() {
        // A new session for each route, because some routes end the session.
        let ada = app.signed_in("+15550100001").await;
        let path = route.path.replace("{id}", &session_id(&app, &ada).await);
        let context = format!("{} {} on {}", route.method, route.path, app.kind);
        match route.access {
            Access::Public => check_public_route(&app, &route, &path, &ada, &context).await,
            Access::Relay => check_relay_route(&app, &route, &ada, &context).await,
            Access::MetricsToken => check_metrics_route(&app, &route, &ada, &context).await,
            Access::RefreshToken => check_refresh_route(&app, &route, &ada, &context).await,
            Access::User | Access::SteppedUpUser => {
                check_person_route(&app, &route, &path, &ada, &context).await;
            }
        }
    }
}

async fn check_public_route(
    app: &TestApp,
    route: &RouteEntry,
    path: &str,
    ada: &TestPhone,
    context: &str,
) {
    let body = valid_body(route, ada);
    let answer = call(app, route, path, &[], body.as_ref()).await;
    assert!(answer.status.is_success(), "{context}: {}", answer.text());
}

async fn check_relay_route(app: &TestApp, route: &RouteEntry, ada: &TestPhone, context: &str) {
    let body = valid_body(route, ada).unwrap_or_else(|| json!({}));
    let unknown_secret = bearer("not-the-secret-of-any-relay-0000");
    let token_of_person = bearer(&ada.access_token);
    let invalid: [&[(&str, &str)]; 3] = [
        &[],
        &[("authorization", &unknown_secret)],
        &[("authorization", &token_of_person)],
    ];
    for headers in invalid {
        let answer = call(app, route, &route.path, headers, Some(&body)).await;
        assert_eq!(answer.status, 401, "{context}: {}", answer.text());
    }
    // A pull needs a signature, so its own tests call it with the right credentials.
    if route.path.ends_with("/message") {
        let right = bearer(PLAIN_SECRET);
        let headers = [("authorization", right.as_str())];
        let answer = call(app, route, &route.path, &headers, Some(&body)).await;
        assert_eq!(answer.status, 200, "{context}: {}", answer.text());
    }
}

async fn check_metrics_route(app: &TestApp, route: &RouteEntry, ada: &TestPhone, context: &str) {
    let token_of_person = bearer(&ada.access_token);
    for (headers, status) in [
        (&[][..], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", token_of_person.as_str())], 401),
        (&[("authorization", "Bearer metrics-token")], 200),
    ] {
        let answer = call(app, route, &route.path, headers, None).await;
        assert_eq!(answer.status, status, "{context}");
    }
}

async fn check_refresh_route(app: &TestApp, route: &RouteEntry, ada: &TestPhone, context: &str) {
    let signed_out = sign_in_and_out(app, "+15550100002").await;
    for (token, status) in [
        ("", 401),
        ("rt_AAAA", 401),
        (ada.access_token.as_str(), 401),
        (&signed_out.refresh_token, 401),
        (&ada.refresh_token, 200),
    ] {
        let body = json!({ "refresh_token": token });
        let answer = call(app, route, &route.path, &[], Some(&body)).await;
        assert_eq!(answer.status, status, "{context}: {}", answer.text());
    }
    let without_token = call(app, route, &route.path, &[], Some(&json!({}))).await;
    assert_eq!(
        without_token.status,
        422,
        "{context}: {}",
        without_token.text()
    );
}

async fn check_person_route(
    app: &TestApp,
    route: &RouteEntry,
    path: &str,
    ada: &TestPhone,
    context: &str,
) {
    let body = valid_body(route, ada);
    let signed_out = sign_in_and_out(app, "+15550100002").await;
    for wrong in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", &*bearer(PLAIN_SECRET))],
        &[("authorization", &*bearer(&ada.refresh_token))],
        &[("authorization", &*bearer(&signed_out.access_token))],
        &[("cookie", &*format!("archety_dev={}", ada.refresh_token))],
    ] {
        let answer = call(app, route, path, wrong, body.as_ref()).await;
        // Without a session, a log-out has nothing to end and answers 204.
        let is_empty_log_out = route.path == "/auth/logout" && answer.status == 204;
        assert!(
            answer.status == 401 || is_empty_log_out || answer.fault() == "cross_site_origin",
            "{context} with {wrong:?}: {}",
            answer.text()
        );
    }
    assert_cookie_needs_listed_origin_and_csrf_token(app, route, path, body.as_ref(), context)
        .await;
    let eve = app.signed_in("+15550100003").await;
    if route.path.contains("{id}") {
        let answer = eve
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert_eq!(answer.status, 404, "{context}: another person's session");
        let session = ada.get(app, "/auth/session").await.json();
        assert_eq!(
            session["authenticated"], true,
            "{context}: the session still lives"
        );
    }
    if route.access == Access::SteppedUpUser {
        app.clock.advance(Duration::from_mins(11));
        let answer = ada
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert_eq!(answer.status, 403, "{context}: {}", answer.text());
        assert_eq!(answer.fault(), "step_up_required", "{context}");
        // A new session is stepped up by the code that opened it.
        let ada = app.signed_in("+15550100001").await;
        let answer = ada
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert!(answer.status.is_success(), "{context}: {}", answer.text());
        return;
    }
    let answer = ada
        .call(app, route.method.clone(), path, body.as_ref())
        .await;
    assert!(answer.status.is_success(), "{context}: {}", answer.text());
}

/// Checks that a request with a session cookie is refused if a page sent it that is not listed, and that a request
/// which changes something is refused without the CSRF token of its session.
async fn assert_cookie_needs_listed_origin_and_csrf_token(
    app: &TestApp,
    route: &RouteEntry,
    path: &str,
    body: Option<&Value>,
    context: &str,
) {
    let browser = app.browser_of("+15550100001").await;
    let other = app.browser_of("+15550100003").await;
    let foreign = TestBrowser {
        origin: Some("https://evil.example".to_owned()),
        ..browser.clone()
    };
    let answer = foreign.peek(app, route.method.clone(), path, body).await;
    assert_eq!(answer.fault(), "cross_site_origin", "{context}");
    if route.method.is_safe() {
        return;
    }
    for token in [None, other.csrf_token] {
        let without = TestBrowser {
            csrf_token: token,
            ..browser.clone()
        };
        let answer = without.peek(app, route.method.clone(), path, body).await;
        assert_eq!(answer.status, 403, "{context}: {}", answer.text());
        assert_eq!(answer.fault(), "csrf_failed", "{context}");
    }
}

#[rstest]
#[tokio::test]
async fn user_routes_answer_401_without_a_valid_token(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    for (method, path) in [
        (Method::GET, "/user/profile"),
        (Method::PATCH, "/user/profile"),
        (Method::GET, "/user/traits"),
        (Method::PUT, "/user/traits"),
        (Method::DELETE, "/user/traits"),
        (Method::GET, "/user/onboarding"),
        (Method::GET, "/user/messages"),
        (Method::GET, "/user/export"),
        (Method::DELETE, "/user"),
    ] {
        let refused = app.call(method.clone(), path, &[], None).await;
        assert_eq!(refused.status, 401, "{method} {path}");
        let headers = [("authorization", "Bearer not.a.token")];
        let refused = app.call(method.clone(), path, &headers, None).await;
        assert_eq!(refused.status, 401, "{method} {path}");
    }
}
