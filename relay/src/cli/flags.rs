//! The configuration's flags, the same at every command.
#![expect(clippy::doc_markdown, reason = "these comments are the text of --help")]

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigProblems, Flags, Link, Values, environment};

/// Each key of `config.toml` as a flag.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFlags {
    /// Configuration file [env: ARCHETY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Address of archety-backend [env: ARCHETY_BACKEND_URL]
    #[arg(long, global = true, value_name = "URL")]
    backend_url: Option<String>,
    /// Name of this relay [env: ARCHETY_RELAY_NAME]
    #[arg(long, global = true, value_name = "NAME")]
    relay_name: Option<String>,
    /// hmac or bearer [env: ARCHETY_AUTH]
    #[arg(long, global = true, value_name = "KIND")]
    auth: Option<String>,
    /// Environment that the backend must report [env: ARCHETY_EXPECT_ENV]
    #[arg(long, global = true, value_name = "NAME")]
    expect_env: Option<String>,
    /// Messages' database [env: ARCHETY_CHAT_DB]
    #[arg(long, global = true, value_name = "FILE")]
    chat_db: Option<String>,
    /// Folder of the relay's own state [env: ARCHETY_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<String>,
    /// Own addresses in Messages, separated by commas [env: ARCHETY_OWN_ADDRESSES]
    #[arg(long, global = true, value_name = "LIST")]
    own_addresses: Option<String>,
    /// Own addresses by persona, as a|b,c|d [env: ARCHETY_LINES]
    #[arg(long, global = true, value_name = "LISTS")]
    lines: Option<String>,
    /// The old name of --own-addresses, for one address [env: ARCHETY_OWNER_HANDLE]
    #[arg(long, global = true, value_name = "HANDLE")]
    owner_handle: Option<String>,
    /// Relay spam, promotions and transactions too [env: ARCHETY_RELAY_SPAM]
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    relay_spam: Option<String>,
    /// Relay notes to self too [env: ARCHETY_RELAY_NOTE_TO_SELF]
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    relay_note_to_self: Option<String>,
    /// What is logged: error, warn, info, debug, or directives [env: ARCHETY_LOG]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

impl ConfigFlags {
    /// What is set, by key.
    pub(super) fn values(&self) -> Flags {
        let flags = [
            ("backend_url", &self.backend_url),
            ("relay_name", &self.relay_name),
            ("auth", &self.auth),
            ("expect_env", &self.expect_env),
            ("chat_db", &self.chat_db),
            ("state_dir", &self.state_dir),
            ("own_addresses", &self.own_addresses),
            ("lines", &self.lines),
            ("owner_handle", &self.owner_handle),
            ("relay_spam", &self.relay_spam),
            ("relay_note_to_self", &self.relay_note_to_self),
            ("log", &self.log),
        ];
        flags
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.clone()?)))
            .collect()
    }

    /// The configuration without the backend.
    pub fn config(&self) -> Result<Config, ConfigProblems> {
        Config::read(self.config.as_deref(), self.values(), &environment())
    }

    /// The configuration with everything that it takes to run.
    pub fn config_and_link(&self) -> Result<(Config, Link), ConfigProblems> {
        Config::read_with_link(self.config.as_deref(), self.values(), &environment())
    }

    /// The same for a command that may speak to a backend of its own: `to` if given, else the
    /// configured one, else `fallback`.
    pub fn config_and_link_to(
        &self,
        to: Option<String>,
        fallback: &str,
    ) -> Result<(Config, Link), ConfigProblems> {
        let (mut flags, environment) = (self.values(), environment());
        let file = self.config.as_deref();
        let configured = || {
            let mut problems = ConfigProblems::default();
            let values = Values::collect(file, flags.clone(), &environment, &mut problems);
            values.get("backend_url").is_some()
        };
        let to = to.or_else(|| (!configured()).then(|| fallback.to_owned()));
        if let Some(to) = to {
            flags.retain(|(key, _)| *key != "backend_url");
            flags.push(("backend_url", to));
        }
        Config::read_with_link(file, flags, &environment)
    }
}
