//! Every route of the public list, called with no, wrong, somebody else's and the right credentials.
//!
//! The list is the router's own, so a new route is tried without being named here, and an access that
//! is not tried does not compile.

use std::time::Duration;

use archety_backend::http::{Access, RouteEntry, route_list};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answered, PLAIN_SECRET, TestApp, TestBrowser, TestPhone, apps, message};

/// A session that was given out, but ended since.
async fn signed_out(app: &TestApp, phone: &str) -> TestPhone {
    let gone = app.signed_in(phone).await;
    let answer = gone.call(app, Method::POST, "/auth/logout", None).await;
    assert_eq!(answer.status, 200);
    gone
}

/// A body that the route takes.
fn body(route: &RouteEntry, person: &TestPhone) -> Option<Value> {
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

#[tokio::test]
async fn each_route_lets_in_whom_it_says_and_nobody_else() {
    for app in apps().await {
        for route in route_list() {
            // Each on its own: some of them end the session that calls.
            let ada = app.signed_in("+15550100001").await;
            let path = route.path.replace("{id}", &session_id(&app, &ada).await);
            let what = format!("{} {} on {}", route.method, route.path, app.kind);
            match route.access {
                Access::Public => anybody(&app, &route, &path, &ada, &what).await,
                Access::Relay => relays(&app, &route, &ada, &what).await,
                Access::MetricsToken => holders_of_the_token(&app, &route, &ada, &what).await,
                Access::RefreshToken => holders_of_a_refresh_token(&app, &route, &ada, &what).await,
                Access::User | Access::SteppedUpUser => {
                    persons(&app, &route, &path, &ada, &what).await;
                }
            }
        }
    }
}

async fn anybody(app: &TestApp, route: &RouteEntry, path: &str, ada: &TestPhone, what: &str) {
    let body = body(route, ada);
    let answer = call(app, route, path, &[], body.as_ref()).await;
    assert!(answer.status.is_success(), "{what}: {}", answer.text());
}

async fn relays(app: &TestApp, route: &RouteEntry, ada: &TestPhone, what: &str) {
    let body = body(route, ada).unwrap_or_else(|| json!({}));
    let wrong = bearer("not-the-secret-of-any-relay-0000");
    let person = bearer(&ada.access_token);
    let nobodys: [&[(&str, &str)]; 3] = [
        &[],
        &[("authorization", &wrong)],
        &[("authorization", &person)],
    ];
    for headers in nobodys {
        let answer = call(app, route, &route.path, headers, Some(&body)).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    // Pulls take signatures alone, which are tried with the route itself.
    if route.path.ends_with("/message") {
        let right = bearer(PLAIN_SECRET);
        let headers = [("authorization", right.as_str())];
        let answer = call(app, route, &route.path, &headers, Some(&body)).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    }
}

async fn holders_of_the_token(app: &TestApp, route: &RouteEntry, ada: &TestPhone, what: &str) {
    let person = bearer(&ada.access_token);
    for (headers, status) in [
        (&[][..], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", person.as_str())], 401),
        (&[("authorization", "Bearer metrics-token")], 200),
    ] {
        let answer = call(app, route, &route.path, headers, None).await;
        assert_eq!(answer.status, status, "{what}");
    }
}

async fn holders_of_a_refresh_token(
    app: &TestApp,
    route: &RouteEntry,
    ada: &TestPhone,
    what: &str,
) {
    let gone = signed_out(app, "+15550100002").await;
    for (token, status) in [
        ("", 401),
        ("rt_AAAA", 401),
        (ada.access_token.as_str(), 401),
        (&gone.refresh_token, 401),
        (&ada.refresh_token, 200),
    ] {
        let body = json!({ "refresh_token": token });
        let answer = call(app, route, &route.path, &[], Some(&body)).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    let nothing = call(app, route, &route.path, &[], Some(&json!({}))).await;
    assert_eq!(nothing.status, 422, "{what}: {}", nothing.text());
}

async fn persons(app: &TestApp, route: &RouteEntry, path: &str, ada: &TestPhone, what: &str) {
    let body = body(route, ada);
    let gone = signed_out(app, "+15550100002").await;
    for wrong in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", &*bearer(PLAIN_SECRET))],
        &[("authorization", &*bearer(&ada.refresh_token))],
        &[("authorization", &*bearer(&gone.access_token))],
        &[("cookie", &*format!("archety_dev={}", ada.refresh_token))],
    ] {
        let answer = call(app, route, path, wrong, body.as_ref()).await;
        // Where there is no session, there is nothing to end.
        let is_no_end = route.path == "/auth/logout" && answer.status == 204;
        assert!(
            answer.status == 401 || is_no_end || answer.fault() == "cross_site_origin",
            "{what} with {wrong:?}: {}",
            answer.text()
        );
    }
    cookie_without_its_token(app, route, path, body.as_ref(), what).await;
    let eve = app.signed_in("+15550100003").await;
    if route.path.contains("{id}") {
        let answer = eve
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert_eq!(answer.status, 404, "{what}: somebody else's");
        let lives = ada.get(app, "/auth/session").await.json();
        assert_eq!(lives["authenticated"], true, "{what}: it lives on");
    }
    if route.access == Access::SteppedUpUser {
        app.clock.advance(Duration::from_mins(11));
        let answer = ada
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert_eq!(answer.fault(), "step_up_required", "{what}");
        // A code that was confirmed just now counts: it opened this session.
        let ada = app.signed_in("+15550100001").await;
        let answer = ada
            .call(app, route.method.clone(), path, body.as_ref())
            .await;
        assert!(answer.status.is_success(), "{what}: {}", answer.text());
        return;
    }
    let answer = ada
        .call(app, route.method.clone(), path, body.as_ref())
        .await;
    assert!(answer.status.is_success(), "{what}: {}", answer.text());
}

/// What rides on a cookie and changes something needs the CSRF token of its session.
async fn cookie_without_its_token(
    app: &TestApp,
    route: &RouteEntry,
    path: &str,
    body: Option<&Value>,
    what: &str,
) {
    let browser = app.browser_of("+15550100001").await;
    let other = app.browser_of("+15550100003").await;
    let foreign = TestBrowser {
        origin: Some("https://evil.example".to_owned()),
        ..browser.clone()
    };
    let answer = foreign.peek(app, route.method.clone(), path, body).await;
    assert_eq!(answer.fault(), "cross_site_origin", "{what}");
    if route.method.is_safe() {
        return;
    }
    for token in [None, other.csrf_token] {
        let without = TestBrowser {
            csrf_token: token,
            ..browser.clone()
        };
        let answer = without.peek(app, route.method.clone(), path, body).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert_eq!(answer.fault(), "csrf_failed", "{what}");
    }
}
