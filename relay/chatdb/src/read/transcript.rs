//! Reads the transcript of a voice message from `attachment.user_info`.
//!
//! The column is a binary property list with the transcript under one key. In some versions of macOS the list is a
//! keyed archive, or is inside another list.

use shared_protocol::MAX_TRANSCRIPT_CHARS;

use super::keyed_archive::{self, Archived};
use super::plist::Plist;
use super::value;

/// A larger `user_info` is not read.
pub(super) const MAX_USER_INFO_BYTES: usize = 256 * 1024;
/// The key of the transcript.
const KEY: &str = "audio-transcription";
/// Most levels of lists inside lists that are read.
const MAX_DEPTH: usize = 2;

/// The transcript in `attachment.user_info`.
pub(super) fn of_user_info(user_info: Option<&[u8]>) -> Option<String> {
    let user_info = user_info.filter(|bytes| bytes.len() <= MAX_USER_INFO_BYTES)?;
    in_list(user_info, MAX_DEPTH)
}

/// The transcript, cut to [`MAX_TRANSCRIPT_CHARS`]; `None` if it is empty.
pub(super) fn clipped(transcript: &str) -> Option<String> {
    value::clipped(transcript, MAX_TRANSCRIPT_CHARS)
}

/// The transcript in the property list `bytes`, or in lists and dictionaries up to `depth` levels inside it.
fn in_list(bytes: &[u8], depth: usize) -> Option<String> {
    let list = Plist::read(bytes)?;
    in_value(keyed_archive::root(&list)?, depth)
}

/// The transcript in a dictionary, or in lists and dictionaries up to `depth` levels inside it.
fn in_value(value: Archived<'_>, depth: usize) -> Option<String> {
    if let Some(transcript) = value
        .get(KEY)
        .and_then(|transcript| text(transcript, MAX_DEPTH))
    {
        return Some(transcript);
    }
    let depth = depth.checked_sub(1)?;
    value.values().find_map(|inner| match inner.data() {
        Some(bytes) => in_list(bytes, depth),
        None => in_value(inner, depth),
    })
}

/// The text of a string, of an attributed string, or of either as data, up to `depth` levels inside `value`.
fn text(value: Archived<'_>, depth: usize) -> Option<String> {
    if let Some(text) = value.text() {
        return clipped(&text);
    }
    let depth = depth.checked_sub(1)?;
    if let Some(bytes) = value.data() {
        if let Ok(text) = attributed_body::decode_text(bytes) {
            return clipped(text);
        }
        return match Plist::read(bytes) {
            Some(list) => text(keyed_archive::root(&list)?, depth),
            None => clipped(std::str::from_utf8(bytes).ok()?),
        };
    }
    ["NSString", "string", "text", KEY]
        .into_iter()
        .find_map(|key| text(value.get(key)?, depth))
}

#[cfg(test)]
mod tests {
    use messages_stand_in::{Piece, attributed_body};
    use plist::{Uid, Value};
    use proptest::prelude::*;

    use super::*;

    fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Value::Dictionary(entries.into_iter().collect())
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn bytes(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.to_writer_binary(&mut bytes).unwrap();
        bytes
    }

    fn read(value: &Value) -> Option<String> {
        of_user_info(Some(&bytes(value)))
    }

    fn archive(objects: Vec<Value>) -> Value {
        let mut all = vec![text("$null")];
        all.extend(objects);
        dictionary([
            ("$archiver", text("NSKeyedArchiver")),
            ("$top", dictionary([("root", Value::Uid(Uid::new(1)))])),
            ("$objects", Value::Array(all)),
        ])
    }

    fn uids<const N: usize>(numbers: [u64; N]) -> Value {
        Value::Array(numbers.map(|number| Value::Uid(Uid::new(number))).into())
    }

    #[test]
    fn a_transcript_is_found_however_it_is_wrapped() {
        let transcript = || text(" Bring the käse, please. ");
        let plain = dictionary([("file-size", text("1")), (KEY, transcript())]);
        let keyed = archive(vec![
            dictionary([("NS.keys", uids([2])), ("NS.objects", uids([3]))]),
            text(KEY),
            transcript(),
        ]);
        let attributed = archive(vec![
            dictionary([("NS.keys", uids([2])), ("NS.objects", uids([3]))]),
            text(KEY),
            dictionary([("NSString", Value::Uid(Uid::new(4)))]),
            dictionary([("NS.string", transcript())]),
        ]);
        let body = attributed_body(&[Piece::text("Bring the käse, please.")]);
        for value in [
            dictionary([("userInfo", plain.clone())]),
            dictionary([("info", Value::Data(bytes(&plain)))]),
            dictionary([("info", Value::Data(bytes(&keyed)))]),
            dictionary([(KEY, dictionary([("text", transcript())]))]),
            dictionary([(KEY, Value::Data("Bring the käse, please.".into()))]),
            dictionary([(KEY, Value::Data(bytes(&transcript())))]),
            dictionary([(KEY, Value::Data(body))]),
            plain,
            keyed,
            attributed,
        ] {
            let read = read(&value);
            assert_eq!(
                read.as_deref(),
                Some("Bring the käse, please."),
                "{value:?}"
            );
        }
    }

    #[test]
    fn other_values_of_user_info_are_no_transcript() {
        for value in [
            dictionary([("file-size", text("1")), ("name", text(KEY))]),
            dictionary([(KEY, text("  "))]),
            dictionary([(KEY, Value::Integer(1.into()))]),
            dictionary([(KEY, Value::Data(vec![0xff, 0xfe]))]),
            text("hello"),
            Value::Array(vec![text(KEY), text("hello")]),
        ] {
            assert_eq!(read(&value), None, "{value:?}");
        }
        assert_eq!(of_user_info(None), None);
        assert_eq!(of_user_info(Some(b"audio-transcription: hello")), None);
    }

    #[test]
    fn a_long_transcript_is_clipped() {
        let long = "ä".repeat(MAX_TRANSCRIPT_CHARS + 1);
        let read = read(&dictionary([(KEY, text(&long))])).unwrap();
        assert_eq!(read.chars().count(), MAX_TRANSCRIPT_CHARS);
        let huge = "x".repeat(MAX_USER_INFO_BYTES);
        assert_eq!(
            super::of_user_info(Some(&bytes(&dictionary([(KEY, text(&huge))])))),
            None
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..600_usize, byte: u8, cut in 0..600_usize) {
            let inner = bytes(&dictionary([("a", dictionary([(KEY, text("hello"))]))]));
            let mut bytes = bytes(&archive(vec![
                dictionary([("NS.keys", uids([2])), ("NS.objects", uids([3]))]),
                text("info"),
                Value::Data(inner),
            ]));
            let at = at % bytes.len();
            bytes[at] = byte;
            of_user_info(Some(&bytes));
            of_user_info(Some(&bytes[..cut.min(bytes.len())]));
        }
    }
}
