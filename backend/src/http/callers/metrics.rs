//! The extractor for callers that may read the metrics.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use shared_protocol::ProblemCode;
use subtle::ConstantTimeEq;

use crate::http::api_error::ApiError;
use crate::http::route::{HandlerArgument, RouteAccess};
use crate::http::{App, MetricsAccess};
use crate::relay::auth::shown_bearer;

/// A caller that may read the metrics, and the metrics. If `METRICS_TOKEN` is set, the caller has shown the token.
pub(in crate::http) struct MetricsReader(pub(in crate::http) PrometheusHandle);

impl FromRequestParts<Arc<App>> for MetricsReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match &app.metrics {
            MetricsAccess::Closed => Err(ApiError::NotFound),
            MetricsAccess::Open(metrics) => Ok(Self(metrics.clone())),
            MetricsAccess::Token(metrics, token) => {
                let bearer = shown_bearer(&parts.headers);
                if bearer.is_some_and(|bearer| is_token(bearer, token.expose_secret())) {
                    Ok(Self(metrics.clone()))
                } else {
                    Err(ApiError::TokenRequired)
                }
            }
        }
    }
}

impl HandlerArgument for MetricsReader {
    const ACCESS: RouteAccess = RouteAccess::MetricsToken;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] =
        &[&[ProblemCode::Unauthorized, ProblemCode::NotFound]];
}

/// Compares hashes in constant time, so that the duration depends neither on the token nor on its length.
fn is_token(bearer: &[u8], token: &str) -> bool {
    let expected = Sha256::digest(token.as_bytes());
    Sha256::digest(bearer)[..].ct_eq(&expected[..]).into()
}
