//! `RELAY_WEBHOOK_SECRET` and `RELAY_AUTH`: the secrets of relays, and how relays prove that they know them.

use std::sync::Arc;

use shared_protocol::{MIN_KEY_BYTES, RelayName, RelaySecrets};

use super::reader::from_str;
use super::{Reader, strength};

/// How relays are authenticated.
#[derive(Debug)]
pub struct RelayConfig {
    /// `None` only in development: `serve` makes a secret and keeps it in a file.
    pub secrets: Option<Arc<RelaySecrets>>,
    pub auth: RelayAuth,
}

/// Which proofs of its secret the backend accepts from a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum RelayAuth {
    /// Signatures only.
    Hmac,
    /// The predecessor's protocol only: the secret as a bearer token, no signatures, and no pulls of commands.
    Bearer,
    /// Either proof.
    Both,
}

const SECRET: &str = "RELAY_WEBHOOK_SECRET";

impl RelayConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            auth: reader.value("RELAY_AUTH", from_str),
            secrets: read_secrets(reader).map(Arc::new),
        }
    }
}

fn read_secrets(reader: &mut Reader) -> Option<RelaySecrets> {
    let list = reader.required(SECRET)?;
    if let Some(entry) = entry_with_bad_name(reader) {
        let message = format!(
            "entry {entry}: the text before the colon is not a valid relay name; a name is 1 to 32 of \
             a-z, 0-9 and -, and a secret has no colon"
        );
        reader.refuse(SECRET, message);
        return None;
    }
    match RelaySecrets::parse(list) {
        Ok(secrets) => {
            check_strength(&secrets, reader);
            Some(secrets)
        }
        Err(fault) => {
            let message = format!("{fault} (a comma-separated list of `secret` or `name:secret`)");
            reader.refuse(SECRET, message);
            None
        }
    }
}

/// The position of the first entry whose text before the colon is not a valid relay name. [`RelaySecrets::parse`]
/// would take such an entry as a secret without a name, and a typing error in the name would go unnoticed.
fn entry_with_bad_name(reader: &Reader) -> Option<usize> {
    let is_bad = |entry: &str| {
        let name = entry.split_once(':').map(|(name, _)| name);
        name.is_some_and(|name| RelayName::parse(name).is_err())
    };
    let position = reader.list(SECRET).position(is_bad)?;
    Some(position + 1)
}

/// Reports each secret that is too short. If all are long enough, reports each that can be guessed.
fn check_strength(secrets: &RelaySecrets, reader: &mut Reader) {
    let short = (1..)
        .zip(secrets.iter())
        .filter(|(_, secret)| secret.key().is_weak());
    let short: Vec<usize> = short.map(|(entry, _)| entry).collect();
    for entry in &short {
        let message = format!(
            "entry {entry} is shorter than {MIN_KEY_BYTES} bytes; make one with `archety-backend secret new`"
        );
        reader.refuse_in_production(SECRET, message);
    }
    if short.is_empty() {
        // The text before a colon is the relay's name.
        let secrets = reader.list(SECRET);
        let secrets =
            secrets.map(|entry| entry.split_once(':').map_or(entry, |(_, secret)| secret));
        strength::check_keys(SECRET, secrets, reader);
    }
}
