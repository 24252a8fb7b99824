//! The keys of `SESSION_SECRET`, which authenticate tokens and encrypt stored secrets.
//!
//! The list's first key is the newest. New values are made with the newest key; values of every listed key are
//! accepted. A separate key is derived for each [`KeyUse`] and for encryption, so that a value made for one use is
//! not accepted for another.
//!
//! A rotation takes three deployments. `old,new` makes the new key known to every replica before any replica uses
//! it. `new,old` makes the new key the newest. `new` removes the old key once the values made with it have expired.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The shortest allowed key. `openssl rand -hex 32` prints 64 characters.
const MIN_KEY_CHARS: usize = 32;
const NONCE_LEN: usize = 12;

/// The use for which a key is derived. The derivation includes the use's name in kebab case, which must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum KeyUse {
    /// Refresh tokens and session cookies.
    SessionToken,
    Csrf,
    /// Tokens of known devices.
    Device,
}

/// Why the list of keys is invalid. Entries are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    #[error("has an empty entry")]
    Empty,
    #[error("entry {entry} is shorter than {MIN_KEY_CHARS} characters")]
    Short { entry: usize },
    #[error("entry {entry} repeats an earlier one")]
    Repeated { entry: usize },
}

/// Why a sealed value cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// The value's key was removed from the list, or was not yet deployed to this replica.
    #[error("sealed under a key that is not in SESSION_SECRET")]
    UnknownKey,
    /// The value was changed, or it was sealed with other `aad`.
    #[error("damaged")]
    Damaged,
}

/// At least one key, the newest first.
pub struct Keyring {
    keys: Vec<RootKey>,
}

struct RootKey {
    /// Eight hexadecimal digits of a hash of the key.
    id: String,
    key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl Keyring {
    /// Reads a comma-separated list, newest first.
    pub fn parse(list: &str) -> Result<Self, InvalidKeyring> {
        let mut keys: Vec<RootKey> = Vec::new();
        for (entry, text) in (1..).zip(list.split(',').map(str::trim)) {
            if text.is_empty() {
                return Err(InvalidKeyring::Empty);
            }
            if text.chars().count() < MIN_KEY_CHARS {
                return Err(InvalidKeyring::Short { entry });
            }
            let root = RootKey::of(text.as_bytes());
            if keys.iter().any(|other| other.id == root.id) {
                return Err(InvalidKeyring::Repeated { entry });
            }
            keys.push(root);
        }
        Ok(Self { keys })
    }

    /// The id of the newest key.
    pub fn newest_id(&self) -> &str {
        &self.keys[0].id
    }

    /// The ids of all listed keys, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|root| &*root.id)
    }

    /// The MAC of `parts` and their lengths, under the key that is derived from the newest key for `key_use`.
    pub fn mac(&self, key_use: KeyUse, parts: &[&[u8]]) -> [u8; 32] {
        self.keys[0].mac(key_use, parts)
    }

    /// As [`Keyring::mac`], under the key with this id. `None` if that key is not listed.
    pub fn mac_under(&self, id: &str, key_use: KeyUse, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let root = self.keys.iter().find(|root| root.id == id)?;
        Some(root.mac(key_use, parts))
    }

    /// Whether `mac` is the MAC of `parts` under any listed key. Compares in constant time.
    pub fn verifies(&self, key_use: KeyUse, parts: &[&[u8]], mac: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        let matches = |root: &RootKey| bool::from(root.mac(key_use, parts)[..].ct_eq(mac));
        self.keys.iter().any(matches)
    }

    /// Encrypts `plain` with the newest key. `aad` names the place where the value is stored; [`Keyring::open`]
    /// needs the same `aad`. The result is the key's id, the nonce and the ciphertext.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Vec<u8> {
        let root = &self.keys[0];
        let mut body = plain.to_vec();
        let nonce = root
            .sealing_key()
            .seal_in_place_append_tag(Aad::from(aad.as_bytes()), &mut body)
            .expect("AES-GCM takes anything below 64 GiB");
        let mut sealed = Vec::with_capacity(root.id.len() + NONCE_LEN + body.len());
        sealed.extend_from_slice(root.id.as_bytes());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Decrypts a value that [`Keyring::seal`] made with the same `aad`.
    pub fn open(&self, aad: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let id_len = self.newest_id().len();
        let (id, rest) = sealed
            .split_at_checked(id_len)
            .ok_or(UnsealError::Damaged)?;
        let (nonce, body) = rest
            .split_at_checked(NONCE_LEN)
            .ok_or(UnsealError::Damaged)?;
        let root = self.keys.iter().find(|root| root.id.as_bytes() == id);
        let root = root.ok_or(UnsealError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let len = root
            .sealing_key()
            .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut body)
            .map_err(|_| UnsealError::Damaged)?
            .len();
        body.truncate(len);
        Ok(body)
    }

