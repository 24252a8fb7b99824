//! Validation of the traits that a person sets: their number, names and sizes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared_protocol::Violation;

/// The largest number of traits in one submission.
pub const MAX_TRAITS: usize = 100;
const MAX_NAME_LEN: usize = 64;
/// The largest value, as JSON.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// A trait's name: `[a-z0-9_.-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraitName(String);

impl TraitName {
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_NAME_LEN).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
        fits.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Every rule that the submitted traits break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} trait(s) break a rule", .0.len())]
pub struct InvalidTraits(pub Vec<Violation>);

/// Validated traits, sorted by name.
#[derive(Clone, Debug)]
pub struct ValidTraits(BTreeMap<TraitName, Box<RawValue>>);

impl ValidTraits {
    pub fn parse(submitted: &Map<String, Value>) -> Result<Self, InvalidTraits> {
        if submitted.len() > MAX_TRAITS {
            return Err(InvalidTraits(vec![violation(
                "traits",
                format!("must be at most {MAX_TRAITS}"),
            )]));
        }
        let mut traits = BTreeMap::new();
        let mut violations = Vec::new();
        for (name, value) in submitted {
            let Some(valid_name) = TraitName::parse(name) else {
                // The message does not repeat the name, which can be any text.
                let rule = format!("names must match [a-z0-9_.-]{{1,{MAX_NAME_LEN}}}");
                violations.push(violation("traits", rule));
                continue;
            };
            let json =
                serde_json::value::to_raw_value(value).expect("a parsed JSON value serializes");
            let field = format!("traits.{name}");
            if json.get().len() > MAX_VALUE_BYTES {
                violations.push(violation(
                    &field,
                    format!("must be at most {MAX_VALUE_BYTES} bytes of JSON"),
                ));
            } else if has_nul(value) {
                violations.push(violation(&field, "must not contain U+0000".to_owned()));
            } else {
                traits.insert(valid_name, json);
            }
        }
        if violations.is_empty() {
            Ok(Self(traits))
        } else {
            Err(InvalidTraits(violations))
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }
}

fn violation(field: &str, message: String) -> Violation {
    Violation {
        field: field.to_owned(),
        message,
    }
}

/// Postgres cannot store U+0000 in JSON.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(submitted: &Value) -> Result<Vec<String>, Vec<String>> {
        let submitted = submitted.as_object().expect("an object");
        match ValidTraits::parse(submitted) {
            Ok(traits) => Ok(traits
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()),
            Err(InvalidTraits(violations)) => Err(violations
                .into_iter()
                .map(|violation| format!("{}: {}", violation.field, violation.message))
                .collect()),
        }
    }

    #[test]
    fn any_small_json_value_is_accepted() {
        let submitted = json!({ "z": null, "a.b-c_9": [1, { "x": "y" }], "m": 0.1 });
        let all = ["a.b-c_9=[1,{\"x\":\"y\"}]", "m=0.1", "z=null"];
        assert_eq!(parse(&submitted), Ok(all.map(str::to_owned).to_vec()));
        assert_eq!(parse(&json!({})), Ok(vec![]));
    }

    #[test]
    fn each_broken_rule_is_reported() {
        let long = "x".repeat(MAX_VALUE_BYTES);
        let violations = parse(
            &json!({ "A": 1, "long": long, "nul": { "in": ["\u{0}"] }, "nul2": { "\u{0}": 1 } }),
        );
        assert_eq!(
            violations,
            Err(vec![
                "traits: names must match [a-z0-9_.-]{1,64}".to_owned(),
                "traits.long: must be at most 4096 bytes of JSON".to_owned(),
                "traits.nul: must not contain U+0000".to_owned(),
                "traits.nul2: must not contain U+0000".to_owned(),
            ])
        );
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(TraitName::parse(name).is_none(), "{name}");
        }
        let many: Map<String, Value> = (0..=MAX_TRAITS)
            .map(|n| (n.to_string(), Value::Null))
            .collect();
        assert!(ValidTraits::parse(&many).is_err());
    }
}
