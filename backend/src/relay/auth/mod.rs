//! Whether a request comes from a relay, from which one, and by which proof.
//!
//! The relay's identity comes from the secret alone. If any `webhook-*` header is there, the signature
//! decides and a bearer secret beside it counts for nothing, so that a stripped or broken signature
//! can never be made good by the weaker proof. Nothing of a body is interpreted here: the signature is
//! over its raw bytes. What the headers alone condemn is refused without keeping a byte of the body.
//! Remembering which signed requests were seen is the store's part, in the same
//! commit as what the request does; answers are signed by the [`Caller`] that the request came from.

mod caller;
mod edge_agents;
mod failures;
mod hmac_seen;
mod proof_notes;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use shared_protocol::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Purpose, RelayName, RelaySecrets,
    SignatureClaim, SignatureHeaders, SignatureReason,
};

pub use caller::{Caller, Proof};
pub use failures::{FailureLimiter, Verdict};

use crate::clock::Timestamp;
use crate::config::RelayAuth;
use crate::store::{ProofKind, Store, StoreError};
use crate::throttle::Throttle;
use edge_agents::EdgeAgents;
use hmac_seen::HmacSeen;
use proof_notes::ProofNotes;

const BEARER_WARNED_EVERY: Duration = Duration::from_mins(1);

/// Verifies relays.
pub struct RelayAuthenticator {
    secrets: Arc<RelaySecrets>,
    mode: RelayAuth,
    store: Store,
    hmac_seen: HmacSeen,
    /// The reminder that a relay still shows its secret instead of signing. Each such request is counted
    /// besides.
    bearer_warning: Throttle,
    proof_notes: ProofNotes,
    edge_agents: EdgeAgents,
}

/// What a request says of itself before its body is there.
#[derive(Debug)]
pub enum Claim {
    /// A signature in time and of the right form; the body decides.
    Signed(SignatureClaim),
    /// A secret that was shown: nothing is left to prove.
    Proven(Caller),
}

