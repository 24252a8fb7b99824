//! Reads `message.message_summary_info`: the history of edits, and the parts that were unsent.

use attributed_body::decode_text;

use super::plist::{Object, Plist};

/// The key of the edit history: for each part a list of its editions, the original included.
const HISTORY: &str = "ec";
/// The key of the parts that were unsent.
const UNSENT_PARTS: &str = "rp";
/// The key of the ranges of the original parts in the text, by part.
const ORIGINAL_RANGES: &str = "otr";
/// The key, in an edition, of the guid of the notice that shows the edit to older devices.
const NOTICE: &str = "bcg";
/// The key, in an edition, of its text as an `attributedBody`.
const TEXT: &str = "t";
/// The largest length of a history that is returned. A longer history can only be damage.
const MAX_HISTORY: u32 = 1_000_000;
/// Most notices that are read; no message has as many edits.
const MAX_NOTICES: usize = 200;

/// The edits and unsends of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of editions in the edit history over all parts, the originals included; 0 if the message was
    /// never edited.
    pub history_length: u32,
    /// Parts that were unsent, ascending.
    pub unsent_parts: Vec<i64>,
    /// Parts that the message had before any of them was edited or unsent, ascending; empty if the
    /// summary does not list them.
    pub original_parts: Vec<i64>,
    /// The text before the first edit, with the placeholders of attachments. `None` if the history does not show it, or
    /// has other parts than the first.
    pub first_text: Option<String>,
}

impl Summary {
    /// Reads `message.message_summary_info`. A value of another shape reads as "no edits", since the column also has
    /// other content. The list is parsed and not searched for the bytes of a key, since its strings may contain them.
    pub(super) fn read(bytes: Option<&[u8]>) -> Self {
        let Some(list) = bytes.and_then(Plist::read) else {
            return Self::default();
        };
        let history = list.top().get(HISTORY);
        let history_length = history.and_then(|parts| {
            let lengths = parts
                .values()?
                .filter_map(|part| Some(part.elements()?.len()));
            Some(lengths.fold(0, usize::saturating_add))
        });
        let unsent_parts = list
            .top()
            .get(UNSENT_PARTS)
            .and_then(|parts| Some(parts.elements()?.filter_map(Object::integer).collect()));
        let original_parts = list.top().get(ORIGINAL_RANGES).and_then(|ranges| {
            let parts = ranges.keys()?.map(|part| part.string()?.parse().ok());
            // If any part cannot be read, none is listed: that part may be one that was not unsent.
            parts.collect::<Option<Vec<i64>>>()
        });
        Self {
            history_length: u32::try_from(history_length.unwrap_or(0))
                .unwrap_or(u32::MAX)
                .min(MAX_HISTORY),
            unsent_parts: ascending(unsent_parts),
            original_parts: ascending(original_parts),
            first_text: history.and_then(first_text),
        }
    }

    /// Whether every part that the message had was unsent.
    pub fn is_all_unsent(&self) -> bool {
        let is_unsent = |part| self.unsent_parts.binary_search(part).is_ok();
        !self.original_parts.is_empty() && self.original_parts.iter().all(is_unsent)
    }
}

/// The text of the first edition of part 0, if no other part was edited.
fn first_text(history: Object<'_>) -> Option<String> {
    let mut parts = history.keys()?;
    if !parts.next()?.is_text("0") || parts.next().is_some() {
        return None;
    }
    let archive = history.get("0")?.element(0)?.get(TEXT)?.data()?;
    decode_text(archive).ok().map(str::to_owned)
}

