//! Extractors for requests of relays.
//!
//! A signature covers the body, so one extractor verifies the signature and reads the body. A request whose headers
//! are not valid is refused without keeping a byte of its body. The answer to a verified relay is signed.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use shared_protocol::{
    MAX_BODY_BYTES, Message, ProblemCode, PullRequest, RelayName, SignatureReason,
};
use tracing::Span;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::body::{BODY_PROBLEMS, discard, expect_json, read};
use crate::http::context::Context;
use crate::http::route::{
    HandlerArgument, RELAY_SIGNATURE, RouteAccess, Schemas, describe_json_body,
};
use crate::relay::auth::{AuthError, Caller, Claim, RelayRoute};

/// The largest photo that is read and dropped. A client may miss the answer if the connection closes while it sends.
const MAX_PHOTO_BYTES: usize = 32 * 1024 * 1024;

/// A verified relay, and the JSON body of its request.
pub(in crate::http) struct FromRelay<R> {
    pub(in crate::http) caller: Arc<Caller>,
    pub(in crate::http) body: Bytes,
    route: PhantomData<R>,
}

/// A kind of request that relays send.
pub(in crate::http) trait RelayRequest {
    const ROUTE: RelayRoute;
    const MAX_BYTES: usize = MAX_BODY_BYTES;
    type Body: ToSchema;
}

/// A message at the route of this backend's own protocol.
pub(in crate::http) struct MessageRequest;

impl RelayRequest for MessageRequest {
    const ROUTE: RelayRoute = RelayRoute::Message;
    type Body = Message;
}

/// A message at the route of the predecessor's protocol.
pub(in crate::http) struct EdgeRequest;

impl RelayRequest for EdgeRequest {
    const ROUTE: RelayRoute = RelayRoute::Edge;
    type Body = Message;
}

impl RelayRequest for PullRequest {
    const ROUTE: RelayRoute = RelayRoute::Pull;
    const MAX_BYTES: usize = 256 * 1024;
    type Body = Self;
}

impl<R: RelayRequest> FromRequest<Arc<App>> for FromRelay<R> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let headers = &parts.headers;
        let now = app.services.clock.now();
        let claim = match app.services.relays.claim(R::ROUTE, headers, now).await {
            Ok(claim) => claim,
            Err(error) => {
                discard(headers, body, R::MAX_BYTES, app.clients.body_timeout).await;
                return Err(refuse(app, &context, error));
            }
        };
        let (body, _memory_charge) = read(app, &context, headers, body, R::MAX_BYTES).await?;
        let caller = match app.services.relays.prove(claim, &body) {
            Ok(caller) => Arc::new(caller),
            Err(error) => return Err(refuse(app, &context, error)),
        };
        // The cell is empty, because a body is extracted only once.
        let _ = context.relay.set(Arc::clone(&caller));
        Span::current().record("relay", caller.relay().as_str());
        app.clients
            .bodies
            .mark_verified(context.client, app.services.clock.now());
        expect_json(headers)?;
        Ok(Self {
            caller,
            body,
            route: PhantomData,
        })
    }
}

impl<R: RelayRequest> HandlerArgument for FromRelay<R> {
    const ACCESS: RouteAccess = RouteAccess::Relay;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[PROOF_PROBLEMS, BODY_PROBLEMS];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        describe_json_body::<R::Body>(operation, schemas, Required::True);
        // The predecessor's protocol, which shows the secret, has no pulls.
        if R::ROUTE == RelayRoute::Pull {
            let signature = SecurityRequirement::new::<_, _, String>(RELAY_SIGNATURE, []);
            operation.security = Some(vec![signature]);
        }
    }
}

/// The problems with which the check of a relay's proof may fail.
const PROOF_PROBLEMS: &[ProblemCode] = &[ProblemCode::InvalidSignature, ProblemCode::RateLimited];

/// A request of a predecessor's relay for something that is not served. Its body is read and dropped.
pub(in crate::http) struct UnservedRequest {
    pub(in crate::http) relay: RelayName,
}

impl FromRequest<Arc<App>> for UnservedRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let now = app.services.clock.now();
        let relays = &app.services.relays;
        let claim = relays.claim(RelayRoute::Edge, &parts.headers, now).await;
        let limit = match claim {
            // The headers prove a relay that shows its secret.
            Ok(Claim::Proven(_)) => MAX_PHOTO_BYTES,
            _ => MAX_BODY_BYTES,
        };
        discard(&parts.headers, body, limit, app.clients.body_timeout).await;
        match claim {
            Ok(Claim::Proven(caller)) => Ok(Self {
                relay: caller.relay().clone(),
            }),
            // Only relays of the predecessor call these routes, and they do not sign.
            Ok(Claim::Signed(_)) => {
                let reason = SignatureReason::WrongPurpose;
                Err(refuse(app, &context, AuthError::Refused(reason)))
            }
            Err(error) => Err(refuse(app, &context, error)),
        }
    }
}

impl HandlerArgument for UnservedRequest {
    const ACCESS: RouteAccess = RouteAccess::Relay;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[PROOF_PROBLEMS];
}

/// Counts a request whose proof does not hold, and returns its error. If the database kept the proof from being
/// checked, returns the database's error and counts nothing.
fn refuse(app: &App, context: &Context, error: AuthError) -> ApiError {
    let AuthError::Refused(reason) = error else {
        return error.into();
    };
    match count_refusal(app, context, reason) {
        None => ApiError::Unauthorized(reason),
        Some(retry_after) => ApiError::RateLimited { retry_after },
    }
}

/// Counts a signed request that was seen before, and returns its error. Its sender is known, so it is not refused for
/// too many failures.
pub(in crate::http) fn refuse_replayed(app: &App, context: &Context) -> ApiError {
    count_refusal(app, context, SignatureReason::Replayed);
    ApiError::Unauthorized(SignatureReason::Replayed)
}

/// Counts a refusal against the client's address, and logs it. If the address is over its limit, logs nothing and
/// returns the seconds that it has to wait.
fn count_refusal(app: &App, context: &Context, reason: SignatureReason) -> Option<u32> {
    metrics::counter!("relay_auth_failures_total", "reason" => reason.as_str()).increment(1);
    let wait = app
        .clients
        .relay_failures
        .count(context.client, app.services.clock.now());
    if wait.is_none() {
        tracing::warn!(
            reason = reason.as_str(),
            fix = remedy(reason),
            "relay refused"
        );
    }
    wait
}

/// The text for the log that tells the operator how to mend the cause of a refusal.
const fn remedy(reason: SignatureReason) -> &'static str {
    match reason {
        SignatureReason::HmacRefused => {
            "RELAY_AUTH=bearer refuses signatures here: set it to both, or auth = \"bearer\" on the relay"
        }
        SignatureReason::BearerRefused => {
            "let the relay sign (auth = \"hmac\"); to take its bare secret again set RELAY_AUTH=both and run \
             `archety-backend relay allow-bearer NAME`"
        }
        SignatureReason::StaleTimestamp => "set the clock of the relay's machine, or of this one",
        SignatureReason::Replayed => "none is needed: the relay signs again",
        SignatureReason::MissingCredentials
        | SignatureReason::MalformedHeader
        | SignatureReason::WrongPurpose => "it is no request of a relay of ours",
        SignatureReason::Mismatch | SignatureReason::WrongBearer | SignatureReason::Unknown => {
            "set the same RELAY_WEBHOOK_SECRET here and on the relay"
        }
    }
}
