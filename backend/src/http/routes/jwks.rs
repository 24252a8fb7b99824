//! `GET /.well-known/jwks.json`: the public keys of access tokens that this backend issues.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;

use crate::http::App;
use crate::http::answer::Json;
use crate::http::route::{Answers, Route, Schemas, route};
use crate::identity::JwksDocument;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(jwks)]
}

/// A JSON Web Key Set (RFC 7517), empty where Supabase issues access tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the identity wrote")]
struct Jwks {
    #[schema(value_type = Vec<Object>)]
    keys: (),
}

/// The keys, kept for as long as they are good.
struct PublicKeys(JwksDocument);

impl IntoResponse for PublicKeys {
    fn into_response(self) -> Response {
        let cached = format!("public, max-age={}", self.0.max_age.as_secs());
        let cached = HeaderValue::from_str(&cached).expect("plain ASCII");
        let kind = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cached)];
        (headers, self.0.json).into_response()
    }
}

impl Answers for PublicKeys {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <Json<Jwks>>::describe(operation, schemas);
    }
}

/// The public keys of access tokens that this backend issues.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "auth")]
async fn jwks(State(app): State<Arc<App>>) -> PublicKeys {
    PublicKeys(app.services.identity.jwks(app.services.clock.now()).await)
}
