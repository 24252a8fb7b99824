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
use crate::http::route::{Access, Argument};
use crate::http::{App, MetricsAccess};
use crate::relay::auth::shown_bearer;

/// A caller that may read the metrics. If `METRICS_TOKEN` is set, it has to show the token.
pub(in crate::http) struct MetricsReader(pub(in crate::http) PrometheusHandle);

impl FromRequestParts<Arc<App>> for MetricsReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        match &app.metrics {
            MetricsAccess::Closed => Err(ApiError::NotFound),
            MetricsAccess::Open(metrics) => Ok(Self(metrics.clone())),
            MetricsAccess::Token(metrics, token) => {
                let shown = shown_bearer(&parts.headers);
                if shown.is_some_and(|shown| is_same(shown, token.expose_secret())) {
                    Ok(Self(metrics.clone()))
                } else {
                    Err(ApiError::TokenRequired)
                }
            }
        }
    }
}

impl Argument for MetricsReader {
    const ACCESS: Access = Access::MetricsToken;
    const PROBLEMS: &'static [&'static [ProblemCode]] =
        &[&[ProblemCode::Unauthorized, ProblemCode::NotFound]];
}

/// Compares hashes in constant time, so that the duration does not depend on the token, not even on its length.
fn is_same(shown: &[u8], token: &str) -> bool {
    let expected = Sha256::digest(token.as_bytes());
    Sha256::digest(shown)[..].ct_eq(&expected[..]).into()
}