/// A request that no relay is known to have sent.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Its proof does not hold.
    #[error("refused: {0}")]
    Refused(SignatureReason),
    /// Whether it holds could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RelayAuthenticator {
    /// Verifies against `secrets`, in the order of their list.
    pub fn new(secrets: Arc<RelaySecrets>, mode: RelayAuth, store: Store) -> Self {
        let hmac_seen = HmacSeen::new(&secrets);
        Self {
            secrets,
            mode,
            store,
            hmac_seen,
            bearer_warning: Throttle::new(BEARER_WARNED_EVERY),
            proof_notes: ProofNotes::default(),
            edge_agents: EdgeAgents::default(),
        }
    }

    /// What a request claims at a route that takes signatures and, where allowed, bearer secrets.
    pub async fn message_claim(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        if claims_signature(headers) {
            return self.signature(Purpose::Message, headers, now);
        }
        if self.mode == RelayAuth::Hmac {
            let reason = match headers.get(AUTHORIZATION) {
                Some(_) => SignatureReason::BearerRefused,
                None => SignatureReason::MissingCredentials,
            };
            return Err(AuthError::Refused(reason));
        }
        let caller = self.bearer(headers, now).await?;
        self.note_proof(caller.relay(), ProofKind::Bearer, now)
            .await;
        Ok(Claim::Proven(caller))
    }

    /// What a request claims at a route of the predecessor, whose relays may share a secret.
    pub async fn edge_claim(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        if claims_signature(headers) || self.mode == RelayAuth::Hmac {
            return self.message_claim(headers, now).await;
        }
        let mut caller = self.bearer(headers, now).await?;
        if caller.may_share_its_secret()
            && let Some(relay) = self.edge_agents.relay(&self.store, headers, now).await?
        {
            caller = caller.called(relay);
        }
        self.note_proof(caller.relay(), ProofKind::Bearer, now)
            .await;
        Ok(Claim::Proven(caller))
    }

    /// What a request claims at the route of pulls, where only a signature counts.
    pub fn pull_claim(&self, headers: &HeaderMap, now: Timestamp) -> Result<Claim, AuthError> {
        if claims_signature(headers) {
            return self.signature(Purpose::Pull, headers, now);
        }
        Err(AuthError::Refused(match headers.get(AUTHORIZATION) {
            Some(_) => SignatureReason::BearerRefused,
            None => SignatureReason::MissingCredentials,
        }))
    }

    /// Who sent the request that makes this claim and has this body.
    pub fn prove(&self, claim: Claim, body: &[u8]) -> Result<Caller, AuthError> {
        match claim {
            Claim::Signed(claim) => claim
                .verify(&self.secrets, body)
                .map(Caller::signed)
                .map_err(|refusal| AuthError::Refused(refusal.into())),
            Claim::Proven(caller) => Ok(caller),
        }
    }

    /// Notes that a relay signs; of a named one, that its bearer is refused for good from then on. Written
    /// once per relay and process, and once a minute for the operator's list, so that signed requests cost
    /// no write for it. Done before the request takes effect, because what was answered once must stay
    /// true.
    pub async fn note_signature(&self, caller: &Caller, now: Timestamp) -> Result<(), StoreError> {
        let relay = caller.relay();
        if matches!(caller.proof(), Proof::Signature { .. }) {
            self.note_proof(relay, ProofKind::Signature, now).await;
        }
        if !caller.is_named_signer() || self.hmac_seen.is_noted(relay) {
            return Ok(());
        }
        self.store.mark_hmac_seen(relay, now).await?;
        self.hmac_seen.note(relay);
        Ok(())
    }

    /// For the operator's list alone: without the note the request is as good. Where the store is away,
    /// what the request itself has to write says so.
    async fn note_proof(&self, relay: &RelayName, proof: ProofKind, now: Timestamp) {
        if self.proof_notes.is_due(relay, proof, now)
            && let Err(error) = self.store.note_proof(relay, proof, now).await
        {
            tracing::debug!(%error, "a relay's proof was not noted");
        }
    }

    fn signature(
        &self,
        purpose: Purpose,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Claim, AuthError> {
        if self.mode == RelayAuth::Bearer {
            return Err(AuthError::Refused(SignatureReason::HmacRefused));
        }
        let signature = SignatureHeaders {
            id: single(headers, HEADER_ID),
            timestamp: single(headers, HEADER_TIMESTAMP),
            signature: single(headers, HEADER_SIGNATURE),
        };
        SignatureClaim::parse(purpose, signature, now.as_secs())
            .map(Claim::Signed)
            .map_err(|refusal| AuthError::Refused(refusal.into()))
    }

    async fn bearer(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, AuthError> {
        let refused = |reason| Err(AuthError::Refused(reason));
        if !headers.contains_key(AUTHORIZATION) {
            return refused(SignatureReason::MissingCredentials);
        }
        let secret = shown_bearer(headers).and_then(|token| self.secrets.find_bearer(token));
        let Some(secret) = secret else {
            return refused(SignatureReason::WrongBearer);
        };
        // Several relays may share an unnamed secret; one of them may not be able to sign yet. Where
        // signatures are switched off, a refused bearer would leave the relay no way in at all.
        if self.mode != RelayAuth::Bearer
            && secret.is_named()
            && self.store.hmac_seen(secret.relay()).await?
        {
            return refused(SignatureReason::BearerRefused);
        }
        self.hmac_seen.forget(secret.relay());
        metrics::counter!("relay_bearer_requests_total", "relay" => secret.relay().to_string())
            .increment(1);
        if self.bearer_warning.is_due(now) {
            tracing::warn!(
                relay = secret.relay().as_str(),
                "a relay proves itself by bearer secret; let it sign (auth = hmac), then set RELAY_AUTH=hmac"
            );
        }
        Ok(Caller::bearer(Arc::clone(secret)))
    }
}

/// The token of the only `Authorization` header, if that is a bearer's.
pub fn shown_bearer(headers: &HeaderMap) -> Option<&[u8]> {
    single(headers, AUTHORIZATION.as_str()).and_then(bearer_token)
}

/// Whether a request claims to be signed: any header of the family, even one that we don't know.
fn claims_signature(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name.as_str().starts_with("webhook-"))
}

/// The value of a header that came exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// What follows `Bearer`, whose case does not matter (RFC 9110 § 11.1).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}
