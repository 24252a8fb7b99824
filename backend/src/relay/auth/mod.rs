//! The authentication of relays: which relay sent a request, and how the relay proved itself.
//!
//! The relay's identity comes from the secret alone. If a request has any `webhook-*` header, only the signature
//! counts and a bearer secret is ignored, so that a broken signature cannot be replaced by the weaker proof.
//! The body is not parsed here: the signature is over its raw bytes. A request that fails by its headers is
//! refused without keeping a byte of its body.
//!
//! A signed request is accepted once: the transaction with the effect of the request also stores a receipt. The
//! answer to a signed request is signed with the secret of its [`Caller`].

mod caller;
mod edge_agents;
mod failures;
mod proof_notes;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use shared_protocol::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Purpose, RelayName, RelaySecrets,
    SignatureClaim, SignatureHeaders, SignatureReason,
};

pub use caller::{Caller, CallerProof};
pub use failures::FailureLimiter;

use crate::clock::Timestamp;
use crate::config::RelayAuth;
use crate::store::{ProofKind, Store, StoreError};
use crate::throttle::Throttle;
use edge_agents::EdgeAgents;
use proof_notes::ProofNotes;

const BEARER_WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Verifies relays.
pub struct RelayAuthenticator {
    secrets: Arc<RelaySecrets>,
    mode: RelayAuth,
    store: Store,
    /// The named relays that the store has already marked as signing. This set only saves writes.
    signers: Mutex<HashSet<RelayName>>,
    /// Limits the warning that a relay shows its secret instead of signing.
    bearer_warning: Throttle,
    proof_notes: ProofNotes,
    edge_agents: EdgeAgents,
}

/// The routes for relays, which differ in the proof that they accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRoute {
    /// Accepts a signature or, where allowed, a bearer secret.
    Message,
    /// Accepts the same from relays of the earlier deployment, several of which may share a bearer secret.
    Edge,
    /// Accepts only a signature.
    Pull,
}

/// The result of checking the headers of a request, before its body has arrived.
#[derive(Debug)]
pub enum Claim {
    /// A well-formed signature with a fresh timestamp. It can be verified only with the body.
    Signed(SignatureClaim),
    /// A valid bearer secret.
    Proven(Caller),
}

