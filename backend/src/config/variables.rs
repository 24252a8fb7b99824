//! Environment variables: those of the process, completed by a `.env` file in the working directory.
//!
//! The file is for development. It is not read when the process environment has `APP_ENV=production`, so that a
//! forgotten file cannot change a deployment. When the process environment has a `HOST` that other machines can
//! reach, `APP_ENV` of the file is ignored, so that a forgotten file cannot make that server a development server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::host::parse_host;

/// Environment variables by name.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The process environment, completed from `.env` unless it has `APP_ENV=production`.
    pub fn of_process() -> Result<Self, VariablesError> {
        let mut of_process = BTreeMap::new();
        for (key, value) in std::env::vars_os() {
            // Variables of other programs may have any value. A value that is not text counts as not set.
            if let (Ok(key), Ok(value)) = (key.into_string(), value.into_string()) {
                of_process.insert(key, value);
            }
        }
        let of_process = Self(of_process);
        if of_process.get("APP_ENV") == Some("production") {
            return Ok(of_process);
        }
        let path = Path::new(".env");
        match std::fs::read_to_string(path) {
            Ok(text) => of_process.completed_from(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(of_process),
            Err(source) => Err(VariablesError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The variables with these names and values. If a name occurs twice, its last value counts.
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }

    /// The value of the variable `key` without surrounding space. `None` if it is not set or empty, because
    /// dashboards and compose files write unset variables as empty ones.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.trim();
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds the variables in `text`, which is that of the `.env` file at `path`. A variable that `self` already has,
    /// even an empty one, keeps its value. `APP_ENV` is not added to a `HOST` that other machines can reach.
    fn completed_from(mut self, path: &Path, text: &str) -> Result<Self, VariablesError> {
        let host = self.get("HOST").and_then(parse_host);
        let is_exposed = host.is_some_and(|host| !host.is_loopback());
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

/// `value` without the quotation marks around it, if it has such marks.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// The `.env` file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VariablesError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A line is not `KEY=value`. The message does not repeat the line, because it may be a secret.
    #[error("{path}, line {line}: expected KEY=value or a comment")]
    Line {
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
        let of_process = Variables::of([("PORT", "1"), ("HOST", "")]);
        let text = "# note\n\nPORT=2\nexport LOG_LEVEL = \"debug\"\nHOST='::1'\n";
        let completed = of_process.completed_from(Path::new(".env"), text).unwrap();
        assert_eq!(completed.get("PORT"), Some("1"));
        assert_eq!(completed.get("LOG_LEVEL"), Some("debug"));
        assert_eq!(
            completed.get("HOST"),
            None,
            "an empty variable of the process wins, too"
        );
    }

    #[test]
    fn app_env_of_the_file_does_not_count_where_other_machines_can_connect() {
        let app_env_with_host = |host: &str| {
            let text = "APP_ENV=development\nPORT=2\n";
            let completed = Variables::of([("HOST", host)])
                .completed_from(Path::new(".env"), text)
                .unwrap();
            assert_eq!(completed.get("PORT"), Some("2"));
            completed.get("APP_ENV").map(str::to_owned)
        };
        for exposed in ["0.0.0.0", "::", "[::]", "[2001:db8::1]"] {
            assert_eq!(app_env_with_host(exposed), None, "{exposed}");
        }
        for loopback in ["127.0.0.1", "::1", "[::1]", "localhost"] {
            let app_env = app_env_with_host(loopback);
            assert_eq!(app_env.as_deref(), Some("development"), "{loopback}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_without_its_text() {
        let error = Variables::default()
            .completed_from(Path::new(".env"), "A=1\nhunter2\n")
            .err()
            .expect("line 2 has no =");
        assert_eq!(
            error.to_string(),
            ".env, line 2: expected KEY=value or a comment"
        );
    }
}
