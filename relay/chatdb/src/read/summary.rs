//! `message.message_summary_info`: the history of edits and the parts taken back.

use std::io::Cursor;

use plist::Value;

/// What a message's summary says about edits and unsends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Texts in the edit history over all parts, the originals included; 0 if never edited.
    pub history_length: u32,
    /// Parts that were taken back, ascending.
    pub unsent_parts: Vec<i64>,
}

impl Summary {
    /// Reads the property list. Anything that is not one, or not of this shape, reads as "nothing
    /// happened": the column holds other things too. A search for the bytes `rp` would find them in
    /// strings.
    pub(super) fn read(bytes: Option<&[u8]>) -> Self {
        let plist = bytes.and_then(|bytes| Value::from_reader(Cursor::new(bytes)).ok());
        let Some(Value::Dictionary(summary)) = plist else {
            return Self::default();
        };
        let history = summary
            .get("ec")
            .and_then(Value::as_dictionary)
            .map_or(0, |parts| {
                parts
                    .values()
                    .filter_map(Value::as_array)
                    .map(Vec::len)
                    .sum::<usize>()
            });
        let mut unsent_parts: Vec<i64> = summary
            .get("rp")
            .and_then(Value::as_array)
            .map(|parts| parts.iter().filter_map(Value::as_signed_integer).collect())
            .unwrap_or_default();
        unsent_parts.sort_unstable();
        unsent_parts.dedup();
        Self {
            history_length: u32::try_from(history).unwrap_or(u32::MAX).min(1_000_000),
            unsent_parts,
        }
    }
}
