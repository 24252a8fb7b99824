//! Properties of all inputs.

use attributed_body::{decode, decode_text};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::archiver::{Body, Endian, Mutability, PART, Run, Value};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,20}".prop_map(Value::Text),
        ".{0,20}".prop_map(Value::MutableText),
        (prop_oneof![Just('i'), Just('q')], any::<i32>())
            .prop_map(|(kind, number)| Value::Number(kind, number.into())),
        any::<u64>().prop_map(|n| Value::Number(
            'Q',
            i64::try_from(n >> 1).expect("a number of 63 bits fits an i64")
        )),
        "[a-z]{1,8}://[a-z]{1,20}".prop_map(Value::Url),
        vec(any::<u8>(), 0..300).prop_map(Value::Data),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec(("[a-zA-Z]{1,12}", inner), 0..4).prop_map(Value::Dictionary),
        ]
    })
}

/// Stretches of text, each with its part number and an attribute of any value under an unknown key.
fn body() -> impl Strategy<Value = Body> {
    let stretch = (
        "\\PC{1,40}|\u{FFFC}|[👋🇨🇭\u{2184}\u{1F184}]{1,9}",
        0..5_i64,
        value(),
    );
    let endian = prop_oneof![Just(Endian::Little), Just(Endian::Big)];
    let mutability = prop_oneof![Just(Mutability::Immutable), Just(Mutability::Mutable)];
    (vec(stretch, 0..12), endian, mutability).prop_map(|(stretches, endian, mutability)| {
        let run = |(text, part, value): &(String, i64, Value)| -> Run {
            let part = (PART.to_owned(), Value::Number('i', *part));
            let other = ("XYAttributeName".to_owned(), value.clone());
            (
                u32::try_from(text.encode_utf16().count()).expect("a stretch is short"),
                vec![part, other],
            )
        };
        Body {
            endian,
            mutability,
            runs: stretches.iter().map(run).collect(),
            text: stretches.into_iter().map(|(text, ..)| text).collect(),
        }
    })
}

proptest! {
    #[test]
    fn an_archived_text_is_decoded_to_the_same_text(body in body()) {
        let archive = body.archive();
        let decoded = decode(&archive).unwrap();
        prop_assert_eq!(decoded.text, &body.text);
        let runs: Vec<_> = decoded.runs.iter().map(|run| (run.utf16_len, run.part)).collect();
        let expected: Vec<_> = body
            .runs
            .iter()
            .map(|(len, attributes)| match attributes[0].1 {
                Value::Number(_, part) => (*len, Some(part)),
                _ => (*len, None),
            })
            .collect();
        prop_assert_eq!(runs, expected);
        let joined: String = decoded.runs.iter().map(|run| run.text).collect();
        prop_assert_eq!(joined, body.text);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
        let mut archive = b"\x04\x0bstreamtyped\x81\xe8\x03".to_vec();
        archive.extend(bytes);
        let _ = decode(&archive);
    }

    #[test]
    fn a_damaged_archive_is_refused_or_its_runs_cover_the_decoded_text(
        body in body(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut archive = body.archive();
        for (index, byte) in damage {
            let index = index.index(archive.len());
            archive[index] = byte;
        }
        if let Ok(decoded) = decode(&archive) {
            let joined: String = decoded.runs.iter().map(|run| run.text).collect();
            prop_assert_eq!(joined, decoded.text);
            prop_assert_eq!(decode_text(&archive), Ok(decoded.text));
        }
    }

    #[test]
    fn a_truncated_archive_is_an_error(body in body(), cut in any::<prop::sample::Index>()) {
        let archive = body.archive();
        prop_assert!(decode(&archive[..cut.index(archive.len())]).is_err());
    }
}
