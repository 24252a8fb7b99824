//! `RELAY_WEBHOOK_SECRET` and `RELAY_AUTH`: which relays are believed, and by which proof.

use std::sync::Arc;

use shared_protocol::{InvalidSecrets, RelayName, RelaySecrets};

use super::{Environment, Problems, Variables, strength};

/// Whom to believe.
#[derive(Debug)]
pub struct RelayConfig {
    /// The secrets, or the promise to make one.
    pub secrets: SecretSource,
    /// By which proof.
    pub auth: RelayAuth,
}

/// Where the relay secrets come from.
#[derive(Debug)]
pub enum SecretSource {
    /// From `RELAY_WEBHOOK_SECRET`.
    Given(Arc<RelaySecrets>),
    /// Development without the variable: `serve` makes one and keeps it in a file.
    Generated,
}

/// `RELAY_AUTH`: which proof of identity a relay may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayAuth {
    /// Signatures only.
    Hmac,
    /// The old protocol only: a bearer secret, no signatures, no pulls.
    Bearer,
    /// Either; a bearer request is warned about and counted.
    Both,
}

impl RelayAuth {
    /// As it stands in the variable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Bearer => "bearer",
            Self::Both => "both",
        }
    }
}

const SECRET: &str = "RELAY_WEBHOOK_SECRET";

impl RelayConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Self {
        let auth = match variables.get("RELAY_AUTH") {
            None | Some("both") => RelayAuth::Both,
            Some("hmac") => RelayAuth::Hmac,
            Some("bearer") => RelayAuth::Bearer,
            Some(_) => {
                found.push("RELAY_AUTH", "must be hmac, bearer or both");
                RelayAuth::Hmac
            }
        };
        let secrets = match (variables.get(SECRET), environment) {
            (None, Environment::Development) => SecretSource::Generated,
            (None, Environment::Production) => {
                found.push(SECRET, "is not set; make one with `archety-backend secret new` and give the relay the same");
                SecretSource::Generated
            }
            (Some(_), _) if let Some(entry) = entry_with_bad_name(variables) => {
                let message = format!(
                    "entry {entry} has a colon behind what is no relay's name; a name is 1 to 32 of a-z, 0-9 \
                     and -, and a secret has no colon"
                );
                found.push(SECRET, message);
                SecretSource::Generated
            }
            (Some(list), _) => match RelaySecrets::parse(list) {
                Ok(secrets) => {
                    check_strength(&secrets, variables, environment, found, warnings);
                    SecretSource::Given(Arc::new(secrets))
                }
                Err(fault) => {
                    found.push(SECRET, explain(&fault));
                    SecretSource::Generated
                }
            },
        };
        Self { secrets, auth }
    }
}

/// The position of the first entry whose text before the colon is not a valid relay name. Taken for a part of
/// the secret, it would be the wrong secret of the wrong relay.
fn entry_with_bad_name(variables: &Variables) -> Option<usize> {
    let is_bad = |entry: &str| {
        let name = entry.split_once(':').map(|(name, _)| name);
        name.is_some_and(|name| RelayName::parse(name).is_err())
    };
    let position = variables.list(SECRET).position(is_bad)?;
    Some(position + 1)
}

fn check_strength(
    secrets: &RelaySecrets,
    variables: &Variables,
    environment: Environment,
    found: &mut Problems,
    warnings: &mut Problems,
) {
    for (index, secret) in secrets.iter().enumerate() {
        if !secret.key().is_weak() {
            continue;
        }
        let message = format!(
            "entry {} is shorter than {} bytes; make one with `archety-backend secret new`",
            index + 1,
            shared_protocol::MIN_KEY_BYTES
        );
        match environment {
            Environment::Production => found.push(SECRET, message),
            Environment::Development => warnings.push(SECRET, message),
        }
    }
    if secrets.iter().any(|secret| secret.key().is_weak()) {
        return;
    }
    // What stands before a colon is a name.
    let texts = variables.list(SECRET);
    let texts = texts.map(|entry| entry.split_once(':').map_or(entry, |(_, secret)| secret));
    strength::check_keys(SECRET, texts, environment, found, warnings);
}

fn explain(fault: &InvalidSecrets) -> String {
    format!("{fault} (a comma-separated list of `secret` or `name:secret`)")
}
