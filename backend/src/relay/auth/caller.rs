//! A relay whose proof holds, and the signature under which it is answered.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use shared_protocol::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, RelayName, RelaySecret, VerifiedRequest,
    WebhookId,
};

use crate::clock::Timestamp;
use crate::store::Receipt;

/// A relay, and how it proved itself.
#[derive(Debug)]
pub struct Caller {
    secret: Arc<RelaySecret>,
    /// Another relay than the secret's, which shares it.
    agent: Option<RelayName>,
    proof: Proof,
}

/// How a relay proved itself.
#[derive(Debug)]
pub enum Proof {
    /// By a signature; the answer is signed too.
    Signature {
        /// Id of the request.
        id: WebhookId,
        /// When it was signed, Unix seconds.
        timestamp: i64,
    },
    /// By showing the secret.
    Bearer,
}

impl Caller {
    pub(super) fn signed(verified: VerifiedRequest) -> Self {
        Self {
            secret: verified.secret,
            agent: None,
            proof: Proof::Signature {
                id: verified.id,
                timestamp: verified.timestamp,
            },
        }
    }

    pub(super) fn bearer(secret: Arc<RelaySecret>) -> Self {
        Self {
            secret,
            agent: None,
            proof: Proof::Bearer,
        }
    }

    /// One of several relays that have this secret.
    pub(super) fn called(self, agent: RelayName) -> Self {
        Self {
            agent: Some(agent),
            ..self
        }
    }

    /// The relay, by its secret; of several that share one, by what it calls itself.
    pub fn relay(&self) -> &RelayName {
        self.agent.as_ref().unwrap_or_else(|| self.secret.relay())
    }

    /// Whether it showed a secret without a name, which several relays may have.
    pub(super) fn may_share_its_secret(&self) -> bool {
        !self.secret.is_named() && matches!(self.proof, Proof::Bearer)
    }

    /// Whether it signed with a secret that names it.
    pub fn is_named_signer(&self) -> bool {
        self.secret.is_named() && matches!(self.proof, Proof::Signature { .. })
    }

    /// How it proved itself.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether a name in the body contradicts the secret. An unnamed secret contradicts nothing.
    pub fn contradicts(&self, claimed: Option<&str>) -> bool {
        self.secret.is_named() && claimed.is_some_and(|name| name != self.relay().as_str())
    }

    /// The signed request, to be remembered.
    pub fn receipt(&self) -> Option<Receipt> {
        match &self.proof {
            Proof::Signature { id, timestamp } => Some(Receipt {
                relay: self.relay().clone(),
                webhook_id: id.as_str().to_owned(),
                signed_at: *timestamp,
            }),
            Proof::Bearer => None,
        }
    }

    /// Signs an answer with these bytes, if the request was signed.
    pub fn sign_answer(&self, headers: &mut HeaderMap, body: &[u8], now: Timestamp) {
        let Proof::Signature { id, .. } = &self.proof else {
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
        let untouched = HeaderValue::from_static("no-store, no-transform");
        headers.insert(CACHE_CONTROL, untouched);
    }
}
