//! `message_summary_info`: the history of edits and the parts taken back, as a binary property list.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use plist::{Dictionary, Value};

use crate::typedstream::Piece;

/// One version of a part's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Edition {
    /// The text, archived as a body of its own.
    pub archive: Vec<u8>,
    /// When it was written, in seconds since 2001.
    pub secs: f64,
    /// `bcg`: the guid of the row that tells older devices of it.
    pub compatibility_guid: Option<String>,
}

/// The whole summary.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Summary {
    /// `ec`: each edited part's versions, the original first.
    pub history: BTreeMap<i64, Vec<Edition>>,
    /// `ep`: the edited parts.
    pub edited_parts: BTreeSet<i64>,
    /// `otr`: where each part stood originally, location and length in UTF-16 units.
    pub original_ranges: BTreeMap<i64, (usize, usize)>,
    /// `rp`: the parts taken back.
    pub unsent_parts: BTreeSet<i64>,
}

/// Writes a summary as macOS does.
pub fn message_summary_info(summary: &Summary) -> Result<Vec<u8>, plist::Error> {
    summary.to_plist()
}

impl Summary {
    /// Notes where each part stands, if that was not noted before.
    pub(crate) fn keep_original_ranges(&mut self, pieces: &[Piece]) {
        if !self.original_ranges.is_empty() {
            return;
        }
        let mut location = 0;
        for piece in pieces {
            let length = piece.text.encode_utf16().count();
            if let Some(part) = piece.part {
                let range = self.original_ranges.entry(part).or_insert((location, 0));
                range.1 += length;
            }
            location += length;
        }
    }

    /// As a binary property list; what is empty is left out.
    pub fn to_plist(&self) -> Result<Vec<u8>, plist::Error> {
        let mut root = Dictionary::new();
        root.insert("ust".to_owned(), Value::Boolean(true));
        if !self.history.is_empty() {
            let history = self.history.iter().map(|(part, editions)| {
                let editions = editions.iter().map(|edition| {
                    let mut entries = vec![
                        ("d", Value::Real(edition.secs)),
                        ("t", Value::Data(edition.archive.clone())),
                    ];
                    if let Some(guid) = &edition.compatibility_guid {
                        entries.push(("bcg", Value::String(guid.clone())));
                    }
                    dictionary(entries)
                });
                (part.to_string(), Value::Array(editions.collect()))
            });
            root.insert("ec".to_owned(), Value::Dictionary(history.collect()));
        }
        if !self.original_ranges.is_empty() {
            let ranges = self
                .original_ranges
                .iter()
                .map(|(part, (location, length))| {
                    let range = [("lo", integer(*location)), ("le", integer(*length))];
                    (part.to_string(), dictionary(range))
                });
            root.insert("otr".to_owned(), Value::Dictionary(ranges.collect()));
        }
        for (key, parts) in [("ep", &self.edited_parts), ("rp", &self.unsent_parts)] {
            if !parts.is_empty() {
                let parts = parts.iter().map(|part| Value::Integer((*part).into()));
                root.insert(key.to_owned(), Value::Array(parts.collect()));
            }
        }
        let mut bytes = Vec::new();
        Value::Dictionary(root).to_writer_binary(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads what [`Summary::to_plist`] or macOS wrote; keys that this crate doesn't know are
    /// dropped.
    pub fn from_plist(bytes: &[u8]) -> Result<Self, plist::Error> {
        let value = Value::from_reader(Cursor::new(bytes))?;
        let mut summary = Self::default();
        let Some(root) = value.as_dictionary() else {
            return Ok(summary);
        };
        for (part, editions) in parts_of(root, "ec") {
            let editions = editions.as_array().into_iter().flatten();
            let editions = editions
                .filter_map(Value::as_dictionary)
                .map(|edition| Edition {
                    archive: edition
                        .get("t")
                        .and_then(Value::as_data)
                        .unwrap_or_default()
                        .to_vec(),
                    secs: edition
                        .get("d")
                        .and_then(Value::as_real)
                        .unwrap_or_default(),
                    compatibility_guid: edition
                        .get("bcg")
                        .and_then(Value::as_string)
                        .map(str::to_owned),
                });
            summary.history.insert(part, editions.collect());
        }
        for (part, range) in parts_of(root, "otr") {
            let bound = |key| {
                let value = range.as_dictionary()?.get(key)?.as_unsigned_integer()?;
                usize::try_from(value).ok()
            };
            let range = (bound("lo").unwrap_or(0), bound("le").unwrap_or(0));
            summary.original_ranges.insert(part, range);
        }
        summary.edited_parts = numbers(root, "ep").collect();
        summary.unsent_parts = numbers(root, "rp").collect();
        Ok(summary)
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

fn parts_of<'a>(root: &'a Dictionary, key: &str) -> impl Iterator<Item = (i64, &'a Value)> {
    let parts = root.get(key).and_then(Value::as_dictionary);
    let parts = parts.into_iter().flat_map(Dictionary::iter);
    parts.filter_map(|(part, value)| Some((part.parse().ok()?, value)))
}

fn numbers(root: &Dictionary, key: &str) -> impl Iterator<Item = i64> {
    let numbers = root.get(key).and_then(Value::as_array);
    numbers
        .into_iter()
        .flatten()
        .filter_map(Value::as_signed_integer)
}
