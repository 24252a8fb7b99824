//! Scripts of events in Messages, with one JSON object per line.
//!
//! A script begins with an optional header line (`{"script":1, …}`). Each further line is a step: an
//! object whose `do` names the kind of step (see [`Step`]) and whose `after_ms` is the time since the
//! previous step. Blank lines and lines that start with `//` are skipped. The default of an absent field does
//! not depend on the clock, the machine or earlier runs. An unknown field is an error that names its line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Date, MessageStep, Step, Style};

/// The time at which a script starts whose header gives none. It is fixed, so that the result does not depend on the
/// clock.
const DEFAULT_START_UNIX_SECS: i64 = 1_760_000_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of this format: 1.
    pub script: u32,
    /// A description of the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The macOS in whose form chat.db is built by default. For a recorded script, the macOS of the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// The oldest style in which the script can be played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Style>,
    /// The own address. Without it, +15550009999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The default time of the start, in Unix seconds. A command that builds or plays the script may set
    /// another one.
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

/// A step and the time since the previous one.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedStep {
    /// Milliseconds since the previous step.
    pub after_ms: u64,
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
    pub header: Header,
    pub steps: Vec<TimedStep>,
}

/// A script that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A line that is not JSON, an unknown step, or an unknown field.
    #[error("line {line}: {source}")]
    Line {
        line: usize,
        source: serde_json::Error,
    },
    /// A later version of the format.
    #[error("line 1: this is a script of version {0}; this program reads version 1")]
    Version(u32),
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            let at_line = |source| ScriptError::Line {
                line: index + 1,
                source,
            };
            let mut value: Value = serde_json::from_str(line).map_err(at_line)?;
            if value.get("script").is_some() && script.steps.is_empty() {
                script.header = serde_json::from_value(value).map_err(at_line)?;
                if script.header.script != 1 {
                    return Err(ScriptError::Version(script.header.script));
                }
                continue;
            }
            let after_ms = value.as_object_mut().and_then(|o| o.remove("after_ms"));
            let after_ms = after_ms
                .map_or(Ok(0), serde_json::from_value)
                .map_err(at_line)?;
            let step = serde_json::from_value(value).map_err(at_line)?;
            script.steps.push(TimedStep { after_ms, step });
        }
        Ok(script)
    }

    /// Writes the script in the format that [`Script::parse`] reads.
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

    /// Whether the script can be played in this style.
    pub fn runs_in(&self, style: Style) -> bool {
        self.header.since.is_none_or(|since| since <= style)
    }

    /// The style in which the script is built by default: that of the header, or else the oldest in which the
    /// script can be played, but none before Ventura.
    pub fn style(&self) -> Style {
        let since = self.header.since.unwrap_or(Style::Ventura);
        self.header.style.unwrap_or(since.max(Style::Ventura))
    }

    pub fn start(&self) -> Date {
        Date::from_unix_secs(self.header.start.unwrap_or(DEFAULT_START_UNIX_SECS))
    }

    /// The time from the start to the last step. Delayed writes after the last step are not counted.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.steps.iter().map(|step| step.after_ms).sum())
    }

    /// Moves all recorded dates by the same time, so that the newest becomes `newest`.
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

    /// All addresses in the script, own ones included, without the invisible marks around them: phone
    /// numbers, e-mail addresses and short codes.
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

/// Whether a character is one of the invisible marks that may surround an address: zero-width
/// characters, and marks of the writing direction.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The JSON of a step. Of a message, only the fields that differ from the default are written.
fn step_json(step: &Step) -> Value {
    let mut value = json(step);
    if let (Step::Message(_), Value::Object(fields)) = (step, &mut value) {
        let default = json(&MessageStep::default());
        fields.retain(|name, value| default.get(name) != Some(value));
    }
    value
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("every value of a script can be written as JSON")
}
