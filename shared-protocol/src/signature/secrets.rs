//! Parses `RELAY_WEBHOOK_SECRET`: one secret of a relay, or the secrets that a backend accepts.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{InvalidKey, SigningKey};
use crate::RelayName;

/// A secret and the name of its relay.
pub struct RelaySecret {
    relay: RelayName,
    named: bool,
    text: Zeroizing<String>,
    key: SigningKey,
}

impl RelaySecret {
    /// Parses `secret` or `name:secret`. The text before the first colon is a name only if it has the form of
    /// a relay name, because a secret may contain colons.
    pub fn parse(entry: &str) -> Result<Self, InvalidKey> {
        let entry = entry.trim();
        let (relay, named, text) = match entry.split_once(':') {
            Some((name, rest)) => match RelayName::parse(name) {
                Ok(relay) => (relay, true, rest),
                Err(_) => (RelayName::default(), false, entry),
            },
            None => (RelayName::default(), false, entry),
        };
        let text = text.trim();
        let key = SigningKey::parse(text)?;
        Ok(Self {
            relay,
            named,
            text: Zeroizing::new(text.to_owned()),
            key,
        })
    }

    /// The relay that this secret belongs to.
    pub fn relay(&self) -> &RelayName {
        &self.relay
    }

    /// Whether the text had a name. A secret without a name belongs to the relay `default`.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The key that signs with this secret.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Whether `presented` is this secret, compared in constant time.
    pub fn matches_bearer(&self, presented: &[u8]) -> bool {
        // Hashes have one length, so the time reveals neither the content nor the length of the secret.
        let own = Sha256::digest(self.text.as_bytes());
        own.ct_eq(&Sha256::digest(presented)).into()
    }

    /// The secret itself, for the header of bearer requests.
    pub fn expose_bearer(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for RelaySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelaySecret({}, …)", self.relay)
    }
}

/// The secrets that a backend accepts. Several can be valid at once, so that a secret can be replaced
/// without a refused message.
#[derive(Debug)]
pub struct RelaySecrets(Vec<Arc<RelaySecret>>);

impl RelaySecrets {
    /// Reads a comma-separated list of `secret` and `name:secret`.
    pub fn parse(list: &str) -> Result<Self, InvalidSecrets> {
        let mut secrets = Vec::new();
        for (index, entry) in list.split(',').enumerate() {
            if entry.trim().is_empty() && list.trim().is_empty() {
                return Err(InvalidSecrets::Empty);
            }
            let secret = RelaySecret::parse(entry).map_err(|source| InvalidSecrets::Entry {
                position: index + 1,
                source,
            })?;
            secrets.push(Arc::new(secret));
        }
        // If two relays had the same key, a signature would not identify the relay.
        let mut keys = HashSet::new();
        for (index, secret) in secrets.iter().enumerate() {
            if !keys.insert(Sha256::digest(secret.key.as_bytes())) {
                return Err(InvalidSecrets::Repeated {
                    position: index + 1,
                });
            }
        }
        Ok(Self(secrets))
    }

    /// The secrets in the order given.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<RelaySecret>> {
        self.0.iter()
    }

    /// The secret that equals `presented`. Every secret is compared, in constant time.
    pub fn find_bearer(&self, presented: &[u8]) -> Option<&Arc<RelaySecret>> {
        self.0.iter().fold(None, |found, secret| {
            let matching = secret.matches_bearer(presented).then_some(secret);
            matching.or(found)
        })
    }
}

impl<'s> IntoIterator for &'s RelaySecrets {
    type Item = &'s Arc<RelaySecret>;
    type IntoIter = std::slice::Iter<'s, Arc<RelaySecret>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `RELAY_WEBHOOK_SECRET` cannot be used. Positions count from 1; the text is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// The list has no text.
    #[error("it is empty")]
    Empty,
    /// One entry is not a secret.
    #[error("entry {position}: {source}")]
    Entry {
        /// The number of the entry.
        position: usize,
        /// The fault of the entry.
        source: InvalidKey,
    },
    /// One entry has the key of an earlier one.
    #[error("entry {position} repeats an earlier secret; each relay needs its own")]
    Repeated {
        /// The number of the entry.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn names_and_plain_secrets_mix() {
        let list = RelaySecrets::parse(&format!("{A}, mini-2:{B}")).expect("valid");
        let relays: Vec<_> = list
            .iter()
            .map(|s| (s.relay().as_str(), s.is_named()))
            .collect();
        assert_eq!(relays, [("default", false), ("mini-2", true)]);
        assert_eq!(
            list.find_bearer(B.as_bytes()).map(|s| s.relay().as_str()),
            Some("mini-2")
        );
        assert!(list.find_bearer(b"bbb").is_none());
        assert!(list.find_bearer(b"").is_none());
    }

    #[test]
    fn space_around_a_secret_is_part_neither_of_the_bearer_nor_of_the_key() {
        let spaced = RelaySecret::parse(&format!(" mini-2 : {A} "));
        assert!(!spaced.expect("a secret with colons").is_named());
        let spaced = RelaySecret::parse(&format!(" mini-2: {A} ")).expect("valid");
        assert_eq!(spaced.relay().as_str(), "mini-2");
        assert!(spaced.matches_bearer(A.as_bytes()));
        assert_eq!(spaced.key().as_bytes(), A.as_bytes());
    }

    #[test]
    fn a_colon_is_a_separator_only_after_a_name() {
        let secret = RelaySecret::parse("NOT A NAME:and a secret of some length").expect("valid");
        assert!(!secret.is_named());
        assert!(secret.matches_bearer(b"NOT A NAME:and a secret of some length"));
    }

    #[test]
    fn faults_name_the_entry_and_never_its_text() {
        assert_eq!(RelaySecrets::parse(" ").err(), Some(InvalidSecrets::Empty));
        let gap = RelaySecrets::parse(&format!("{A},,{B}")).expect_err("an empty entry");
        assert_eq!(
            gap,
            InvalidSecrets::Entry {
                position: 2,
                source: InvalidKey::Empty
            }
        );
        let twice = RelaySecrets::parse(&format!("{A},x:{A}")).expect_err("one key, two relays");
        assert_eq!(twice, InvalidSecrets::Repeated { position: 2 });
        for fault in [
            gap.to_string(),
            twice.to_string(),
            format!("{:?}", RelaySecret::parse(A)),
        ] {
            assert!(!fault.contains(A), "{fault}");
        }
    }
}
