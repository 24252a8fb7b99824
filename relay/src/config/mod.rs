//! The relay's configuration, whose problems are all reported together.
//!
//! [`keys`] is the table of settings, [`sources`] reads their texts, and [`Config`] and [`BackendConfig`] hold the
//! parsed values: [`Config`] what every command needs, [`BackendConfig`] what requests to the backend need.

mod backend_url;
pub mod keys;
mod lines;
mod problem;
pub mod secret;
pub mod sources;

use std::path::PathBuf;

use chatdb::{Lines, Options};
use shared_protocol::{RelayName, RelaySecret};
use tracing::level_filters::LevelFilter;

pub use backend_url::{BackendUrl, InvalidBackendUrl};
pub use problem::{ConfigProblem, ConfigProblems, ValueSource};
pub use sources::{Environment, Flags, Value, Values, environment};

/// How requests are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Requests and answers are signed.
    Hmac,
    /// The secret itself is sent in a header, for backends that cannot verify signatures.
    Bearer,
}

/// The settings that do not concern the backend.
#[derive(Clone, Debug)]
pub struct Config {
    pub chat_db: PathBuf,
    pub state_dir: PathBuf,
    /// Whether texts of the backend are sent.
    pub sends: bool,
    /// The program that passes texts to Messages.
    pub osascript: PathBuf,
    pub relay_name: RelayName,
    /// Which messages are relayed, and the own addresses that the owner has declared.
    pub options: Options,
    /// Filter of the log, such as `info,hyper=warn`.
    pub log: String,
}

/// The backend and how to authenticate to it.
#[derive(Debug)]
pub struct BackendConfig {
    pub backend_url: BackendUrl,
    pub auth: Auth,
    pub secret: RelaySecret,
    /// The environment that the backend must report.
    pub expect_env: Option<String>,
}

impl Config {
    /// Parses the settings that do not concern the backend.
    pub fn read(mut values: Values) -> Result<Self, ConfigProblems> {
        let config = Self::parse(&mut values);
        values.problems.into_result(config)
    }

    /// Parses all settings.
    pub fn read_with_backend(mut values: Values) -> Result<(Self, BackendConfig), ConfigProblems> {
        let config = Self::parse(&mut values);
        let backend = BackendConfig::parse(&mut values);
        let both = config.zip(backend).map(|(mut config, backend)| {
            config.take_name_from(&backend.secret, &mut values);
            (config, backend)
        });
        values.problems.into_result(both)
    }

    fn parse(values: &mut Values) -> Option<Self> {
        let chat_db = values.parse("chat_db", path);
        let state_dir = values.parse("state_dir", path);
        let relay_name = values.parse("relay_name", |text| {
            RelayName::parse(text)
                .map_err(|_| "must be 1 to 32 lower-case letters, digits and hyphens")
        });
        let sends = values.parse("sends", on_or_off);
        let osascript = values.parse("osascript", path);
        let relay_spam = values.parse("relay_spam", true_or_false);
        let relay_note_to_self = values.parse("relay_note_to_self", true_or_false);
        let log = values.parse("log", log_filter);
        let lines = Lines::new(lines::read(values));
        Some(Self {
            chat_db: chat_db?,
            state_dir: state_dir?,
            sends: sends?,
            osascript: osascript?,
            relay_name: relay_name?,
            options: Options {
                relay_spam: relay_spam?,
                relay_note_to_self: relay_note_to_self?,
                lines,
            },
            log: log?,
        })
    }

    /// Takes the relay's name from a secret of the form `name:secret`. If `relay_name` is set as well, both
    /// must be the same.
    fn take_name_from(&mut self, secret: &RelaySecret, values: &mut Values) {
        if !secret.is_named() || secret.relay() == &self.relay_name {
            return;
        }
        let value = values.get("relay_name");
        if value.is_some_and(|value| value.source == ValueSource::Default) {
            self.relay_name = secret.relay().clone();
        } else {
            let text = format!(
                "is `{}`, but the secret belongs to relay `{}`; use one name in both",
                self.relay_name,
                secret.relay()
            );
            values.reject("relay_name", text);
        }
    }
}

impl BackendConfig {
    fn parse(values: &mut Values) -> Option<Self> {
        let secret = match secret::read(&values.environment, values.state_dir()) {
            Ok(secret) => Some(secret),
            Err(error) => {
                values.reject(secret::SECRET_VARIABLE, error.to_string());
                None
            }
        };
        if values.get("backend_url").is_none() {
            let text = "is not set; name the backend, such as https://backend.example.com";
            values.reject("backend_url", text);
        }
        let backend_url = values.parse("backend_url", BackendUrl::parse);
        let auth = values.parse("auth", |text| match text {
            "hmac" => Ok(Auth::Hmac),
            "bearer" => Ok(Auth::Bearer),
            _ => Err("must be hmac or bearer"),
        });
        Some(Self {
            backend_url: backend_url?,
            auth: auth?,
            secret: secret?,
            expect_env: values.text("expect_env"),
        })
    }
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    std::path::absolute(text).map_err(|_| "must be a path")
}

fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

fn true_or_false(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

/// Accepts directives that have a level, such as `info` or `hyper=warn`. The log's filter also accepts a word
/// alone as the name of a module, and so would not report a mistyped level.
fn log_filter(text: &str) -> Result<String, &'static str> {
    let is_filter = text.split(',').all(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        level.trim().parse::<LevelFilter>().is_ok() && !level.trim().is_empty()
    });
    is_filter
        .then(|| text.to_owned())
        .ok_or("must be error, warn, info, debug, trace or off, or such as info,hyper=warn")
}

#[cfg(test)]
mod tests;