/// The parts in ascending order, each once.
fn ascending(parts: Option<Vec<i64>>) -> Vec<i64> {
    let mut parts = parts.unwrap_or_default();
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// Guids of the notices that show the edits of a message to older devices, from its `message_summary_info`.
pub(super) fn edit_notices(bytes: Option<&[u8]>) -> Vec<String> {
    let Some(list) = bytes.and_then(Plist::read) else {
        return Vec::new();
    };
    let parts = list.top().get(HISTORY).and_then(Object::values);
    let editions_of_parts = parts.into_iter().flatten().filter_map(Object::elements);
    let guids = editions_of_parts
        .flatten()
        .filter_map(|edition| edition.get(NOTICE)?.string());
    guids.take(MAX_NOTICES).collect()
}

#[cfg(test)]
mod tests {
    use messages_stand_in::{Edition, History, Piece};
    use plist::{Dictionary, Value};
    use proptest::prelude::*;

    use super::*;

    fn read(value: &Value) -> Summary {
        let mut bytes = Vec::new();
        value.to_writer_binary(&mut bytes).unwrap();
        Summary::read(Some(&bytes))
    }

    fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Value::Dictionary(entries.into_iter().collect())
    }

    fn array(values: impl IntoIterator<Item = i64>) -> Value {
        Value::Array(
            values
                .into_iter()
                .map(|v| Value::Integer(v.into()))
                .collect(),
        )
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn history(part: i64, editions: Vec<Edition>) -> History {
        History { part, editions }
    }

    #[test]
    fn edits_and_unsends_of_several_parts_are_read() {
        let edition = |secs| Edition {
            secs,
            runs: vec![Piece::text("x".repeat(300))],
            notice: None,
        };
        let summary = messages_stand_in::Summary {
            history: vec![
                history(0, vec![edition(1.5), edition(2.5), edition(3.5)]),
                history(2, vec![edition(1.5), edition(9.0)]),
            ],
            edited: [0, 2].into(),
            ranges: vec![(0, 0, 5), (2, 6, 4)],
            unsent: [3, 1].into(),
        };
        let bytes = summary.to_plist().unwrap();
        let read = Summary::read(Some(&bytes));
        assert_eq!(read.history_length, 5);
        assert_eq!(read.unsent_parts, [1, 3]);
        assert_eq!(read.original_parts, [0, 2]);
        assert!(!read.is_all_unsent());
    }

    #[test]
    fn the_first_text_is_that_of_the_first_edition_of_the_only_part() {
        let edition = |text: &str| Edition {
            secs: 1.5,
            runs: vec![Piece::text(text)],
            notice: None,
        };
        let first_text = |history: Vec<History>| {
            let summary = messages_stand_in::Summary {
                history,
                ..messages_stand_in::Summary::default()
            };
            Summary::read(Some(&summary.to_plist().unwrap())).first_text
        };
        let editions = || vec![edition("one 👋"), edition("two"), edition("three")];
        assert_eq!(
            first_text(vec![history(0, editions())]).as_deref(),
            Some("one 👋")
        );
        assert_eq!(first_text(vec![history(1, editions())]), None);
        assert_eq!(
            first_text(vec![history(0, editions()), history(1, editions())]),
            None
        );
        assert_eq!(first_text(Vec::new()), None);
        for odd in [
            array([1]),
            text("x"),
            Value::Array(vec![dictionary([("t", text("x"))])]),
        ] {
            let summary = read(&dictionary([("ec", dictionary([("0", odd)]))]));
            assert_eq!(summary.first_text, None);
        }
    }

    #[test]
    fn a_message_is_fully_unsent_if_every_original_part_is() {
        let range = || dictionary([("lo", array([])), ("le", array([]))]);
        let otr = |parts: &[&str]| {
            Value::Dictionary(
                parts
                    .iter()
                    .map(|part| ((*part).to_owned(), range()))
                    .collect(),
            )
        };
        for (original, unsent, all) in [
            (otr(&["0", "1"]), array([1, 0]), true),
            (otr(&["0", "1"]), array([0]), false),
            (otr(&["0"]), array([0, 5]), true),
            (otr(&["0", "x"]), array([0]), false),
            (otr(&[]), array([0]), false),
            (array([0]), array([0]), false),
            (otr(&["0"]), array([]), false),
        ] {
            let summary = read(&dictionary([
                ("otr", original.clone()),
                ("rp", unsent.clone()),
            ]));
            assert_eq!(summary.is_all_unsent(), all, "{original:?} {unsent:?}");
        }
    }

    #[test]
    fn edits_name_their_notices() {
        let edition = |guid: Option<&str>| Edition {
            secs: 1.5,
            runs: vec![Piece::text("x".repeat(300))],
            notice: guid.map(str::to_owned),
        };
        let summary = messages_stand_in::Summary {
            history: vec![
                history(
                    0,
                    vec![edition(None), edition(Some("A")), edition(Some("B"))],
                ),
                history(2, vec![edition(None), edition(Some("C"))]),
            ],
            ..messages_stand_in::Summary::default()
        };
        let bytes = summary.to_plist().unwrap();
        assert_eq!(edit_notices(Some(&bytes)), ["A", "B", "C"]);
        let odd = dictionary([(
            "ec",
            dictionary([
                (
                    "0",
                    Value::Array(vec![dictionary([("bcg", array([1]))]), text("bcg")]),
                ),
                ("1", Value::Array(vec![dictionary([("bcg", text("D"))])])),
                ("2", text("bcg")),
            ]),
        )]);
        let mut bytes = Vec::new();
        odd.to_writer_binary(&mut bytes).unwrap();
        assert_eq!(edit_notices(Some(&bytes)), ["D"]);
        for nothing in [None, Some(b"".as_slice()), Some(b"bcg")] {
            assert_eq!(edit_notices(nothing), [""; 0]);
        }
    }

    #[test]
    fn the_letters_rp_in_a_string_unsend_nothing() {
        for value in [
            dictionary([
                ("ams", text("rp")),
                ("xrp", array([0])),
                ("Rrp", array([1])),
            ]),
            dictionary([("rp", text("rp"))]),
            dictionary([(
                "nested",
                dictionary([("rp", array([0])), ("ec", array([0]))]),
            )]),
            text("rp"),
            array([0]),
        ] {
            assert_eq!(read(&value), Summary::default(), "{value:?}");
        }
        assert_eq!(Summary::read(Some(b"Rrp")), Summary::default());
        assert_eq!(Summary::read(Some(b"")), Summary::default());
        assert_eq!(Summary::read(None), Summary::default());
    }

    #[test]
    fn a_value_of_a_wrong_type_is_ignored_and_the_others_are_read() {
        let odd = || {
            [
                Value::Boolean(true),
                Value::Real(1.0),
                Value::Data(vec![1]),
                text("0"),
            ]
        };
        for value in odd()
            .into_iter()
            .chain([array([1]), dictionary([("lo", text("x"))])])
        {
            let summary = read(&dictionary([("ec", value.clone()), ("rp", array([7]))]));
            assert_eq!(summary.unsent_parts, [7], "{value:?}");
            let both = dictionary([("0", array([1, 2])), ("1", value.clone())]);
            let summary = read(&dictionary([("ec", both), ("rp", value.clone())]));
            assert!(summary.history_length >= 2, "{value:?}");
        }
        let mut parts = vec![Value::Integer(2.into()), Value::Integer((-1).into())];
        parts.extend(odd());
        parts.push(Value::Integer(u64::MAX.into()));
        parts.push(Value::Integer(2.into()));
        let summary = read(&dictionary([("rp", Value::Array(parts))]));
        assert_eq!(summary.unsent_parts, [-1, 2]);
    }

    #[test]
    fn long_histories_and_many_parts_are_read_whole() {
        let parts: Dictionary = (0..300)
            .map(|part| (part.to_string(), array(0..20)))
            .collect();
        let value = dictionary([
            ("ec", Value::Dictionary(parts)),
            ("rp", array((0..70_000).rev())),
        ]);
        let summary = read(&value);
        assert_eq!(summary.history_length, 6_000);
        assert_eq!(summary.unsent_parts.len(), 70_000);
        assert!(summary.unsent_parts.is_sorted());
    }

    #[test]
    fn a_list_that_contains_itself_is_read_in_bounded_time() {
        // Object 0 is an array that contains itself twice: a reader that builds it would never end.
        let mut bytes = b"bplist00\xA2\x00\x00\x08".to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 1, 1]);
        bytes.extend([1_u64, 0, 11].map(u64::to_be_bytes).concat());
        assert_eq!(Summary::read(Some(&bytes)), Summary::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize, tail: Vec<u8>) {
            let value = dictionary([
                ("ec", dictionary([("0", array(0..20)), ("1", array([1]))])),
                ("rp", array([0, 300, 70_000, i64::MAX, -1])),
            ]);
            let mut bytes = Vec::new();
            value.to_writer_binary(&mut bytes).unwrap();
            let mut damaged = bytes.clone();
            let at = at % damaged.len();
            damaged[at] = byte;
            Summary::read(Some(&damaged));
            edit_notices(Some(&damaged));
            damaged.truncate(cut);
            damaged.extend(&tail);
            Summary::read(Some(&damaged));
            Summary::read(Some(&[b"bplist00".as_slice(), &tail].concat()));
        }
    }
}
