//! `GET /openapi.json` and `GET /docs`: the description of every route, for programs and for people.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;

use crate::http::route::{Route, route};
use crate::http::{docs, openapi};

/// Caches keep the description for a short time only, because a new release may change it.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(super::all()));
static OPENAPI: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| docs::page(&DOCUMENT));
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(docs::policy);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(openapi_json), route!(page)]
}

/// Describes every route, for programs.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    responses((status = 200, description = "OK", body = Object))
)]
async fn openapi_json() -> Response {
    let media_type = HeaderValue::from_static("application/json");
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, CACHED)];
    (headers, OPENAPI.as_str()).into_response()
}

/// Describes every route, for people.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "operation",
    responses((status = 200, description = "OK", body = String, content_type = "text/html; charset=utf-8"))
)]
async fn page() -> Response {
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = PAGE_POLICY.clone();
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, CACHED),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, PAGE.as_str()).into_response()
}
