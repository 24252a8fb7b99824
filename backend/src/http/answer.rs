//! What a handler answers: JSON, nothing, cookies along with either.
//!
//! A failure is an `ApiError`; only here and in the middleware it becomes a body.

use std::marker::PhantomData;

use axum::body::Body;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;

use super::api_error::ApiError;
use super::context::Context;
use super::route::{Answers, Schemas, answers_with, json_content};
use super::{App, VERSION};
use crate::ids::random_id;
use crate::relay::auth::Caller;

/// Names a request in its answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 with a `T`, which no cache keeps.
///
/// It is written down at once, so that `T` may borrow; as the mark is contravariant, what was made of a
/// view of rows counts as one of the view of anything that lives longer.
pub(super) struct Json<T> {
    bytes: Vec<u8>,
    of: PhantomData<fn(T)>,
}

impl<T: Serialize> Json<T> {
    pub(super) fn of(value: &T) -> Self {
        Self {
            bytes: to_json(value),
            of: PhantomData,
        }
    }
}

impl<T: ToSchema> Answers for Json<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let content = json_content::<T>(schemas);
        answers_with(operation, "application/json", content);
    }
}

impl<T> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        with_body(StatusCode::OK, JSON, self.bytes)
    }
}

/// 204: the status says all.
pub(super) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(CACHE_CONTROL, NO_STORE)]).into_response()
    }
}

impl Answers for NoContent {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let response = utoipa::openapi::Response::new("Done");
        let responses = &mut operation.responses.responses;
        responses.insert("204".to_owned(), response.into());
    }
}

/// 200 with a `T`, or 204.
pub(super) enum JsonOrNoContent<T> {
    Json(Json<T>),
    NoContent,
}

impl<T: ToSchema> Answers for JsonOrNoContent<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <Json<T>>::describe(operation, schemas);
        NoContent::describe(operation, schemas);
    }
}

impl<T> IntoResponse for JsonOrNoContent<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Json(json) => json.into_response(),
            Self::NoContent => NoContent.into_response(),
        }
    }
}

/// Cookies that go along with an answer.
#[derive(Default)]
pub(super) struct SetCookies(Vec<HeaderValue>);

impl SetCookies {
    pub(super) fn add(&mut self, cookie: HeaderValue) {
        self.0.push(cookie);
    }
}

impl<const N: usize> From<[HeaderValue; N]> for SetCookies {
    fn from(cookies: [HeaderValue; N]) -> Self {
        Self(cookies.into())
    }
}

impl IntoResponseParts for SetCookies {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        for cookie in self.0 {
            parts.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(parts)
    }
}

impl<T: Answers> Answers for (SetCookies, T) {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

/// The answer to a request that failed. A relay whose proof held is told more.
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
        problem.environment = Some(app.services.environment.as_str().to_owned());
    }
    let mut response = with_body(error.status(), PROBLEM_JSON, to_json(&problem));
    add_error_headers(&mut response, error);
    response
}

/// The answer to a relay whose proof held: whatever it says, it says it signed.
pub(super) async fn sign(response: Response, relay: &Caller, app: &App) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("what relays are answered is whole before it is sent");
    relay.sign_answer(&mut parts.headers, &bytes, app.services.clock.now());
    Response::from_parts(parts, Body::from(bytes))
}

/// The answer to a request that the HTTP library could not read, in place of the library's own empty one.
/// `None` if `bytes` are anything else: every answer of ours has a request id.
pub(super) fn unreadable_request(bytes: &[u8]) -> Option<Bytes> {
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
    let is_bare = bytes.ends_with(b"\r\n\r\n");
    let name = b"x-request-id";
    if !is_bare || bytes.windows(name.len()).any(|window| window == name) {
        return None;
    }
    let request_id = random_id().simple().to_string();
    let status = error.status();
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
        // Every 401 has to name a scheme (RFC 9110 § 15.5.2), also where another proof would not help.
        ApiError::Unauthorized(_)
        | ApiError::TokenRequired
        | ApiError::SignedOut
        | ApiError::WrongCode { .. }
        | ApiError::CodeExpired => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The rest of the body is still on its way, and will not be read.
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
