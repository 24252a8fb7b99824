//! What is wrong with a database, and the SQL that mends it.

use std::fmt;

use serde::Serialize;

/// One thing that cannot stay as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// Statements that mend it, to be run by an owner or a superuser; empty where a person has to decide.
    pub fix: Vec<String>,
}

impl Finding {
    pub(super) fn new<F: Into<String>>(
        problem: impl Into<String>,
        fix: impl IntoIterator<Item = F>,
    ) -> Self {
        Self {
            problem: problem.into(),
            fix: fix.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        for statement in &self.fix {
            write!(f, "\n      {statement}")?;
        }
        Ok(())
    }
}

/// Each item on lines of its own, below what came before.
pub(super) fn listed<T: fmt::Display>(items: &[T]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("\n  {item}")).collect();
    lines.concat()
}
