//! A verified relay, and the signature of the answers to it.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use shared_protocol::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, RelayName, RelaySecret, VerifiedRequest,
    WebhookId,
};

use crate::clock::Timestamp;
use crate::store::Receipt;

/// A verified relay.
#[derive(Debug)]
pub struct Caller {
    secret: Arc<RelaySecret>,
    /// The relay's own name, if several relays share the secret and this is not the first of them.
    agent: Option<RelayName>,
    proof: CallerProof,
}

/// How a relay proved itself.
#[derive(Debug)]
pub enum CallerProof {
    Signature {
        id: WebhookId,
        /// When the request was signed, Unix seconds.
        timestamp: i64,
    },
    Bearer,
}

impl Caller {
    pub(super) fn signed(verified: VerifiedRequest) -> Self {
        Self {
            secret: verified.secret,
            agent: None,
            proof: CallerProof::Signature {
                id: verified.id,
                timestamp: verified.timestamp,
            },
        }
    }

    pub(super) fn bearer(secret: Arc<RelaySecret>) -> Self {
        Self {
            secret,
            agent: None,
            proof: CallerProof::Bearer,
        }
    }

    /// Sets the name of one of several relays that share this secret.
    pub(super) fn with_agent(self, agent: RelayName) -> Self {
        Self {
            agent: Some(agent),
            ..self
        }
    }

    /// The name that belongs to the secret, or the relay's own name if several relays share the secret.
    pub fn relay(&self) -> &RelayName {
        self.agent.as_ref().unwrap_or_else(|| self.secret.relay())
    }

    /// Whether the relay showed a secret without a name, which several relays may have.
    pub(super) fn may_share_its_secret(&self) -> bool {
        !self.secret.is_named() && matches!(self.proof, CallerProof::Bearer)
    }

    /// Whether the relay signed with a secret that has a name.
    pub fn is_named_signer(&self) -> bool {
        self.secret.is_named() && matches!(self.proof, CallerProof::Signature { .. })
    }

    pub fn proof(&self) -> &CallerProof {
        &self.proof
    }

    /// Whether the name in a body differs from the name of the secret. With a secret without a name the body may
    /// have any name.
    pub fn contradicts(&self, claimed: Option<&str>) -> bool {
        self.secret.is_named() && claimed.is_some_and(|name| name != self.relay().as_str())
    }

    /// The record of a signed request, which keeps it from being accepted twice.
    pub fn receipt(&self) -> Option<Receipt> {
        match &self.proof {
            CallerProof::Signature { id, timestamp } => Some(Receipt {
                relay: self.relay().clone(),
                webhook_id: id.as_str().to_owned(),
                signed_at: *timestamp,
            }),
            CallerProof::Bearer => None,
        }
    }

    /// Signs an answer with this body, if the request was signed.
    pub fn sign_answer(&self, headers: &mut HeaderMap, body: &[u8], now: Timestamp) {
        let CallerProof::Signature { id, .. } = &self.proof else {
            return;
        };
        let id = id.answer();
        let now = now.as_secs();
        let signature = self.secret.key().sign(&id, now, body);
        for (name, value) in [
            (HEADER_ID, id.as_str()),
            (HEADER_TIMESTAMP, &now.to_string()),
            (HEADER_SIGNATURE, &signature),
        ] {
            let value = HeaderValue::from_str(value).expect("ids, numbers and base64 are ASCII");
            headers.insert(HeaderName::from_static(name), value);
        }
        // A proxy that compressed or rewrote the answer would break its signature.
        let cache_control = HeaderValue::from_static("no-store, no-transform");
        headers.insert(CACHE_CONTROL, cache_control);
    }
}
