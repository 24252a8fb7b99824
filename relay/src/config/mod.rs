//! The configuration: read once, checked once, every problem told at once.
//!
//! [`Config`] is what every command needs, [`Link`] what it takes to speak to the backend. Layers are
//! put together in [`sources`]; no other module of the relay reads the environment.

mod backend_url;
pub mod keys;
mod lines;
mod problem;
pub mod secret;
pub mod sources;

use std::path::{Path, PathBuf};

use chatdb::{Lines, Options};
use shared_protocol::{RelayName, RelaySecret};
use tracing::level_filters::LevelFilter;

pub use backend_url::{BackendUrl, InvalidBackendUrl};
pub use problem::{ConfigProblem, ConfigProblems, MissingFile, Source};
pub use sources::{Environment, Flags, Value, Values, environment};

/// How requests are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Signed, and so are the answers.
    Hmac,
    /// The secret itself in a header, for backends that know nothing else.
    Bearer,
}

/// What every command needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Messages' database.
    pub chat_db: PathBuf,
    /// The folder of the relay's state.
    pub state_dir: PathBuf,
    /// This relay's name.
    pub relay_name: RelayName,
    /// What the owner wants relayed.
    pub options: Options,
    /// What is logged.
    pub log: String,
}

/// What it takes to speak to the backend.
#[derive(Debug)]
pub struct Link {
    /// Where it is.
    pub backend_url: BackendUrl,
    /// How requests are authenticated.
    pub auth: Auth,
    /// The shared secret.
    pub secret: RelaySecret,
    /// The environment that the backend must report.
    pub expect_env: Option<String>,
}

impl Config {
    /// What the values say, without the backend.
    pub fn read(
        config_file: Option<&Path>,
        flags: Flags,
        environment: &Environment,
    ) -> Result<Self, ConfigProblems> {
        let mut problems = ConfigProblems::default();
        let values = Values::collect(config_file, flags, environment, &mut problems);
        let config = Self::parse(&values, &mut problems);
        problems.into_result(config)
    }

    /// What the values say, with everything that it takes to run.
    pub fn read_with_link(
        config_file: Option<&Path>,
        flags: Flags,
        environment: &Environment,
    ) -> Result<(Self, Link), ConfigProblems> {
        let mut problems = ConfigProblems::default();
        let values = Values::collect(config_file, flags, environment, &mut problems);
        let config = Self::parse(&values, &mut problems);
        let state_dir = PathBuf::from(values.get("state_dir").map_or("", |v| v.text.as_str()));
        let link = Link::parse(&values, environment, &state_dir, &mut problems);
        let both = config.zip(link).map(|(mut config, link)| {
            config.take_name_from(&link.secret, &values, &mut problems);
            (config, link)
        });
        problems.into_result(both)
    }

    fn parse(values: &Values, problems: &mut ConfigProblems) -> Option<Self> {
        let mut reader = Reader { values, problems };
        let chat_db = reader.path("chat_db");
        let state_dir = reader.path("state_dir");
        let relay_name = reader.parse("relay_name", |text| {
            RelayName::parse(text)
                .map_err(|_| "must be 1 to 32 lower-case letters, digits and hyphens".to_owned())
        });
        let relay_spam = reader.flag("relay_spam");
        let relay_note_to_self = reader.flag("relay_note_to_self");
        let log = reader.parse("log", |text| {
            if is_log_filter(text) {
                Ok(text.to_owned())
            } else {
                Err(
                    "must be error, warn, info, debug, trace or off, or such as info,hyper=warn"
                        .to_owned(),
                )
            }
        });
        let lines = Lines::new(lines::read(values, problems));
        Some(Self {
            chat_db: chat_db?,
            state_dir: state_dir?,
            relay_name: relay_name?,
            options: Options {
                relay_spam: relay_spam?,
                relay_note_to_self: relay_note_to_self?,
                lines,
            },
            log: log?,
        })
    }

    /// A named secret tells the relay's name; a name set beside it must be the same one.
    fn take_name_from(
        &mut self,
        secret: &RelaySecret,
        values: &Values,
        problems: &mut ConfigProblems,
    ) {
        if !secret.is_named() || secret.relay() == &self.relay_name {
            return;
        }
        let source = values.get("relay_name").map(|value| &value.source);
        if source == Some(&Source::Default) {
            self.relay_name = secret.relay().clone();
        } else {
            let text = format!(
                "is `{}`, but the secret belongs to relay `{}`; use one name in both",
                self.relay_name,
                secret.relay()
            );
            problems.add("relay_name", source, text);
        }
    }
}

impl Link {
    fn parse(
        values: &Values,
        environment: &Environment,
        state_dir: &Path,
        problems: &mut ConfigProblems,
    ) -> Option<Self> {
        let secret = match secret::read(environment, state_dir) {
            Ok(secret) => Some(secret),
            Err(error) => {
                problems.add(secret::SECRET_VARIABLE, None, error.to_string());
                None
            }
        };
        let mut reader = Reader { values, problems };
        if values.get("backend_url").is_none() {
            let text = "is not set; name the backend, such as https://backend.example.com";
            reader.problems.add("backend_url", None, text);
        }
        let backend_url = reader.parse("backend_url", |text| {
            BackendUrl::parse(text).map_err(|error| error.to_string())
        });
        let auth = reader.parse("auth", |text| match text {
            "hmac" => Ok(Auth::Hmac),
            "bearer" => Ok(Auth::Bearer),
            _ => Err("must be hmac or bearer".to_owned()),
        });
        let expect_env = reader.text("expect_env");
        Some(Self {
            backend_url: backend_url?,
            auth: auth?,
            secret: secret?,
            expect_env,
        })
    }
}

/// A bare word must be a level: the filter would take a mistyped one for a module's name.
fn is_log_filter(text: &str) -> bool {
    text.split(',').all(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        level.trim().parse::<LevelFilter>().is_ok() && !level.trim().is_empty()
    })
}

struct Reader<'a> {
    values: &'a Values,
    problems: &'a mut ConfigProblems,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.values.get(key)?;
        let text = value.text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn parse<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.values.get(key)?;
        match parse(value.text.trim()) {
            Ok(parsed) => Some(parsed),
            Err(text) => {
                self.problems.add(key, Some(&value.source), text);
                None
            }
        }
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        self.parse(key, |text| {
            text.parse().map_err(|_| "must be true or false".to_owned())
        })
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.parse(key, |text| {
            let path = PathBuf::from(text);
            if path.is_absolute() {
                Ok(path)
            } else {
                std::path::absolute(&path).map_err(|_| "must be a path".to_owned())
            }
        })
    }
}

#[cfg(test)]
mod tests;
