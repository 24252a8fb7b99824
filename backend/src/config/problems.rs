//! Problems of the configuration. A message has the fault and the remedy, never the value, which may be a secret.

use std::fmt;

/// A fault of one setting.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Problem {
    /// The environment variable.
    pub key: &'static str,
    /// The fault, and what to do about it.
    pub message: String,
}

/// Every problem that was found, in the order in which settings are read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn push(&mut self, key: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.0.push(Problem { key, message });
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
