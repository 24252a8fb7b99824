//! Which traits a person may set: few, small, under names that read the same everywhere.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use shared_protocol::Violation;

pub const MAX_TRAITS: usize = 100;
const MAX_NAME_LEN: usize = 64;
/// Longest value, as JSON.
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

/// What is wrong with the traits that were given, name by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} trait(s) break a rule", .0.len())]
pub struct InvalidTraits(pub Vec<Violation>);

/// Traits that may be set, in the order of their names.
#[derive(Clone, Debug)]
pub struct GivenTraits(BTreeMap<TraitName, Box<RawValue>>);

impl GivenTraits {
    pub fn parse(given: &Map<String, Value>) -> Result<Self, InvalidTraits> {
        if given.len() > MAX_TRAITS {
            return Err(InvalidTraits(vec![violation(
                "traits",
                format!("must be at most {MAX_TRAITS}"),
            )]));
        }
        let mut traits = BTreeMap::new();
        let mut wrong = Vec::new();
        for (name, value) in given {
            let Some(known) = TraitName::parse(name) else {
                // The name itself is not repeated: it may be anything.
                let rule = format!("names must match [a-z0-9_.-]{{1,{MAX_NAME_LEN}}}");
                wrong.push(violation("traits", rule));
                continue;
            };
            let json = serde_json::value::to_raw_value(value).expect("it was JSON before");
            let field = format!("traits.{name}");
            if json.get().len() > MAX_VALUE_BYTES {
                wrong.push(violation(
                    &field,
                    format!("must be at most {MAX_VALUE_BYTES} bytes of JSON"),
                ));
            } else if has_nul(value) {
                wrong.push(violation(&field, "must not contain U+0000".to_owned()));
            } else {
                traits.insert(known, json);
            }
        }
        if wrong.is_empty() {
            Ok(Self(traits))
        } else {
            Err(InvalidTraits(wrong))
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

/// Postgres has no room for it.
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

    fn parse(given: &Value) -> Result<Vec<String>, Vec<String>> {
        let given = given.as_object().expect("an object");
        match GivenTraits::parse(given) {
            Ok(traits) => Ok(traits.iter().map(|(n, v)| format!("{n}={v}")).collect()),
            Err(wrong) => Err(wrong
                .0
                .into_iter()
                .map(|v| format!("{}: {}", v.field, v.message))
                .collect()),
        }
    }

    #[test]
    fn any_small_json_is_a_value() {
        let given = json!({ "z": null, "a.b-c_9": [1, { "x": "y" }], "m": 0.1 });
        let all = ["a.b-c_9=[1,{\"x\":\"y\"}]", "m=0.1", "z=null"];
        assert_eq!(parse(&given), Ok(all.map(str::to_owned).to_vec()));
        assert_eq!(parse(&json!({})), Ok(vec![]));
    }

    #[test]
    fn each_fault_is_named() {
        let long = "x".repeat(MAX_VALUE_BYTES);
        let wrong = parse(
            &json!({ "A": 1, "long": long, "nul": { "in": ["\u{0}"] }, "nul2": { "\u{0}": 1 } }),
        );
        assert_eq!(
            wrong,
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
        assert!(GivenTraits::parse(&many).is_err());
    }
}
