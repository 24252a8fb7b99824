//! `SESSION_SECRET` and how long people stay signed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Environment, Problems, Variables, strength};
use crate::keyring::Keyring;

/// What sessions hang on.
pub struct SessionConfig {
    /// The keys, or the promise to make one.
    pub keyring: KeyringSource,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
}

/// Where the keys come from.
#[derive(Clone)]
pub enum KeyringSource {
    /// From `SESSION_SECRET`.
    Given(Arc<Keyring>),
    /// Development without the variable: `serve` makes one and keeps it in a file.
    Generated,
}

/// How long a session lasts without being used, and at most.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Unused, without `remember_me`.
    pub idle: Duration,
    /// At most, without `remember_me`.
    pub absolute: Duration,
    /// Unused, with `remember_me`.
    pub remembered_idle: Duration,
    /// At most, with `remember_me`.
    pub remembered_absolute: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            idle: DAY,
            absolute: DAY * 7,
            remembered_idle: DAY * 30,
            // A number that is silent for 180 days starts a new tenure. A session ends well before that.
            remembered_absolute: DAY * 120,
        }
    }
}

impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConfig")
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}

const SECRET: &str = "SESSION_SECRET";

impl SessionConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Self {
        let keyring = match (variables.get(SECRET), environment) {
            (None, Environment::Development) => KeyringSource::Generated,
            (None, Environment::Production) => {
                found.push(SECRET, "is not set; make one with `openssl rand -hex 32`");
                KeyringSource::Generated
            }
            (Some(list), _) => match Keyring::parse(list) {
                Ok(keyring) => {
                    let entries = variables.list(SECRET);
                    strength::check_keys(SECRET, entries, environment, found, warnings);
                    KeyringSource::Given(Arc::new(keyring))
                }
                Err(fault) => {
                    let message = format!(
                        "{fault} (a comma-separated list, newest first; make a key with `openssl rand -hex 32`)"
                    );
                    found.push(SECRET, message);
                    KeyringSource::Generated
                }
            },
        };
        Self {
            keyring,
            lifetimes: Lifetimes::default(),
        }
    }
}
