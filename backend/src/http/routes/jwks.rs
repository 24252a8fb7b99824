//! `GET /.well-known/jwks.json`: the public keys of access tokens that this backend issues.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::App;

pub(in crate::http) async fn jwks(State(app): State<Arc<App>>) -> Response {
    let document = app.identity.jwks(app.clock.now()).await;
    let cached = format!("public, max-age={}", document.max_age.as_secs());
    let mut response = Response::new(Body::from(document.json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let cached = HeaderValue::from_str(&cached).expect("plain ASCII");
    headers.insert(CACHE_CONTROL, cached);
    response
}