/// Why a request is not accepted from a relay.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("refused: {0}")]
    Refused(SignatureReason),
    /// The proof cannot be checked, because the store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RelayAuthenticator {
    /// Verifies against `secrets`, in the order of their list.
    pub fn new(secrets: Arc<RelaySecrets>, mode: RelayAuth, store: Store) -> Self {
        Self {
            secrets,
            mode,
            store,
            signers: Mutex::default(),
            bearer_warning: Throttle::new(BEARER_WARNING_INTERVAL),
            proof_notes: ProofNotes::default(),
            edge_agents: EdgeAgents::default(),
        }
    }

    /// Checks the headers of a request to this route.
    pub async fn claim(
        &self,
        route: RelayRoute,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        if claims_signature(headers) {
            return self.signature_claim(route, headers, now);
        }
        if self.mode == RelayAuth::Hmac || route == RelayRoute::Pull {
            let reason = match headers.get(AUTHORIZATION) {
                Some(_) => SignatureReason::BearerRefused,
                None => SignatureReason::MissingCredentials,
            };
            return Err(AuthError::Refused(reason));
        }
        let mut caller = self.bearer_caller(headers, now).await?;
        if route == RelayRoute::Edge
            && caller.may_share_its_secret()
            && let Some(relay) = self.edge_agents.relay(&self.store, headers, now).await?
        {
            caller = caller.with_agent(relay);
        }
        self.note_proof(caller.relay(), ProofKind::Bearer, now)
            .await;
        Ok(Claim::Proven(caller))
    }

    /// Verifies a signature with the body; a bearer secret is verified already. Returns the sender of the request.
    pub fn prove(&self, claim: Claim, body: &[u8]) -> Result<Caller, AuthError> {
        match claim {
            Claim::Signed(claim) => claim
                .verify(&self.secrets, body)
                .map(Caller::signed)
                .map_err(|refusal| AuthError::Refused(refusal.into())),
            Claim::Proven(caller) => Ok(caller),
        }
    }

    /// Notes that a relay signs. The bearer secret of a named relay is then refused until the operator allows it again.
    ///
    /// The refusal is written once per relay and process, and the note for the operator's list once a minute, so that
    /// most signed requests cost no write. This function must return before the request takes effect: once a signed
    /// request has been answered, the bearer secret must not work.
    pub async fn note_signature(&self, caller: &Caller, now: Timestamp) -> Result<(), StoreError> {
        let relay = caller.relay();
        if matches!(caller.proof(), CallerProof::Signature { .. }) {
            self.note_proof(relay, ProofKind::Signature, now).await;
        }
        if !caller.is_named_signer() || self.signers().contains(relay) {
            return Ok(());
        }
        self.store.note_first_signature(relay, now).await?;
        self.signers().insert(relay.clone());
        Ok(())
    }

    /// Notes a proof for the operator's list. A failure is only logged: the request does not need the note,
    /// and its own writes report that the store is away.
    async fn note_proof(&self, relay: &RelayName, proof: ProofKind, now: Timestamp) {
        if self.proof_notes.take_turn(relay, proof, now)
            && let Err(error) = self.store.note_proof(relay, proof, now).await
        {
            tracing::debug!(%error, "a relay's proof was not noted");
        }
    }

    fn signers(&self) -> MutexGuard<'_, HashSet<RelayName>> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the headers of a signature.
    fn signature_claim(
        &self,
        route: RelayRoute,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        if self.mode == RelayAuth::Bearer {
            return Err(AuthError::Refused(SignatureReason::HmacRefused));
        }
        let purpose = match route {
            RelayRoute::Message | RelayRoute::Edge => Purpose::Message,
            RelayRoute::Pull => Purpose::Pull,
        };
        let signature = SignatureHeaders {
            id: single_value(headers, HEADER_ID),
            timestamp: single_value(headers, HEADER_TIMESTAMP),
            signature: single_value(headers, HEADER_SIGNATURE),
        };
        SignatureClaim::parse(purpose, signature, now.as_secs())
            .map(Claim::Signed)
            .map_err(|refusal| AuthError::Refused(refusal.into()))
    }

    /// The relay whose bearer secret the request shows.
    async fn bearer_caller(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, AuthError> {
        let refused = |reason| Err(AuthError::Refused(reason));
        if !headers.contains_key(AUTHORIZATION) {
            return refused(SignatureReason::MissingCredentials);
        }
        let secret = shown_bearer(headers).and_then(|token| self.secrets.find_bearer(token));
        let Some(secret) = secret else {
            return refused(SignatureReason::WrongBearer);
        };
        // Several relays may share an unnamed secret, and some of them may not be able to sign yet. Where
        // signatures are switched off, a relay whose bearer is refused could not call at all.
        if self.mode != RelayAuth::Bearer
            && secret.is_named()
            && self.store.has_signed(secret.relay()).await?
        {
            return refused(SignatureReason::BearerRefused);
        }
        // If the operator has allowed this bearer secret again, the relay's next signature has to be noted again.
        self.signers().remove(secret.relay());
        metrics::counter!("relay_bearer_requests_total", "relay" => secret.relay().to_string())
            .increment(1);
        if self.bearer_warning.take_turn(now) {
            tracing::warn!(
                relay = secret.relay().as_str(),
                "a relay proves itself by bearer secret; let it sign (auth = hmac), then set RELAY_AUTH=hmac"
            );
        }
        Ok(Caller::bearer(Arc::clone(secret)))
    }
}

/// The bearer token of a request with exactly one `Authorization` header.
pub fn shown_bearer(headers: &HeaderMap) -> Option<&[u8]> {
    single_value(headers, AUTHORIZATION.as_str()).and_then(bearer_token)
}

/// Whether a request claims to be signed: it has any `webhook-*` header, even an unknown one.
fn claims_signature(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name.as_str().starts_with("webhook-"))
}

/// The value of a header that the request has exactly once.
fn single_value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// The token after the word `Bearer`, which may be in upper or lower case (RFC 9110 § 11.1).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}
