//! The answers of handlers: JSON or no content, with or without cookies.
//!
//! A failed handler returns an `ApiError`. The middleware writes its body with the functions of this file.

use std::marker::PhantomData;

use axum::body::Body;
use axum::response::{AppendHeaders, IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;

use super::api_error::ApiError;
use super::context::Context;
use super::route::{HandlerAnswer, Schemas, json_content};
use super::{App, VERSION};
use crate::ids::random_id;
use crate::relay::auth::Caller;

/// The header with the id of the request. The log lines of the request have the same id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An answer 200 with a `T` as JSON, which caches do not store.
///
/// The value is serialised at once, so it may borrow from rows. `PhantomData<fn(T)>` is contravariant in `T`, so a
/// handler may declare `Json<View<'static>>` and return the JSON of a `View` that borrows.
pub(super) struct Json<T> {
    bytes: Vec<u8>,
    value_type: PhantomData<fn(T)>,
}

impl<T: Serialize> Json<T> {
    pub(super) fn of(value: &T) -> Self {
        Self {
            bytes: to_json(value),
            value_type: PhantomData,
        }
    }
}

impl<T: ToSchema> HandlerAnswer for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let mut response = utoipa::openapi::Response::new("OK");
        let content = json_content::<T>(schemas).into();
        let media_type = "application/json".to_owned();
        response.content.insert(media_type, content);
        let responses = &mut operation.responses.responses;
        responses.insert("200".to_owned(), response.into());
    }
}

impl<T> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        with_body(StatusCode::OK, JSON, self.bytes)
    }
}

/// An answer 204, without a body.
pub(super) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response()
    }
}

impl HandlerAnswer for NoContent {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let response = utoipa::openapi::Response::new("Done");
        let responses = &mut operation.responses.responses;
        responses.insert("204".to_owned(), response.into());
    }
}

/// The `Set-Cookie` headers of an answer.
pub(super) type SetCookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

impl<T: HandlerAnswer> HandlerAnswer for (SetCookies, T) {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

/// The answer to a request that failed. A verified relay also gets the version and the environment of this backend.
pub(super) fn problem(
    error: &ApiError,
    context: &Context,
    app: &App,
    relay: Option<&Caller>,
) -> Response {
    error.log();
    let request_id = context.request_id.as_str();
    let mut problem = error.problem(request_id, app.services.clock.now().as_secs());
    if relay.is_some() {
        problem.version = Some(VERSION.to_owned());
        problem.environment = Some(app.services.environment.into_str().to_owned());
    }
    let mut response = with_body(error.status(), PROBLEM_JSON, to_json(&problem));
    add_error_headers(&mut response, error);
    response
}

/// Signs an answer to a verified relay.
pub(super) async fn sign(response: Response, relay: &Caller, app: &App) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("answers to relays are in memory before they are sent");
    relay.sign_answer(&mut parts.headers, &bytes, app.services.clock.now());
    Response::from_parts(parts, Body::from(bytes))
}

/// If `bytes` is hyper's own answer to a request that it could not read, the answer to send in its place. hyper's
/// answer has neither a body nor a request id, and every answer of this backend has a request id.
pub(super) fn replacement_of_hypers_answer(bytes: &[u8]) -> Option<Bytes> {
    let status = bytes
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?
        .get(..3)?;
    let error = match status {
        b"400" => ApiError::BadRequest("this is not an HTTP request"),
        b"414" => ApiError::UriTooLong,
        b"431" => ApiError::HeadersTooLarge,
        _ => return None,
    };
    let has_no_body = bytes.ends_with(b"\r\n\r\n");
    let name = b"x-request-id";
    if !has_no_body || bytes.windows(name.len()).any(|window| window == name) {
        return None;
    }
    let request_id = random_id().simple().to_string();
    let status = error.status();
    // None of these problems shows the server's time.
    let body = to_json(&error.problem(&request_id, 0));
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n{REQUEST_ID}: {request_id}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    );
    tracing::info!(
        request_id,
        status = status.as_u16(),
        "a request could not be read"
    );
    Some([head.into_bytes(), body].concat().into())
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response {
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, NO_STORE)];
    (status, headers, Body::from(body)).into_response()
}

fn add_error_headers(response: &mut Response, error: &ApiError) {
    let headers = response.headers_mut();
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match error {
        // Every 401 has to name a scheme (RFC 9110 § 15.5.2), even if another token would not help. The answers about
        // codes name it too, although they are no 401.
        ApiError::Unauthorized(_)
        | ApiError::TokenRequired
        | ApiError::SignedOut
        | ApiError::WrongCode { .. }
        | ApiError::CodeExpired => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The rest of the body is not read, so the connection cannot be used again.
        ApiError::BodyTooLarge { .. }
        | ApiError::RequestTimeout
        | ApiError::BrokenBody
        | ApiError::Overloaded => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
}

fn to_json<T: Serialize>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).expect("plain data with string keys")
}
