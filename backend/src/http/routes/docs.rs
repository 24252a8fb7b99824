//! `GET /openapi.json` and `GET /docs`: the description of every route, for programs and for people.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;

use crate::http::route::{Route, route};
use crate::http::{docs, openapi};

/// The time in caches is short, because a new release changes the description.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(super::all()));
static OPENAPI: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| docs::page(&DOCUMENT));
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(docs::policy);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(openapi_json), route!(page)]
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    responses((status = 200, description = "OK", body = Object))
)]
async fn openapi_json() -> Response {
    let kind = HeaderValue::from_static("application/json");
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, CACHED)];
    (headers, OPENAPI.as_str()).into_response()
}

/// The same for people.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "operation",
    responses((status = 200, description = "OK", body = String, content_type = "text/html; charset=utf-8"))
)]
async fn page() -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = PAGE_POLICY.clone();
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, CACHED),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, PAGE.as_str()).into_response()
}
