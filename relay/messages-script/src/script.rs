//! Scripts: what happens in Messages, one JSON object a line.
//!
//! A script opens with a header line (`{"script":1, …}`, optional) and goes on with steps, each an
//! object whose `do` names what happens ([`Step`] lists them) and whose `after_ms` says how long after
//! the step before. Blank lines and lines that start with `//` are skipped. What must stay true: a
//! script says everything; no defaults depend on the clock, the machine or earlier runs, and an
//! unknown field is an error that names its line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Date, MessageStep, Step, Style};

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of this format: 1.
    pub script: u32,
    /// What the script shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The style it was recorded in, or is best built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// The oldest style in which it can happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Style>,
    /// The own address; +15550009999 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// When it starts, in Unix seconds, unless the command that builds or plays it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            script: 1,
            about: None,
            style: None,
            since: None,
            line: None,
            start: None,
        }
    }
}

/// A step and how long after the one before it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedStep {
    /// Milliseconds since the step before.
    pub after_ms: u64,
    /// What happens.
    pub step: Step,
}

impl From<Step> for TimedStep {
    fn from(step: Step) -> Self {
        Self { after_ms: 0, step }
    }
}

/// A parsed script.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Script {
    /// The first line.
    pub header: Header,
    /// The others.
    pub steps: Vec<TimedStep>,
}

/// A line that is no step.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not JSON, an unknown step, or a field that it doesn't have.
    #[error("line {line}: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A later version of the format.
    #[error("line 1: this is a script of version {0}; this program reads version 1")]
    Version(u32),
}

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            let at = |source| ScriptError::Line {
                line: index + 1,
                source,
            };
            let mut value: Value = serde_json::from_str(line).map_err(at)?;
            if value.get("script").is_some() && script.steps.is_empty() {
                script.header = serde_json::from_value(value).map_err(at)?;
                if script.header.script != 1 {
                    return Err(ScriptError::Version(script.header.script));
                }
                continue;
            }
            let after_ms = value.as_object_mut().and_then(|o| o.remove("after_ms"));
            let after_ms = after_ms.map_or(Ok(0), serde_json::from_value).map_err(at)?;
            let step = serde_json::from_value(value).map_err(at)?;
            script.steps.push(TimedStep { after_ms, step });
        }
        Ok(script)
    }

    /// Writes the script as it is read.
    pub fn to_jsonl(&self) -> String {
        let mut lines = vec![json(&self.header).to_string()];
        for TimedStep { after_ms, step } in &self.steps {
            let mut value = step_json(step);
            if let (1.., Some(object)) = (*after_ms, value.as_object_mut()) {
                object.insert("after_ms".to_owned(), (*after_ms).into());
            }
            lines.push(value.to_string());
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Whether it can happen in this style.
    pub fn runs_in(&self, style: Style) -> bool {
        self.header.since.is_none_or(|since| since <= style)
    }

    /// The style to build in if no other is asked for: its own, else the oldest that can show it
    /// from Ventura on.
    pub fn style(&self) -> Style {
        let since = self.header.since.unwrap_or(Style::Ventura);
        self.header.style.unwrap_or(since.max(Style::Ventura))
    }

    /// When it starts if no other time is asked for.
    pub fn start(&self) -> Date {
        Date::from_unix_secs(self.header.start.unwrap_or(1_760_000_000))
    }

    /// How long it takes, late writes not counted.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.steps.iter().map(|step| step.after_ms).sum())
    }

    /// Moves the recorded dates so that the newest of them is `newest`; their distances stay.
    pub fn move_dates(&mut self, newest: Date) {
        let mut dates: Vec<&mut i64> = Vec::new();
        for timed in &mut self.steps {
            if let Step::Message(message) = &mut timed.step {
                dates.extend(message.date.as_mut());
            }
        }
        let Some(last) = dates.iter().map(|date| **date).max() else {
            return;
        };
        for date in dates {
            *date = date
                .saturating_sub(last)
                .saturating_add(newest.unix_nanos());
        }
    }

    /// Every address that takes part, own ones included: phone numbers, e-mails, short codes; without
    /// the invisible marks around them.
    pub fn addresses(&self) -> Vec<&str> {
        let steps = self.steps.iter().flat_map(|timed| timed.step.addresses());
        let mut addresses: Vec<&str> = self
            .header
            .line
            .as_deref()
            .into_iter()
            .chain(steps)
            .map(|address| address.trim_matches(is_mark))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

/// Whether a character around an address says only how to write it: zero width, direction, isolation.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A step as it is written; of a message, what differs from the usual one.
fn step_json(step: &Step) -> Value {
    let mut value = json(step);
    if let (Step::Message(_), Value::Object(fields)) = (step, &mut value) {
        let usual = json(&MessageStep::default());
        fields.retain(|name, value| usual.get(name) != Some(value));
    }
    value
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("scripts hold nothing that JSON cannot say")
}
