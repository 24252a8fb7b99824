//! Reads settings with the defaults and messages of their rows in the table `SETTINGS`, and collects problems and
//! warnings.
//!
//! Each part of the configuration is read with the same [`Reader`], so that one start reports all problems.

use super::settings::{Required, nearest, setting};
use super::{Environment, Problems, Variables};

pub(super) struct Reader<'v> {
    pub(super) variables: &'v Variables,
    pub(super) environment: Environment,
    /// The backend does not start if there is a problem.
    pub(super) problems: Problems,
    /// The backend starts in spite of warnings.
    pub(super) warnings: Problems,
}

impl<'v> Reader<'v> {
    pub(super) fn new(variables: &'v Variables, environment: Environment) -> Self {
        Self {
            variables,
            environment,
            problems: Problems::default(),
            warnings: Problems::default(),
        }
    }

    pub(super) fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// The text that the environment has for a setting, without the default. `None` if it is not set.
    pub(super) fn get(&self, key: &str) -> Option<&'v str> {
        self.variables.get(setting(key).key)
    }

    /// The entries of a comma-separated setting, without surrounding space. None if it is not set.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = &'v str> + use<'v> {
        let list = self.get(key).into_iter();
        list.flat_map(|list| list.split(',')).map(str::trim)
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Like [`Self::get`], but adds a problem if the setting is not set and its row in the table requires it. A setting
    /// that is required with Supabase may only be read if Supabase is the identity provider.
    pub(super) fn required(&mut self, key: &'static str) -> Option<&'v str> {
        let text = self.get(key);
        match setting(key).required {
            Required::WithSupabase(message) if text.is_none() => self.refuse(key, message),
            Required::InProduction(message) if text.is_none() && self.is_production() => {
                self.refuse(key, message);
            }
            _ => {}
        }
        text
    }

    /// The value of a setting that has a default in the table. A value that cannot be read is a problem, and the
    /// default takes its place.
    pub(super) fn value<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Option<T>) -> T {
        let value = self.optional(key, &parse);
        let value = value.or_else(|| parse(setting(key).default));
        value.expect("a setting that is read as a value has a default in the table")
    }

    /// The value, or else the table's default. `None` if there is neither. A value that cannot be read is a problem
    /// and also gives `None`.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let default = Some(setting(key).default).filter(|default| !default.is_empty());
        let value = parse(self.get(key).or(default)?);
        if value.is_none() {
            self.refuse_invalid(key);
        }
        value
    }

    /// Adds the problem that the setting's value cannot be read.
    pub(super) fn refuse_invalid(&mut self, key: &'static str) {
        self.refuse(key, setting(key).invalid);
    }

    /// Warns of each variable whose name is nearly that of a setting. Otherwise `OTP_PER_DY`, for example, would be
    /// ignored without a word.
    pub(super) fn warn_of_misspelt_names(&mut self) {
        for name in self.variables.names() {
            if let Some(meant) = nearest(name) {
                let message = format!("{name} is set, which is no setting; is this one meant?");
                self.warn(meant, message);
            }
        }
    }

    /// Adds a problem.
    pub(super) fn refuse(&mut self, key: &'static str, message: impl Into<String>) {
        self.problems.push(key, message);
    }

    pub(super) fn warn(&mut self, key: &'static str, message: impl Into<String>) {
        self.warnings.push(key, message);
    }

    /// Adds a problem in production, and a warning in development.
    pub(super) fn refuse_in_production(&mut self, key: &'static str, message: impl Into<String>) {
        match self.environment {
            Environment::Production => self.refuse(key, message),
            Environment::Development => self.warn(key, message),
        }
    }
}

/// Parses `text` with the [`FromStr`](std::str::FromStr) of `T`.
pub(super) fn from_str<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
