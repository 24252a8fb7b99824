//! `SESSION_SECRET`: the keys that tokens and sealed data are made with, newest first.
//!
//! Each use derives a key of its own, so that a value made for one purpose is worth nothing for
//! another. A new value is made with the newest key and names it; a value that is checked may be of any key
//! that is still listed. So a key is rotated in three deployments: `old,new`, so that every replica
//! knows the new one before any uses it; `new,old`; and `new` once what hangs on the old one has expired.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Shortest key: 32 characters, as `openssl rand -hex 32` gives twice over.
const MIN_KEY_CHARS: usize = 32;
const NONCE_LEN: usize = 12;

/// What a key is derived for. Its name in kebab case is part of the derivation and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum KeyUse {
    /// Refresh tokens and session cookies.
    SessionToken,
    Csrf,
    /// Cookies of known devices.
    Device,
}

/// Why the list is not usable. Entries are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    #[error("holds no key")]
    Empty,
    #[error("entry {entry} is shorter than {MIN_KEY_CHARS} characters")]
    Short { entry: usize },
    #[error("entry {entry} repeats an earlier one")]
    Repeated { entry: usize },
}

/// Why a sealed value cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// Its key is not listed: not any more, or not yet, while a new one is being rolled out.
    #[error("sealed under a key that is not in SESSION_SECRET")]
    UnknownKey,
    /// It was changed, or belongs elsewhere.
    #[error("damaged")]
    Damaged,
}

/// The keys, newest first; at least one.
pub struct Keyring {
    keys: Vec<RootKey>,
}

struct RootKey {
    /// Names the key without telling it: eight hexadecimal digits.
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

    pub fn newest(&self) -> &str {
        &self.keys[0].id
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|root| &*root.id)
    }

    /// MAC of `parts` under the newest key. Each part is bound with its length.
    pub fn mac(&self, key_use: KeyUse, parts: &[&[u8]]) -> [u8; 32] {
        self.keys[0].mac(key_use, parts)
    }

    /// The same under the named key, if it is still listed.
    pub fn mac_under(&self, id: &str, key_use: KeyUse, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let root = self.keys.iter().find(|root| root.id == id)?;
        Some(root.mac(key_use, parts))
    }

    /// Whether `mac` is that of `parts` under any key of the list, in constant time for each.
    pub fn verifies(&self, key_use: KeyUse, parts: &[&[u8]], mac: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        let holds = |root: &RootKey| bool::from(root.mac(key_use, parts)[..].ct_eq(mac));
        self.keys.iter().any(holds)
    }

    /// Encrypts `plain` and binds it to `aad`, the place where it is kept. The result names the key.
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

    /// Decrypts what [`Keyring::seal`] made for the same `aad`.
    pub fn open(&self, aad: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let id_len = self.newest().len();
        let (id, rest) = sealed.split_at_checked(id_len).ok_or(CannotOpen::Damaged)?;
        let (nonce, body) = rest
            .split_at_checked(NONCE_LEN)
            .ok_or(CannotOpen::Damaged)?;
        let root = self.keys.iter().find(|root| root.id.as_bytes() == id);
        let root = root.ok_or(CannotOpen::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let len = root
            .sealing_key()
            .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut body)
            .map_err(|_| CannotOpen::Damaged)?
            .len();
        body.truncate(len);
        Ok(body)
    }

    /// Whether `sealed` was made with the newest key.
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(self.newest().as_bytes())
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

/// HMAC-SHA256 of `parts`, each bound with its length.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256: for what is random already and is only looked up.
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
    fn what_an_old_key_made_holds_while_it_is_listed() {
        let old = ring(OLD);
        let both = ring(&format!("{NEW},{OLD}"));
        let new = ring(NEW);
        let sealed = old.seal("here", b"secret");
        assert_eq!(
            both.open("here", &sealed).expect("opens")[..],
            b"secret"[..]
        );
        assert!(!both.is_newest(&sealed));
        assert_eq!(new.open("here", &sealed), Err(CannotOpen::UnknownKey));
        let mac = old.mac(KeyUse::Csrf, &[b"a", b"b"]);
        assert!(both.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac));
        assert!(!new.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac));
        let id = old.newest();
        assert_eq!(both.mac_under(id, KeyUse::Csrf, &[b"a", b"b"]), Some(mac));
        assert_eq!(new.mac_under(id, KeyUse::Csrf, &[b"a", b"b"]), None);
    }

    #[test]
    fn purposes_places_and_parts_are_kept_apart() {
        let ring = ring(OLD);
        let mac = ring.mac(KeyUse::Csrf, &[b"a", b"b"]);
        assert!(!ring.verifies(KeyUse::Device, &[b"a", b"b"], &mac));
        assert!(!ring.verifies(KeyUse::Csrf, &[b"ab", b""], &mac));
        assert!(!ring.verifies(KeyUse::Csrf, &[b"a", b"b"], &mac[..31]));
        let sealed = ring.seal("here", b"secret");
        assert_ne!(sealed, ring.seal("here", b"secret"), "a nonce of its own");
        assert_eq!(ring.open("there", &sealed), Err(CannotOpen::Damaged));
        for n in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[n] ^= 1;
            assert!(ring.open("here", &damaged).is_err(), "byte {n}");
            assert!(ring.open("here", &sealed[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn weak_lists_are_named() {
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
