//! Everything that is wrong with a configuration. Each problem names its key, the source of the value and the fix.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    Default,
    File(PathBuf),
    /// The environment variable with this name.
    Environment(&'static str),
    Flag,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Something that is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub key: String,
    /// The source of the value; `None` if the key is not set.
    pub source: Option<ValueSource>,
    /// What is wrong and how to fix it. Never the value of a secret.
    pub text: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} ({source}): {}", self.key, self.text),
            None => write!(f, "{}: {}", self.key, self.text),
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigProblems {
    pub list: Vec<ConfigProblem>,
    /// Printed after the problems if there is no configuration file: how to get one.
    pub hint: Option<String>,
}

impl ConfigProblems {
    /// Adds a problem of a key, and the source of its value.
    pub(super) fn add(&mut self, key: &str, source: Option<&ValueSource>, text: impl Into<String>) {
        self.list.push(ConfigProblem {
            key: key.to_owned(),
            source: source.cloned(),
            text: text.into(),
        });
    }

    /// `value` if there are no problems.
    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {count} {noun}:")?;
        for problem in &self.list {
            write!(f, "\n  {problem}")?;
        }
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, "\n{hint}"))
    }
}

impl std::error::Error for ConfigProblems {}
