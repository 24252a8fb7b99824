//! A relay whose proof holds.
//!
//! The proof may cover the body, so that both come together. What the headers alone condemn is refused
//! without keeping a byte of the body. From the moment that the proof holds, every answer is signed.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::HeaderMap;
use shared_protocol::{
    MAX_BODY_BYTES, Message, ProblemCode, PullRequest, RelayName, SignatureReason,
};
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Required};

use super::refusal::refuse;
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::body::{expect_json, pass_over, read};
use crate::http::context::Context;
use crate::http::route::{Access, Argument, RELAY_SIGNATURE, Schemas, json_content};
use crate::relay_auth::{AuthError, Caller, Claim, RelayAuthenticator};

/// A heartbeat and its acks; far below a message.
const MAX_PULL_BYTES: usize = 256 * 1024;
/// A client that is cut off while it sends may never see the answer, so a photo is let by.
const MAX_PHOTO_BYTES: usize = 32 * 1024 * 1024;

/// A relay whose proof holds, and the JSON that came with it.
pub(in crate::http) struct FromRelay<D> {
    pub(in crate::http) caller: Arc<Caller>,
    pub(in crate::http) body: Bytes,
    door: PhantomData<D>,
}

/// What a relay may come for, and how it has to prove itself for that.
pub(in crate::http) trait Door: Send {
    const MAX_BYTES: usize = MAX_BODY_BYTES;

    fn claim(
        relays: &RelayAuthenticator,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> impl Future<Output = Result<Claim, AuthError>> + Send;

    fn body(schemas: &mut Schemas) -> Content {
        json_content::<Message>(schemas)
    }

    /// The proofs, unless they are those of every relay.
    fn security() -> Option<Vec<SecurityRequirement>> {
        None
    }
}

/// Messages.
pub(in crate::http) struct Messages;

impl Door for Messages {
    async fn claim(
        relays: &RelayAuthenticator,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        relays.message_claim(headers, now).await
    }
}

/// Messages of the predecessor's relays, several of which may share a secret.
pub(in crate::http) struct Edge;

impl Door for Edge {
    async fn claim(
        relays: &RelayAuthenticator,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        relays.edge_claim(headers, now).await
    }
}

/// Pulls, which have to be signed.
pub(in crate::http) struct Pulls;

impl Door for Pulls {
    const MAX_BYTES: usize = MAX_PULL_BYTES;

    async fn claim(
        relays: &RelayAuthenticator,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        relays.pull_claim(headers, now)
    }

    fn body(schemas: &mut Schemas) -> Content {
        json_content::<PullRequest>(schemas)
    }

    fn security() -> Option<Vec<SecurityRequirement>> {
        let signature = SecurityRequirement::new::<_, _, String>(RELAY_SIGNATURE, []);
        Some(vec![signature])
    }
}

impl<D: Door> FromRequest<Arc<App>> for FromRelay<D> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let headers = &parts.headers;
        let claim = match D::claim(&app.relays, headers, app.clock.now()).await {
            Ok(claim) => claim,
            Err(error) => {
                pass_over(headers, body, D::MAX_BYTES, app.body_timeout).await;
                return Err(refuse(app, &context, error));
            }
        };
        let body = read(app, &context, headers, body, D::MAX_BYTES).await?;
        let caller = match app.relays.prove(claim, &body.bytes) {
            Ok(caller) => Arc::new(caller),
            Err(error) => return Err(refuse(app, &context, error)),
        };
        let _ = context.relay.set(Arc::clone(&caller));
        app.bodies.proved(context.client, app.clock.now());
        expect_json(headers)?;
        Ok(Self {
            caller,
            // What is known to be a relay's counts no longer as a stranger's.
            body: body.into_bytes(),
            door: PhantomData,
        })
    }
}

impl<D: Door> Argument for FromRelay<D> {
    const ACCESS: Access = Access::Relay;
    const PROBLEMS: &'static [ProblemCode] = &[
        ProblemCode::BodyTooLarge,
        ProblemCode::InvalidFields,
        ProblemCode::InvalidSignature,
        ProblemCode::MalformedJson,
        ProblemCode::Overloaded,
        ProblemCode::RateLimited,
        ProblemCode::RequestTimeout,
        ProblemCode::UnsupportedMediaType,
    ];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let body = RequestBodyBuilder::new()
            .content("application/json", D::body(schemas))
            .required(Some(Required::True));
        operation.request_body = Some(body.build().into());
        operation.security = D::security();
    }
}

/// A relay of the predecessor that asks for what is not served: its body is let by.
pub(in crate::http) struct PassedOver {
    pub(in crate::http) relay: RelayName,
}

impl FromRequest<Arc<App>> for PassedOver {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let proof = app.relays.edge_claim(&parts.headers, app.clock.now()).await;
        let limit = match proof {
            Ok(Claim::Proven(_)) => MAX_PHOTO_BYTES,
            _ => MAX_BODY_BYTES,
        };
        pass_over(&parts.headers, body, limit, app.body_timeout).await;
        match proof {
            Ok(Claim::Proven(caller)) => Ok(Self {
                relay: caller.relay().clone(),
            }),
            // Relays that sign ask for nothing here.
            Ok(Claim::Signed(_)) => {
                let reason = SignatureReason::WrongPurpose;
                Err(refuse(app, &context, AuthError::Refused(reason)))
            }
            Err(error) => Err(refuse(app, &context, error)),
        }
    }
}

impl Argument for PassedOver {
    const ACCESS: Access = Access::Relay;
    const PROBLEMS: &'static [ProblemCode] =
        &[ProblemCode::InvalidSignature, ProblemCode::RateLimited];
}
