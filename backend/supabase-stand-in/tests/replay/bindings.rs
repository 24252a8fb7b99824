//! Placeholders in recordings: their values in this run, and the comparison of answers with recorded ones.
//!
//! A numbered placeholder, such as `<uuid:1>`, is bound to the first value found in its place. Every later value in
//! its place has to be the same. Two placeholders are never bound to the same value.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The placeholders with a value so far.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    bound: BTreeMap<String, String>,
    /// Recorded header and claims of tokens, by placeholder.
    tokens: BTreeMap<String, Value>,
}

type Comparison = Result<(), String>;

impl Bindings {
    pub(crate) fn new(tokens: BTreeMap<String, Value>) -> Self {
        Self {
            bound: BTreeMap::new(),
            tokens,
        }
    }

    pub(crate) fn get(&self, placeholder: &str) -> Option<&String> {
        self.bound.get(placeholder)
    }

    pub(crate) fn set(&mut self, placeholder: &str, value: impl Into<String>) {
        self.bound.insert(placeholder.to_owned(), value.into());
    }

    pub(crate) fn token(&self, placeholder: &str) -> Option<&Value> {
        self.tokens.get(placeholder)
    }

    /// Whether another token with the same recorded contents is bound already. Such tokens differ only in the
    /// time of issue, by a second or more.
    pub(crate) fn is_equal_token_bound(&self, placeholder: &str) -> bool {
        let content = self.tokens.get(placeholder);
        let is_bound_equal = |(name, token): (&String, &Value)| {
            name != placeholder && Some(token) == content && self.bound.contains_key(name)
        };
        self.tokens.iter().any(is_bound_equal)
    }

    /// The placeholders in a text that have no value yet.
    pub(crate) fn unbound_in(&self, text: &str) -> Vec<String> {
        let mut rest = text;
        let mut unbound = Vec::new();
        while let Some((_, placeholder, after)) = next_placeholder(rest) {
            if !self.bound.contains_key(placeholder) {
                unbound.push(placeholder.to_owned());
            }
            rest = after;
        }
        unbound
    }

    /// Replaces the placeholders in a text by their values.
    pub(crate) fn fill(&self, text: &str) -> String {
        let replace = |text: String, (placeholder, value): (&String, &String)| {
            text.replace(placeholder.as_str(), value)
        };
        self.bound.iter().fold(text.to_owned(), replace)
    }

    /// Compares a JSON value with the recorded one; `place` names the value in the error message.
    pub(crate) fn compare(&mut self, recorded: &Value, actual: &Value, place: &str) -> Comparison {
        match (recorded, actual) {
            (Value::Object(recorded), Value::Object(actual)) => {
                let names: Vec<_> = recorded.keys().collect();
                let actual_names: Vec<_> = actual.keys().collect();
                if names != actual_names {
                    return Err(format!(
                        "{place}: fields {actual_names:?}, recorded {names:?}"
                    ));
                }
                let pairs = recorded.iter().zip(actual.values());
                pairs
                    .into_iter()
                    .try_for_each(|((name, recorded), actual)| {
                        self.compare(recorded, actual, &format!("{place}.{name}"))
                    })
            }
            (Value::Array(recorded), Value::Array(actual)) if recorded.len() == actual.len() => {
                let mut pairs = recorded.iter().zip(actual).enumerate();
                pairs.try_for_each(|(at, (recorded, actual))| {
                    self.compare(recorded, actual, &format!("{place}[{at}]"))
                })
            }
            (Value::String(recorded), Value::Number(actual)) if recorded == "<unix_seconds>" => {
                let is_time = actual
                    .as_i64()
                    .is_some_and(|seconds| seconds > 1_500_000_000);
                is_time
                    .then_some(())
                    .ok_or(format!("{place}: {actual} is no time"))
            }
            (Value::String(recorded), Value::String(actual)) => {
                self.compare_text(recorded, actual, place)
            }
            _ if recorded == actual => Ok(()),
            _ => Err(format!("{place}: {actual}, recorded {recorded}")),
        }
    }