    /// Whether `sealed` was made with the newest key.
    pub fn is_sealed_with_newest(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(self.newest_id().as_bytes())
    }
}

impl RootKey {
    fn of(secret: &[u8]) -> Self {
        let key = Zeroizing::new(keyed_hash(secret, &[b"archety root key v1"]));
        let id = keyed_hash(&key[..], &[b"key id"]);
        let [a, b, c, d, ..] = id;
        let id = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        Self { id, key }
    }

    fn mac(&self, key_use: KeyUse, parts: &[&[u8]]) -> [u8; 32] {
        let label: &str = key_use.into();
        let key = keyed_hash(&self.key[..], &[b"purpose", label.as_bytes()]);
        let key = Zeroizing::new(key);
        keyed_hash(&key[..], parts)
    }

    fn sealing_key(&self) -> RandomizedNonceKey {
        let key = Zeroizing::new(keyed_hash(&self.key[..], &[b"seal"]));
        RandomizedNonceKey::new(&AES_256_GCM, &key[..]).expect("32 bytes are an AES-256 key")
    }
}

/// HMAC-SHA256 of `parts`, each preceded by its length.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256 without a key, for values that are random or public. A value that can be guessed needs a keyed hash.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    fn ring(list: &str) -> Keyring {
        Keyring::parse(list).expect("a list")
    }

    #[test]
    fn values_of_an_old_key_are_accepted_while_it_is_listed() {
        let old = ring(OLD);
        let both = ring(&format!("{NEW},{OLD}"));
        let new = ring(NEW);
        let sealed = old.seal("here", b"secret");
        assert_eq!(
            both.open("here", &sealed).expect("opens")[..],
            b"secret"[..]
        );
        assert!(!both.is_sealed_with_newest(&sealed));
        assert_eq!(new.open("here", &sealed), Err(UnsealError::UnknownKey));
        let mac = old.mac(KeyUse::Csrf, &[b"a", b"b"]);
        assert!(both.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac));
        assert!(!new.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac));
        let id = old.newest_id();
        assert_eq!(both.mac_under(id, KeyUse::Csrf, &[b"a", b"b"]), Some(mac));
        assert_eq!(new.mac_under(id, KeyUse::Csrf, &[b"a", b"b"]), None);
    }

    #[test]
    fn values_of_another_use_aad_or_parts_are_refused() {
        let ring = ring(OLD);
        let mac = ring.mac(KeyUse::Csrf, &[b"a", b"b"]);
        assert!(!ring.verifies(KeyUse::Device, &[b"a", b"b"], &mac));
        assert!(!ring.verifies(KeyUse::Csrf, &[b"ab", b""], &mac));
        assert!(!ring.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac[..31]));
        let sealed = ring.seal("here", b"secret");
        assert_ne!(
            sealed,
            ring.seal("here", b"secret"),
            "each call has a new nonce"
        );
        assert_eq!(ring.open("there", &sealed), Err(UnsealError::Damaged));
        for n in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[n] ^= 1;
            assert!(ring.open("here", &damaged).is_err(), "byte {n}");
            assert!(ring.open("here", &sealed[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn invalid_lists_are_refused() {
        let short = Keyring::parse(&format!("{OLD},short")).err();
        assert_eq!(short, Some(InvalidKeyring::Short { entry: 2 }));
        let repeated = Keyring::parse(&format!("{OLD}, {OLD}")).err();
        assert_eq!(repeated, Some(InvalidKeyring::Repeated { entry: 2 }));
        assert_eq!(Keyring::parse("").err(), Some(InvalidKeyring::Empty));
        assert_eq!(
            Keyring::parse(&format!("{OLD},")).err(),
            Some(InvalidKeyring::Empty)
        );
    }
}
