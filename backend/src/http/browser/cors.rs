//! The CORS layer: allowed pages may read answers, and may send their requests with cookies.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::csrf;
use super::origins::may_read;
use crate::config::WebConfig;
use crate::http::answer::REQUEST_ID;

/// The layer for the pages that `web` allows.
pub(in crate::http) fn layer(web: &Arc<WebConfig>) -> CorsLayer {
    let web = Arc::clone(web);
    let allowed = move |origin: &HeaderValue, _: &http::request::Parts| {
        origin.to_str().is_ok_and(|origin| may_read(origin, &web))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([CONTENT_TYPE, AUTHORIZATION, csrf::HEADER, REQUEST_ID])
        .expose_headers([RETRY_AFTER, REQUEST_ID])
        .max_age(Duration::from_mins(10))
}
