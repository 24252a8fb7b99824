//! `GET /openapi.json` and `GET /docs`: they describe every route that the router serves.

use archety_backend::config::RelayAuth;
use archety_backend::http::{RouteAccess as Access, route_list};
use http::Method;
use serde_json::Value;
use shared_protocol::{
    MAX_ACKS, MAX_ATTACHMENTS, MAX_BUBBLES, MAX_GUID_CHARS, MAX_NAME_CHARS, MAX_PARTICIPANTS,
    MAX_PULL_WAIT_SECS, MAX_SENDER_CHARS, MAX_TEXT_CHARS, MAX_TRANSCRIPT_CHARS,
};

use crate::support::sqlite_app;

const METHODS: [Method; 6] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::TRACE,
];

#[tokio::test]
async fn the_description_and_the_page_list_every_route_with_its_credentials_and_no_other() {
    let app = sqlite_app(RelayAuth::Both).await;
    let described = app.openapi().await;
    let page = app.get("/docs").await;
    let mut without_route = described["paths"].clone();
    for route in route_list() {
        let what = format!("{} {}", route.method, route.path);
        let method = route.method.as_str().to_ascii_lowercase();
        let methods = without_route[&route.path].as_object_mut().expect(&what);
        let operation = methods.remove(&method).expect(&what);
        assert_eq!(
            operation["x-who-may-call"],
            route.access.into_str(),
            "{what}"
        );
        let accepted = accepted_credentials(&operation);
        let expected: &[&[&str]] = match (route.access, route.method.is_safe()) {
            (Access::Public, _) => &[],
            (Access::Relay, _) if route.path.starts_with("/relay/") => &[&["relay_signature"]],
            (Access::Relay, _) => &[&["relay_signature"], &["relay_secret"]],
            (Access::MetricsToken, _) => &[&["metrics_token"]],
            (Access::RefreshToken, _) => &[&[], &["csrf_token", "session_cookie"]],
            // A log-out without a session is accepted and ends nothing.
            _ if route.path == "/auth/logout" => {
                &[&[], &["access_token"], &["csrf_token", "session_cookie"]]
            }
            (_, true) => &[&["access_token"], &["session_cookie"]],
            (_, false) => &[&["access_token"], &["csrf_token", "session_cookie"]],
        };
        assert_eq!(accepted, expected, "{what}");
        let head = format!("<b>{}</b> <code>{}</code>", route.method, route.path);
        assert_eq!(page.text().matches(&head).count(), 1, "{what}");
        let heading = page
            .text()
            .split(&head)
            .nth(1)
            .expect("text after the heading");
        let heading = heading
            .split("</summary>")
            .next()
            .expect("text before the tag");
        assert!(
            heading.ends_with(&format!("<i>{}</i>", route.access.into_str())),
            "{what}: {heading}"
        );
    }
    for (path, methods) in without_route.as_object().expect("paths") {
        assert_eq!(
            methods,
            &serde_json::json!({}),
            "{path} is described and not served"
        );
    }
    let shown = page.text().matches("<b>").count();
    assert_eq!(shown, route_list().len(), "nothing else is on the page");
}

/// The sets of credentials with which an operation can be called, each as the names of its security schemes.
fn accepted_credentials(operation: &Value) -> Vec<Vec<&str>> {
    let security = operation["security"].as_array().expect("a list");
    security
        .iter()
        .map(|requirement| {
            let schemes = requirement.as_object().expect("an object");
            schemes.keys().map(String::as_str).collect()
        })
        .collect()
}

/// Other tests iterate over the list, so they would miss a route that is not in it.
#[tokio::test]
async fn a_path_accepts_only_the_methods_of_the_list() {
    let app = sqlite_app(RelayAuth::Both).await;
    let routes = route_list();
    for route in &routes {
        for method in METHODS {
            let is_listed = routes
                .iter()
                .any(|other| other.path == route.path && other.method == method);
            let answer = app.call(method.clone(), &route.path, &[], None).await;
            let is_accepted = answer.status != 405;
            assert_eq!(is_accepted, is_listed, "{method} {}", route.path);
        }
    }
}

#[tokio::test]
async fn the_page_has_a_policy_of_its_own_and_refers_to_no_other_file() {
    let app = sqlite_app(RelayAuth::Both).await;
    let page = app.get("/docs").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for other_file in [
        "<script",
        "src=",
        "<link",
        "url(",
        "@import",
        "href=\"http",
        "style=\"",
    ] {
        assert!(!page.text().contains(other_file), "{other_file}");
    }
    for route in ["/openapi.json", "/healthz"] {
        let answer = app.get(route).await;
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy,
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{route}"
        );
    }
}

#[tokio::test]
async fn every_reference_points_into_the_document_and_no_text_has_rustdoc_links() {
    let app = sqlite_app(RelayAuth::Both).await;
    let described = app.openapi().await;
    let text = described.to_string();
    let references = text.split("\"$ref\":\"#").skip(1);
    let mut count = 0;
    for reference in references {
        let pointer = reference.split('"').next().expect("an end");
        assert!(described.pointer(pointer).is_some(), "{pointer}");
        count += 1;
    }
    assert!(count > 50, "{count}");
    assert!(
        !text.contains("[`") && !text.contains("crate::"),
        "no text has links of rustdoc"
    );
}

/// The code states the limits twice: in the validation and in the description.
#[tokio::test]
async fn described_limits_are_the_enforced_limits() {
    let app = sqlite_app(RelayAuth::Both).await;
    let schemas = &app.openapi().await["components"]["schemas"];
    for (field, bound, expected) in [
        ("Message/chat_guid", "maxLength", MAX_GUID_CHARS),
        ("Message/message_guid", "maxLength", MAX_GUID_CHARS),
        ("Message/sender", "maxLength", MAX_SENDER_CHARS),
        ("Message/line", "maxLength", MAX_SENDER_CHARS),
        ("Message/text", "maxLength", MAX_TEXT_CHARS),
        ("Message/participants", "maxItems", MAX_PARTICIPANTS),
        ("Message/mentions", "maxItems", MAX_PARTICIPANTS),
        ("Message/attachments", "maxItems", MAX_ATTACHMENTS),
        ("Message/group_name", "maxLength", MAX_NAME_CHARS),
        ("Attachment/guid", "maxLength", MAX_GUID_CHARS),
        ("Attachment/name", "maxLength", MAX_NAME_CHARS),
        ("Attachment/transcript", "maxLength", MAX_TRANSCRIPT_CHARS),
        ("Tapback/target_guid", "maxLength", MAX_GUID_CHARS),
        ("PullRequest/acks", "maxItems", MAX_ACKS),
        ("Ack/id", "maxLength", 208),
        ("Ack/bubble", "maximum", MAX_BUBBLES - 1),
        ("Ack/code", "maxLength", 64),
        ("Ack/message_guid", "maxLength", MAX_GUID_CHARS),
        ("After/id", "maxLength", 208),
        (
            "PullRequest/wait_seconds",
            "maximum",
            usize::from(MAX_PULL_WAIT_SECS),
        ),
    ] {
        let (schema, name) = field.split_once('/').expect("a schema and its field");
        let described = &schemas[schema]["properties"][name][bound];
        assert_eq!(described.as_u64(), Some(expected as u64), "{field}");
    }
}

#[tokio::test]
async fn the_description_has_not_changed() {
    let app = sqlite_app(RelayAuth::Both).await;
    let described = app.openapi().await;
    insta::assert_json_snapshot!(described, { ".info.version" => "[version]" });
}
