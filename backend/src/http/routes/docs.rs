//! `GET /openapi.json` and `GET /docs`: every route, for programs and for people.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, ObjectBuilder};

use crate::http::route::{Answers, Route, Schemas, answers_with, route, text};
use crate::http::{docs, openapi};

/// As good as the process: a release brings another.
const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=300");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(super::all()));
static OPENAPI: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| docs::page(&DOCUMENT));
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(docs::policy);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(openapi_json), route!(page)]
}

struct OpenApiJson;

impl IntoResponse for OpenApiJson {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, BRIEFLY)];
        (headers, OPENAPI.as_str()).into_response()
    }
}

impl Answers for OpenApiJson {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let content = Content::new(Some(ObjectBuilder::new()));
        answers_with(operation, "application/json", content);
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation")]
async fn openapi_json() -> OpenApiJson {
    OpenApiJson
}

struct Page;

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(docs::KIND);
        let policy = PAGE_POLICY.clone();
        let headers = [
            (CONTENT_TYPE, kind),
            (CACHE_CONTROL, BRIEFLY),
            (CONTENT_SECURITY_POLICY, policy),
        ];
        (headers, PAGE.as_str()).into_response()
    }
}

impl Answers for Page {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        answers_with(operation, docs::KIND, text());
    }
}

/// The same for people.
#[utoipa::path(get, path = "/docs", tag = "operation")]
async fn page() -> Page {
    Page
}
