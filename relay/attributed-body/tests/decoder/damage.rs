//! Archives that cannot be decoded, and the error of each.

use attributed_body::{DecodeError, decode, decode_text};

use crate::archiver::{Body, PART, Value, text};

/// The archive of "Hi".
fn hi() -> Vec<u8> {
    Body::plain("Hi").archive()
}
/// The place in [`hi`] of the length of the text.
const TEXT_LEN_OFFSET: usize = 73;
/// The place in [`hi`] of the number of the run's dictionary.
const RUN_NUMBER_OFFSET: usize = 81;

#[test]
fn other_formats_are_told_apart() {
    for (bytes, error) in [
        (&b"bplist00\xd4\x01"[..], DecodeError::KeyedArchive),
        (b"", DecodeError::NotTypedstream),
        (b"\xff\xfeH\0i\0", DecodeError::NotTypedstream),
        (b"Hi there, this is text", DecodeError::NotTypedstream),
        (
            b"\x04\x0bstreamtypes\x81\xe8\x03",
            DecodeError::NotTypedstream,
        ),
        (
            b"\x03\x0bstreamtyped\x81\xe8\x03",
            DecodeError::UnsupportedVersion { version: 3 },
        ),
    ] {
        assert_eq!(decode(bytes), Err(error), "{bytes:?}");
        assert_eq!(decode_text(bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn an_archive_of_a_database_that_was_copied_as_text_is_recognised() {
    let archive = hi();
    let question_marks: Vec<u8> = archive
        .iter()
        .map(|&b| if b < 0x80 { b } else { b'?' })
        .collect();
    let replaced = String::from_utf8_lossy(&archive).into_owned().into_bytes();
    let latin_1: String = archive.iter().map(|&b| char::from(b)).collect();
    for recoded in [question_marks, replaced, latin_1.into_bytes()] {
        assert_eq!(decode(&recoded), Err(DecodeError::Recoded));
    }
}

#[test]
fn every_truncation_is_an_error() {
    let guid = ("__kIMFileTransferGUIDAttributeName", text("at_0_EXAMPLE"));
    let part = (PART, Value::Number('i', 1));
    let attributes = [guid, part];
    let link = [(
        "__kIMLinkAttributeName",
        Value::Url("https://example.com".to_owned()),
    )];
    let archive = Body::of(&[("\u{FFFC}", &attributes[..]), ("link", &link)]).archive();
    assert!(decode(&archive).is_ok());
    for len in 0..archive.len() {
        let error = decode(&archive[..len]).expect_err("cut short");
        match error {
            DecodeError::Truncated { offset, needed } => {
                assert!(offset <= len && offset + needed > len, "{len}: {error}");
            }
            DecodeError::NotTypedstream => assert_eq!(len, 0),
            other => panic!("{len}: {other}"),
        }
        // The text alone is either whole or refused.
        if let Ok(text) = decode_text(&archive[..len]) {
            assert_eq!(text, "\u{FFFC}link", "{len}");
        }
    }
}

#[test]
fn a_length_beyond_the_end_is_an_error() {
    for declared in [
        &[0x7F_u8][..],
        &[0x81, 0xFF, 0x7F],
        &[0x82, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x87; 9],
    ] {
        let mut archive = hi();
        assert_eq!(archive[TEXT_LEN_OFFSET], 2);
        archive.splice(TEXT_LEN_OFFSET..=TEXT_LEN_OFFSET, declared.iter().copied());
        assert!(
            matches!(decode(&archive), Err(DecodeError::Truncated { .. })),
            "{declared:?}"
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_not_repaired() {
    let mut archive = hi();
    archive[TEXT_LEN_OFFSET + 2] = 0xF0;
    let offset = TEXT_LEN_OFFSET + 2;
    assert_eq!(decode(&archive), Err(DecodeError::InvalidUtf8 { offset }));
    assert_eq!(
        decode_text(&archive),
        Err(DecodeError::InvalidUtf8 { offset })
    );
}

#[test]
fn references_to_nothing_are_refused() {
    let first_reference = hi().iter().position(|&b| b == 0x92).expect("one exists");
    for byte in [0xF0, 0x7F] {
        let mut archive = hi();
        archive[first_reference] = byte;
        assert_eq!(
            decode(&archive),
            Err(DecodeError::Malformed {
                offset: first_reference,
                expected: "a string seen before"
            })
        );
    }
}

#[test]
fn runs_must_fit_the_text() {
    let attributes = vec![(PART.to_owned(), Value::Number('i', 0))];
    for (text, lengths) in [
        ("four", &[5][..]),
        ("four", &[3]),
        ("four", &[2, 3]),
        ("four", &[0, 4]),
        ("four", &[u32::MAX]),
        ("👋👋", &[1, 3]), // half a surrogate pair
        ("👋👋", &[3, 1]),
        ("four", &[]),
        ("", &[1]),
    ] {
        let body = Body {
            runs: lengths
                .iter()
                .map(|&len| (len, attributes.clone()))
                .collect(),
            ..Body::plain(text)
        };
        let archive = body.archive();
        assert!(
            matches!(decode(&archive), Err(DecodeError::RunsDontFit { .. })),
            "{text} {lengths:?}"
        );
        assert_eq!(decode_text(&archive), Ok(text));
    }
}

#[test]
fn dictionaries_are_numbered_from_one_without_gaps() {
    for number in [0, 2, 0xFF] {
        let mut archive = hi();
        assert_eq!(
            archive[RUN_NUMBER_OFFSET - 4..=RUN_NUMBER_OFFSET],
            *b"\x84\x02iI\x01"
        );
        archive[RUN_NUMBER_OFFSET] = number;
        assert_eq!(
            decode(&archive),
            Err(DecodeError::Malformed {
                offset: RUN_NUMBER_OFFSET,
                expected: "the number of a dictionary"
            })
        );
    }
    // The smallest integer must not overflow when it is converted to an index.
    let mut archive = hi();
    archive.splice(
        RUN_NUMBER_OFFSET..=RUN_NUMBER_OFFSET,
        [0x87, 0, 0, 0, 0, 0, 0, 0, 0x80],
    );
    assert!(matches!(
        decode(&archive),
        Err(DecodeError::Malformed { .. })
    ));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| {
        let value = (0..depth).fold(text("core"), |inner, _| Value::Array(vec![inner]));
        Body::of(&[("x", &[("XYNested", value)])]).archive()
    };
    assert!(decode(&nested(50)).is_ok());
    for depth in [64, 1_000] {
        let archive = nested(depth);
        assert!(matches!(
            decode(&archive),
            Err(DecodeError::TooComplex { .. })
        ));
        assert_eq!(decode_text(&archive), Ok("x"));
    }
}

#[test]
fn many_values_without_bytes_are_refused() {
    for encoding in [
        "[4294967295!]",
        "[4294967295{a=}]",
        "[65535[65535[65535!]]]",
        "[18446744073709551615!]",
    ] {
        let value = Value::Other(
            vec!["XYBomb".to_owned()],
            vec![(encoding.to_owned(), vec![])],
        );
        let archive = Body::of(&[("x", &[("XYBomb", value)])]).archive();
        assert!(
            matches!(decode(&archive), Err(DecodeError::TooComplex { .. })),
            "{encoding}"
        );
    }
}

#[test]
fn types_of_unknown_size_are_refused() {
    for encoding in [
        "(u=iq)",
        "^i",
        "b3",
        "?",
        "[c]",
        "[2]",
        "[2i",
        "{a}",
        "i}",
        "[99999999999999999999i]",
    ] {
        let value = Value::Other(
            vec!["XYOdd".to_owned()],
            vec![(encoding.to_owned(), vec![1; 8])],
        );
        let archive = Body::of(&[("x", &[("XYOdd", value)])]).archive();
        assert!(
            matches!(
                decode(&archive),
                Err(DecodeError::UnsupportedEncoding { .. })
            ),
            "{encoding}: {:?}",
            decode(&archive)
        );
        assert_eq!(decode_text(&archive), Ok("x"));
    }
}

#[test]
fn an_archive_of_another_object_is_refused() {
    let mut archive = hi();
    let class = archive
        .windows(2)
        .position(|w| w == b"NS")
        .expect("a class name");
    archive[class] = b'X';
    assert_eq!(decode(&archive), Err(DecodeError::NotAttributedString));
}

#[test]
fn errors_never_repeat_the_text() {
    let mut archive = Body::plain("meet me at noon").archive();
    archive.truncate(archive.len() - 1);
    let error = decode(&archive).expect_err("cut short");
    assert_eq!(
        error.to_string(),
        "the archive ends too early: 1 more bytes expected at offset 189"
    );
}
