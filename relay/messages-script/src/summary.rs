//! `message_summary_info`: the history of edits and the unsent parts, as a binary property list.

use std::collections::BTreeSet;
use std::io::Cursor;

use plist::{Dictionary, Value};
use serde::{Deserialize, Serialize};

use crate::is_default;
use crate::typedstream::{Piece, attributed_body};

/// One version of a part's text.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// When this version was written, in seconds since 2001. In a script it is decimal text, because some
    /// JSON readers round numbers.
    #[serde(with = "decimal")]
    pub secs: f64,
    pub runs: Vec<Piece>,
    /// `bcg`: the guid of the row that shows this version to older devices.
    #[serde(default, rename = "told_by", skip_serializing_if = "is_default")]
    pub notice: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub part: i64,
    /// The versions of the part, the original first.
    pub editions: Vec<Edition>,
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// `ec`: each edited part's versions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Vec<History>,
    /// `ep`: the edited parts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub edited: BTreeSet<i64>,
    /// `otr`: for each part its number, and its original location and length, both in UTF-16 units.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ranges: Vec<(i64, usize, usize)>,
    /// `rp`: the unsent parts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsent: BTreeSet<i64>,
}

impl Summary {
    /// The versions of a part; an empty list is added if the part was never edited.
    pub fn editions_of(&mut self, part: i64) -> &mut Vec<Edition> {
        let known = self.history.iter().position(|history| history.part == part);
        let place = known.unwrap_or_else(|| {
            let editions = Vec::new();
            self.history.push(History { part, editions });
            self.history.len() - 1
        });
        &mut self.history[place].editions
    }

    /// Stores the location and length of each part, unless they are stored already: only the first change of a
    /// message sees the original text.
    pub fn keep_original_ranges(&mut self, pieces: &[Piece]) {
        if !self.ranges.is_empty() {
            return;
        }
        let mut location = 0;
        for piece in pieces {
            let length = piece.text.encode_utf16().count();
            if let Some(part) = piece.part {
                match self.ranges.iter_mut().find(|range| range.0 == part) {
                    Some(range) => range.2 += length,
                    None => self.ranges.push((part, location, length)),
                }
            }
            location += length;
        }
    }

    /// Writes a binary property list; empty fields are left out.
    pub fn to_plist(&self) -> Result<Vec<u8>, plist::Error> {
        let mut root = Dictionary::new();
        root.insert("ust".to_owned(), Value::Boolean(true));
        if !self.history.is_empty() {
            let history = self.history.iter().map(|History { part, editions }| {
                let editions = editions.iter().map(|edition| {
                    let mut entries = vec![
                        ("d", Value::Real(edition.secs)),
                        ("t", Value::Data(attributed_body(&edition.runs))),
                    ];
                    if let Some(guid) = &edition.notice {
                        entries.push(("bcg", Value::String(guid.clone())));
                    }
                    dictionary(entries)
                });
                (part.to_string(), Value::Array(editions.collect()))
            });
            root.insert("ec".to_owned(), Value::Dictionary(history.collect()));
        }
        if !self.ranges.is_empty() {
            let ranges = self.ranges.iter().map(|(part, location, length)| {
                let range = [("lo", integer(*location)), ("le", integer(*length))];
                (part.to_string(), dictionary(range))
            });
            root.insert("otr".to_owned(), Value::Dictionary(ranges.collect()));
        }
        for (key, parts) in [("ep", &self.edited), ("rp", &self.unsent)] {
            if !parts.is_empty() {
                let parts = parts.iter().map(|part| Value::Integer((*part).into()));
                root.insert(key.to_owned(), Value::Array(parts.collect()));
            }
        }
        let mut bytes = Vec::new();
        Value::Dictionary(root).to_writer_binary(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a property list of [`Summary::to_plist`] or of macOS. Unknown keys are ignored. An
    /// edition whose text cannot be decoded has no runs.
    pub fn from_plist(bytes: &[u8]) -> Result<Self, plist::Error> {
        let value = Value::from_reader(Cursor::new(bytes))?;
        let Some(root) = value.as_dictionary() else {
            return Ok(Self::default());
        };
        let history = parts_of(root, "ec").map(|(part, editions)| {
            let editions = editions.as_array().into_iter().flatten();
            let editions = editions.filter_map(Value::as_dictionary).map(edition);
            let editions = editions.collect();
            History { part, editions }
        });
        let ranges = parts_of(root, "otr").map(|(part, range)| {
            let bound = |key| {
                let value = range.as_dictionary()?.get(key)?.as_unsigned_integer()?;
                usize::try_from(value).ok()
            };
            (part, bound("lo").unwrap_or(0), bound("le").unwrap_or(0))
        });
        let mut summary = Self {
            history: history.collect(),
            edited: numbers(root, "ep").collect(),
            ranges: ranges.collect(),
            unsent: numbers(root, "rp").collect(),
        };
        summary.history.sort_by_key(|history| history.part);
        summary.ranges.sort_unstable();
        Ok(summary)
    }
}

fn edition(entries: &Dictionary) -> Edition {
    let archive = entries.get("t").and_then(Value::as_data);
    let secs = entries.get("d").and_then(Value::as_real);
    let notice = entries.get("bcg").and_then(Value::as_string);
    Edition {
        secs: secs.unwrap_or_default(),
        runs: archive
            .and_then(|archive| Piece::read(archive).ok())
            .unwrap_or_default(),
        notice: notice.map(str::to_owned),
    }
}

/// A number as decimal text.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse();
        number.map_err(|_| de::Error::custom(format!("{text:?} is no number of seconds")))
    }
}

fn dictionary<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Dictionary(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn integer(value: usize) -> Value {
    Value::Integer(u64::try_from(value).unwrap_or(u64::MAX).into())
}

/// The entries of the dictionary under `key`, whose keys are numbers of parts.
fn parts_of<'a>(root: &'a Dictionary, key: &str) -> impl Iterator<Item = (i64, &'a Value)> {
    let parts = root.get(key).and_then(Value::as_dictionary);
    let parts = parts.into_iter().flat_map(Dictionary::iter);
    parts.filter_map(|(part, value)| Some((part.parse().ok()?, value)))
}

/// The numbers in the array under `key`.
fn numbers(root: &Dictionary, key: &str) -> impl Iterator<Item = i64> {
    let numbers = root.get(key).and_then(Value::as_array);
    numbers
        .into_iter()
        .flatten()
        .filter_map(Value::as_signed_integer)
}
