//! What is wrong with a configuration: every problem at once, each by its key, its place and its fix.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is not set.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// This environment variable.
    Environment(&'static str),
    /// A flag of the command.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key.
    pub key: String,
    /// Where its value comes from, if it has one.
    pub source: Option<Source>,
    /// What is wrong and how to mend it. Never the value of a secret.
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

/// Everything that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigProblems {
    /// One by one.
    pub list: Vec<ConfigProblem>,
    /// The configuration file that was looked for, if it is not there.
    pub missing_file: Option<MissingFile>,
}

/// A configuration file that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFile {
    /// Where it was looked for.
    pub path: PathBuf,
    /// A file of that name in the current folder, which is not read.
    pub beside: Option<PathBuf>,
}

impl ConfigProblems {
    pub(super) fn add(&mut self, key: &str, source: Option<&Source>, text: impl Into<String>) {
        self.list.push(ConfigProblem {
            key: key.to_owned(),
            source: source.cloned(),
            text: text.into(),
        });
    }

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
        let Some(missing) = &self.missing_file else {
            return Ok(());
        };
        let path = missing.path.display();
        write!(f, "\nThere is no configuration file at {path}; ")?;
        match &missing.beside {
            Some(beside) => write!(
                f,
                "{} in this folder is not read: move it there, or name it with --config.",
                beside.display()
            ),
            None => f.write_str("`archety-relay config init --write` makes one there."),
        }
    }
}

impl std::error::Error for ConfigProblems {}
