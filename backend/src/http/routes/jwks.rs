//! `GET /.well-known/jwks.json`: the public keys of access tokens that this backend issues.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::ToSchema;

use crate::http::App;
use crate::http::route::{Route, route};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(jwks)]
}

/// A JSON Web Key Set (RFC 7517), empty where Supabase issues access tokens.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "only describes the JSON that `Identity::jwks` returns"
)]
struct Jwks {
    #[schema(value_type = Vec<Object>)]
    keys: (),
}

/// The public keys of access tokens that this backend issues.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses((status = 200, description = "OK", body = Jwks))
)]
async fn jwks(State(app): State<Arc<App>>) -> Response {
    let document = app.services.identity.jwks(app.services.clock.now()).await;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (
            CACHE_CONTROL,
            format!("public, max-age={}", document.max_age.as_secs()),
        ),
    ];
    (headers, document.json).into_response()
}
