//! The flags that every command has: `--config`, and one for each setting of [`KEYS`].

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::config::keys::{KEYS, Key, ValueKind};
use crate::config::{BackendConfig, Config, ConfigProblems, Flags, Values, environment};

/// The values of the flags that every command has.
#[derive(Debug, Default)]
pub struct ConfigFlags {
    /// The value of `--config`.
    pub(super) config: Option<PathBuf>,
    flags: Flags,
}

impl Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Configuration file [env: ARCHETY_CONFIG]")
            .global(true);
        command
            .next_help_heading("Configuration")
            .arg(config)
            .args(KEYS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flag that sets a key.
fn argument(key: &Key) -> Arg {
    let argument = Arg::new(key.name)
        .long(key.flag)
        .value_name(key.value_name)
        .help(format!("{} [env: {}]", key.help, key.variable))
        .global(true);
    if key.kind != ValueKind::Bool {
        return argument;
    }
    // The flag alone means `true`. A value needs `=`, so that the next word is not taken for it.
    argument
        .num_args(0..=1)
        .default_missing_value("true")
        .require_equals(true)
}

impl FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |key: &Key| Some((key.name, matches.get_one::<String>(key.name)?.clone()));
        Ok(Self {
            config: matches.get_one("config").cloned(),
            flags: KEYS.iter().filter_map(value).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ConfigFlags {
    /// The settings as texts, from these flags and all other sources.
    pub(super) fn values(&self) -> Values {
        Values::collect(self.config.as_deref(), self.flags.clone(), environment())
    }

    /// The settings that do not concern the backend, from these flags and all other sources.
    pub fn config(&self) -> Result<Config, ConfigProblems> {
        Config::read(self.values())
    }

    /// All settings, from these flags and all other sources.
    pub fn config_and_backend(&self) -> Result<(Config, BackendConfig), ConfigProblems> {
        Config::read_with_backend(self.values())
    }

    /// All settings, for `archety-replay`. The backend is `to` if given, else the configured one, else `fallback`.
    pub fn config_and_backend_at(
        &self,
        to: Option<String>,
        fallback: &str,
    ) -> Result<(Config, BackendConfig), ConfigProblems> {
        let mut values = self.values();
        let is_configured = values.get("backend_url").is_some();
        if let Some(to) = to.or_else(|| (!is_configured).then(|| fallback.to_owned())) {
            values.set_flag("backend_url", to);
        }
        Config::read_with_backend(values)
    }
}
