//! From a result to a response, signed if the request was.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::api_error::ApiError;
use super::context::Context;
use super::{App, VERSION};
use crate::clock::Timestamp;
use crate::ids::random_id;
use crate::relay_auth::Caller;

/// Names a request in its answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The answer to a relay whose proof held: whatever it says, it says it signed.
pub(super) fn to_relay<T: Serialize>(
    app: &App,
    caller: &Caller<'_>,
    context: &Context,
    result: Result<T, ApiError>,
) -> Response {
    let now = app.clock.now();
    let (mut response, bytes) = match result {
        Ok(body) => {
            let bytes = to_json(&body);
            (response(StatusCode::OK, JSON), bytes)
        }
        Err(error) => {
            error.log(context.request_id.as_str());
            let mut problem = error.problem(context.request_id.as_str(), now.as_secs());
            problem.version = Some(VERSION.to_owned());
            problem.environment = Some(app.environment.as_str().to_owned());
            let mut response = response(error.status(), PROBLEM_JSON);
            add_error_headers(&mut response, &error);
            (response, to_json(&problem))
        }
    };
    caller.sign_answer(response.headers_mut(), &bytes, now);
    *response.body_mut() = Body::from(bytes);
    response
}

/// The answer to a request that failed before anybody was known to have sent it.
pub(super) fn unsigned(error: &ApiError, context: &Context, now: Timestamp) -> Response {
    error.log(context.request_id.as_str());
    let problem = error.problem(context.request_id.as_str(), now.as_secs());
    let mut response = response(error.status(), PROBLEM_JSON);
    add_error_headers(&mut response, error);
    *response.body_mut() = Body::from(to_json(&problem));
    response
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

/// A plain JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = response(status, JSON);
    *response.body_mut() = Body::from(to_json(body));
    response
}

/// An answer that says all by its status.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

fn response(status: StatusCode, content_type: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
        // The rest of the body is still on its way, and nobody will read it.
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
