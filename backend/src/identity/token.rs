//! Splits an access token into its parts, and verifies its signature.
//!
//! The length is checked first. The key decides the algorithm, and a token that names another algorithm is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::failure::InvalidToken;

/// A longer token is refused before it is parsed.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The parts of a token whose signature is not checked yet.
pub(super) struct TokenParts<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) payload: Vec<u8>,
    signed: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> TokenParts<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(InvalidToken::Malformed)?;
        let decoded = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| InvalidToken::Malformed)
        };
        let header: TokenHeader =
            serde_json::from_slice(&decoded(header)?).map_err(|_| InvalidToken::Malformed)?;
        // `crit` names extensions that a verifier must support. This backend supports none.
        if header.crit.is_some() {
            return Err(InvalidToken::Malformed);
        }
        Ok(Self {
            // `none`, `NONE` and unknown names are refused.
            algorithm: header.alg.parse().map_err(|_| InvalidToken::Algorithm)?,
            key_id: header.kid,
            payload: decoded(payload)?,
            signed,
            signature,
        })
    }

    /// Whether the token is signed with a shared secret. Such a signature cannot be checked here.
    pub(super) fn uses_shared_secret(&self) -> bool {
        self.algorithm.family() == AlgorithmFamily::Hmac
    }
}

/// A public key and its one algorithm.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    /// `None` if `algorithm` does not use public keys, or uses another kind of key.
    pub(super) fn new(algorithm: Algorithm, key: DecodingKey) -> Option<Self> {
        let is_public = algorithm.family() != AlgorithmFamily::Hmac;
        (is_public && key.family() == algorithm.family()).then_some(Self { algorithm, key })
    }

    pub(super) fn verify(&self, token: &TokenParts<'_>) -> Result<(), InvalidToken> {
        if token.algorithm != self.algorithm {
            return Err(InvalidToken::Algorithm);
        }
        let signed = token.signed.as_bytes();
        match jsonwebtoken::crypto::verify(token.signature, signed, &self.key, self.algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(InvalidToken::Signature),
        }
    }
}