    /// Compares a string with the recorded one: literal parts have to be equal, and the value in the place of a
    /// placeholder has to be of the placeholder's kind.
    pub(crate) fn compare_text(&mut self, recorded: &str, actual: &str, place: &str) -> Comparison {
        if differs_from_run_to_run(recorded) && recorded.len() == actual.len() {
            return self.bind_or_compare(&format!("<hash:{recorded}>"), actual, place);
        }
        let difference = || format!("{place}: {actual:?}, recorded {recorded:?}");
        let (mut rest, mut left) = (recorded, actual);
        while let Some((literal, placeholder, after)) = next_placeholder(rest) {
            left = left.strip_prefix(literal).ok_or_else(difference)?;
            let next = next_placeholder(after).map_or(after, |(literal, ..)| literal);
            let end = if next.is_empty() {
                left.len()
            } else {
                left.find(next).ok_or_else(difference)?
            };
            self.bind_or_compare(placeholder, &left[..end], place)?;
            (rest, left) = (after, &left[end..]);
        }
        (rest == left).then_some(()).ok_or_else(difference)
    }

    /// Binds a placeholder to its first value, and compares every later value with it.
    fn bind_or_compare(&mut self, placeholder: &str, value: &str, place: &str) -> Comparison {
        let kind = placeholder
            .trim_matches(['<', '>'])
            .split(':')
            .next()
            .unwrap_or("");
        if !is_of_kind(kind, value) {
            return Err(format!("{place}: {value:?} is no {kind}"));
        }
        if matches!(kind, "time" | "n") {
            return Ok(());
        }
        if let Some(bound) = self.bound.get(placeholder) {
            let is_same = bound == value;
            return is_same
                .then_some(())
                .ok_or_else(|| format!("{place}: {placeholder} is {value:?}, was {bound:?}"));
        }
        if let Some((other, _)) = self.bound.iter().find(|(_, bound)| *bound == value) {
            return Err(format!(
                "{place}: {placeholder} has the value of {other}, {value:?}"
            ));
        }
        self.set(placeholder, value);
        if kind == "jwt" {
            let recorded = self.tokens.get(placeholder).cloned();
            let recorded = recorded.ok_or_else(|| format!("{placeholder} is not in tokens"))?;
            return self.compare(
                &recorded,
                &content(value),
                &format!("{place} {placeholder}"),
            );
        }
        Ok(())
    }
}

/// The first placeholder of a text, with the text before and after it. `<nil>` is no placeholder but
/// part of a message of the server.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let start = text
        .find('<')
        .filter(|at| !text[*at..].starts_with("<nil>"))?;
    let end = start + text[start..].find('>')? + 1;
    // A Link header has a URL in angle brackets, which is no placeholder.
    let placeholder = &text[start..end];
    (!placeholder.contains('/')).then_some((&text[..start], placeholder, &text[end..]))
}

/// Whether a recorded string is a hash of a random id or a coordinate of a random key. These have no
/// placeholder in the recordings. Both have 43 characters; a hash in place of a number is cut to 15.
fn differs_from_run_to_run(recorded: &str) -> bool {
    let has = |test: fn(&char) -> bool| recorded.chars().any(|c| test(&c));
    matches!(recorded.len(), 15 | 43)
        && recorded
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

fn is_of_kind(kind: &str, value: &str) -> bool {
    let all = |test: fn(&u8) -> bool| value.bytes().all(|byte| test(&byte));
    match kind {
        "uuid" => value.len() == 36 && value.parse::<uuid::Uuid>().is_ok(),
        "time" => OffsetDateTime::parse(value, &Rfc3339).is_ok() && value.ends_with('Z'),
        "n" => !value.is_empty() && all(u8::is_ascii_digit),
        "jwt" => value.split('.').count() == 3,
        "refresh_token" => matches!(value.len(), 12 | 51),
        "hashed_token" => value.len() == 56 && all(u8::is_ascii_hexdigit),
        "email_otp" => value.len() == 6 && all(u8::is_ascii_digit),
        "hash" => URL_SAFE_NO_PAD.decode(value).is_ok() || value.len() == 15,
        "host" | "service_key" | "anon_key" => true,
        _ => false,
    }
}

/// A token's header and claims, in the shape of the recordings.
fn content(token: &str) -> Value {
    let part = |text: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let parts: Vec<&str> = token.split('.').collect();
    serde_json::json!({ "header": part(parts[0]), "claims": part(parts[1]) })
}
