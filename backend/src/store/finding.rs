//! Problems of the database that an operator has to solve.

use std::fmt;

use serde::Serialize;

/// A problem of the database, with the SQL that solves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub problem: String,
    /// The statements that solve the problem. The owner of the object or a superuser has to run them. Empty if the
    /// operator has to decide what to do.
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

    pub(super) fn without_fix(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            fix: Vec::new(),
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

/// Each item on lines of its own, after a line break.
pub(super) fn listed<T: fmt::Display>(items: &[T]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("\n  {item}")).collect();
    lines.concat()
}

/// The tables `names` of the schema `public`, qualified and separated by commas.
pub(super) fn public_tables<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("public.{name}")).collect();
    names.join(", ")
}
