//! The project's keys: the legacy secret, with which projects signed tokens before they had key pairs; the key pair;
//! and the API keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stand_in::random;
use time::OffsetDateTime;

use crate::settings::Signing;

/// How long the older kind of API keys is valid.
const LEGACY_KEY_TTL_SECS: i64 = 10 * 365 * 24 * 3600;
/// How long the token is valid by which the gateway replaces an API key of the new kind.
const GATEWAY_TOKEN_TTL_SECS: i64 = 5 * 60;

#[derive(Debug)]
pub(crate) struct ProjectKeys {
    pub(crate) signing: Signing,
    legacy_secret: String,
    key_pair: EcdsaKeyPair,
    /// The id of the key pair in token headers and in the key set.
    pub(crate) kid: String,
    /// The API key of the older kind, a JWT, for the role `anon`.
    pub(crate) legacy_anon_key: String,
    /// The API key of the older kind, a JWT, for the role `service_role`.
    pub(crate) legacy_service_key: String,
    /// The API key of the new kind for the role `anon`.
    pub(crate) publishable_key: String,
    /// The API key of the new kind for the role `service_role`.
    pub(crate) secret_key: String,
}

impl ProjectKeys {
    pub(crate) fn generate(signing: Signing, now: OffsetDateTime) -> Self {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        let mut keys = Self {
            signing,
            legacy_secret: random::string(40, ALPHABET),
            key_pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .expect("a P-256 key pair can be generated"),
            kid: random::uuid().to_string(),
            legacy_anon_key: String::new(),
            legacy_service_key: String::new(),
            publishable_key: format!("sb_publishable_{}", random::string(31, ALPHABET)),
            secret_key: format!("sb_secret_{}", random::string(31, ALPHABET)),
        };
        keys.legacy_anon_key = keys.legacy_key("anon", now);
        keys.legacy_service_key = keys.legacy_key("service_role", now);
        keys
    }

    fn legacy_key(&self, role: &str, now: OffsetDateTime) -> String {
        let issued = now.unix_timestamp();
        let claims = json!({
            "role": role,
            "iss": "supabase",
            "iat": issued,
            "exp": issued + LEGACY_KEY_TTL_SECS,
        });
        self.sign(&json!({ "alg": "HS256", "typ": "JWT" }), &claims)
    }

    /// The token by which the gateway replaces an API key of the new kind. It is signed as access tokens are.
    pub(crate) fn gateway_token(&self, role: &str, now: OffsetDateTime) -> String {
        let issued = now.unix_timestamp();
        let claims = json!({
            "role": role,
            "iss": "supabase",
            "iat": issued,
            "exp": issued + GATEWAY_TOKEN_TTL_SECS,
        });
        self.sign(&self.token_header(), &claims)
    }

    /// The header of access tokens.
    pub(crate) fn token_header(&self) -> Value {
        match self.signing {
            Signing::Hs256 => json!({ "alg": "HS256", "typ": "JWT" }),
            Signing::Es256 | Signing::Es256Only => {
                json!({ "alg": "ES256", "kid": self.kid, "typ": "JWT" })
            }
        }
    }

    /// Signs with the algorithm that the header names. Nothing else in the header is checked, so that tests
    /// can forge tokens.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = match header["alg"].as_str() {
            Some("HS256") => hmac::sign(&self.hmac_key(), message.as_bytes())
                .as_ref()
                .to_vec(),
            Some("ES256") => self
                .key_pair
                .sign(&SystemRandom::new(), message.as_bytes())
                .expect("a generated key pair signs")
                .as_ref()
                .to_vec(),
            _ => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn hs256_verifies(&self, message: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.hmac_key(), message.as_bytes(), signature).is_ok()
    }

    pub(crate) fn es256_verifies(&self, message: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(
            &ECDSA_P256_SHA256_FIXED,
            self.key_pair.public_key().as_ref(),
        )
        .verify(message.as_bytes(), signature)
        .is_ok()
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.legacy_secret.as_bytes())
    }

    /// The public keys, as `/.well-known/jwks.json` shows them.
    pub(crate) fn key_set(&self) -> Value {
        if self.signing == Signing::Hs256 {
            return json!({ "keys": [] });
        }
        // The public key is an uncompressed point: a marker byte, then the two coordinates.
        let (x, y) = self.key_pair.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [{
            "alg": "ES256",
            "crv": "P-256",
            "ext": true,
            "key_ops": ["verify"],
            "kid": self.kid,
            "kty": "EC",
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// SHA-256 in base64url, by which the server replaces the data of deleted users.
pub(crate) fn sha256_base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// SHA-224 in hex, by which the server hashes an e-mail address with its code.
pub(crate) fn sha224_hex(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA224, text.as_bytes()))
}
