//! Where values come from: the process environment over a `.env` file in the working directory.
//!
//! The file is for development. It is not looked at when the process environment says
//! `APP_ENV=production`, so that a forgotten file cannot change a deployment; and where the process
//! environment says to listen to the world, the file cannot make that development.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Keys and values as given.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The process environment, completed from `.env` in development.
    pub fn of_process() -> Result<Self, VariablesError> {
        let mut given = BTreeMap::new();
        for (key, value) in std::env::vars_os() {
            // Other programs' variables may be anything. What is not text counts as not given.
            if let (Ok(key), Ok(value)) = (key.into_string(), value.into_string()) {
                given.insert(key, value);
            }
        }
        let given = Self(given);
        if given.get("APP_ENV") == Some("production") {
            return Ok(given);
        }
        let path = Path::new(".env");
        match std::fs::read_to_string(path) {
            Ok(text) => given.over_file(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(given),
            Err(source) => Err(VariablesError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Exactly these keys and values.
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// The value of `key` without surrounding space; empty counts as not set, because dashboards and
    /// compose files write unset variables as empty ones.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The entries of a comma-separated list, without surrounding space; none if `key` is not set.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        let list = self.get(key).into_iter();
        list.flat_map(|list| list.split(',')).map(str::trim)
    }

    /// The names of all that are given.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn over_file(mut self, path: &Path, text: &str) -> Result<Self, VariablesError> {
        let host = self.get("HOST").and_then(|host| host.parse().ok());
        let is_exposed = host.is_some_and(|host: IpAddr| !host.is_loopback());
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (key, value) = line.split_once('=').ok_or_else(|| VariablesError::Line {
                path: path.to_owned(),
                line: index + 1,
            })?;
            let key = key.trim();
            if is_exposed && key == "APP_ENV" {
                continue;
            }
            self.0
                .entry(key.to_owned())
                .or_insert_with(|| unquoted(value.trim()).to_owned());
        }
        Ok(self)
    }
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// The `.env` file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VariablesError {
    /// It is there but cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One line is not `KEY=value`. Its text is not repeated, it may be a secret.
    #[error("{path}, line {line}: expected KEY=value or a comment")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_the_file() {
        let given = Variables::of([("PORT", "1"), ("HOST", "")]);
        let text = "# note\n\nPORT=2\nexport LOG_LEVEL = \"debug\"\nHOST='::1'\n";
        let both = given.over_file(Path::new(".env"), text).unwrap();
        assert_eq!(both.get("PORT"), Some("1"));
        assert_eq!(both.get("LOG_LEVEL"), Some("debug"));
        assert_eq!(both.get("HOST"), None, "an empty value is still given");
    }

    #[test]
    fn the_file_makes_no_development_of_what_the_world_can_reach() {
        let environment = |given: Variables| {
            let text = "APP_ENV=development\nPORT=2\n";
            let both = given.over_file(Path::new(".env"), text).unwrap();
            assert_eq!(both.get("PORT"), Some("2"));
            both.get("APP_ENV").map(str::to_owned)
        };
        assert_eq!(environment(Variables::of([("HOST", "::")])), None);
        for own in ["127.0.0.1", "::1", "localhost"] {
            let found = environment(Variables::of([("HOST", own)]));
            assert_eq!(found.as_deref(), Some("development"), "{own}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_number_alone() {
        let error = Variables::default()
            .over_file(Path::new(".env"), "A=1\nhunter2\n")
            .err()
            .expect("line 2 has no =");
        assert_eq!(
            error.to_string(),
            ".env, line 2: expected KEY=value or a comment"
        );
    }
}
