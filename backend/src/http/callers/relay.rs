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
use tracing::Span;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use super::refusal::refuse;
use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::body::{OF_A_BODY, expect_json, pass_over, read};
use crate::http::context::Context;
use crate::http::route::{Access, Argument, RELAY_SIGNATURE, Schemas, sends};
use crate::relay::auth::{AuthError, Caller, Claim};

/// A heartbeat and its acks; far below a message.
const MAX_PULL_BYTES: usize = 256 * 1024;
/// A client that is cut off while it sends may never see the answer, so a photo is let by.
const MAX_PHOTO_BYTES: usize = 32 * 1024 * 1024;

/// A relay whose proof holds, and the JSON that came with it.
pub(in crate::http) struct FromRelay<R> {
    pub(in crate::http) caller: Arc<Caller>,
    pub(in crate::http) body: Bytes,
    route: PhantomData<R>,
}

/// What a relay may come for.
pub(in crate::http) trait RelayRoute {
    const KIND: RelayRouteKind;
    type Body: ToSchema;
}

/// How a relay has to prove itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum RelayRouteKind {
    Messages,
    Edge,
    Pulls,
}

/// Messages.
pub(in crate::http) struct Messages;

impl RelayRoute for Messages {
    const KIND: RelayRouteKind = RelayRouteKind::Messages;
    type Body = Message;
}

/// Messages of the predecessor's relays, several of which may share a secret.
pub(in crate::http) struct Edge;

impl RelayRoute for Edge {
    const KIND: RelayRouteKind = RelayRouteKind::Edge;
    type Body = Message;
}

/// Pulls, which have to be signed.
pub(in crate::http) struct Pulls;

impl RelayRoute for Pulls {
    const KIND: RelayRouteKind = RelayRouteKind::Pulls;
    type Body = PullRequest;
}

impl RelayRouteKind {
    async fn claim(self, app: &App, headers: &HeaderMap) -> Result<Claim, AuthError> {
        let now = app.services.clock.now();
        match self {
            Self::Messages => app.services.relays.message_claim(headers, now).await,
            Self::Edge => app.services.relays.edge_claim(headers, now).await,
            Self::Pulls => app.services.relays.pull_claim(headers, now),
        }
    }

    const fn max_bytes(self) -> usize {
        match self {
            Self::Messages | Self::Edge => MAX_BODY_BYTES,
            Self::Pulls => MAX_PULL_BYTES,
        }
    }
}

impl<R: RelayRoute> FromRequest<Arc<App>> for FromRelay<R> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let headers = &parts.headers;
        let claim = match R::KIND.claim(app, headers).await {
            Ok(claim) => claim,
            Err(error) => {
                pass_over(headers, body, R::KIND.max_bytes(), app.clients.body_timeout).await;
                return Err(refuse(app, &context, error));
            }
        };
        let body = read(app, &context, headers, body, R::KIND.max_bytes()).await?;
        let caller = match app.services.relays.prove(claim, &body.bytes) {
            Ok(caller) => Arc::new(caller),
            Err(error) => return Err(refuse(app, &context, error)),
        };
        // A request has one extractor of its body, so this is the first proof.
        let _ = context.relay.set(Arc::clone(&caller));
        Span::current().record("relay", caller.relay().as_str());
        app.clients
            .bodies
            .proved(context.client, app.services.clock.now());
        expect_json(headers)?;
        Ok(Self {
            caller,
            // What is known to be a relay's counts no longer as a stranger's.
            body: body.into_bytes(),
            route: PhantomData,
        })
    }
}

impl<R: RelayRoute> Argument for FromRelay<R> {
    const ACCESS: Access = Access::Relay;
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[OF_A_PROOF, OF_A_BODY];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        sends::<R::Body>(operation, schemas, Required::True);
        if R::KIND == RelayRouteKind::Pulls {
            let signature = SecurityRequirement::new::<_, _, String>(RELAY_SIGNATURE, []);
            operation.security = Some(vec![signature]);
        }
    }
}

/// How a relay's proof may fail.
const OF_A_PROOF: &[ProblemCode] = &[ProblemCode::InvalidSignature, ProblemCode::RateLimited];

/// A relay of the predecessor that asks for what is not served: its body is let by.
pub(in crate::http) struct PassedOver {
    pub(in crate::http) relay: RelayName,
}

impl FromRequest<Arc<App>> for PassedOver {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = Context::from_request_parts(&mut parts, app).await;
        let proof = app
            .services
            .relays
            .edge_claim(&parts.headers, app.services.clock.now())
            .await;
        let limit = match proof {
            Ok(Claim::Proven(_)) => MAX_PHOTO_BYTES,
            _ => MAX_BODY_BYTES,
        };
        pass_over(&parts.headers, body, limit, app.clients.body_timeout).await;
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
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[OF_A_PROOF];
}
