//! Every feature of the format, in generated archives.

use attributed_body::{Run, decode, decode_text};

use crate::archiver::{Body, Endian, Mutability, PART, Value, text};

const GUID: &str = "__kIMFileTransferGUIDAttributeName";

/// Lengths around the bounds at which a length is written in another way.
const LENGTHS: [usize; 12] = [
    1, 31, 127, 128, 145, 146, 255, 256, 8_192, 32_767, 32_768, 70_000,
];

#[track_caller]
fn assert_text_is_decoded(body: &Body) {
    let archive = body.archive();
    let decoded = decode(&archive).expect("a good archive");
    assert_eq!(decoded.text, body.text);
    assert_eq!(decode_text(&archive), Ok(body.text.as_str()));
}

#[test]
fn the_archiver_of_these_tests_writes_the_bytes_of_a_real_mac() {
    let expected =
        b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\
        \x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+\x02Hi\x86\
        \x84\x02iI\x01\x02\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x1d\
        __kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\
        \x94\x84\x01*\x84\x99\x99\x00\x86\x86\x86";
    assert_eq!(Body::plain("Hi").archive(), expected);
    let decoded = decode(expected).expect("a good archive");
    assert_eq!(
        decoded.runs,
        [Run {
            text: "Hi",
            utf16_len: 2,
            part: Some(0),
            ..Run::default()
        }]
    );
}

#[test]
fn no_length_cuts_or_grows_the_text() {
    for len in LENGTHS {
        for endian in [Endian::Little, Endian::Big] {
            for mutability in [Mutability::Immutable, Mutability::Mutable] {
                let alphabet: String = ('a'..='z').cycle().take(len).collect();
                assert_text_is_decoded(&Body {
                    endian,
                    mutability,
                    ..Body::plain(&alphabet)
                });
                // Text whose length in bytes differs from its length in characters.
                assert_text_is_decoded(&Body {
                    endian,
                    mutability,
                    ..Body::plain(&"é".repeat(len))
                });
            }
        }
    }
}

#[test]
fn characters_that_look_like_tags_stay_text() {
    for awkward in [
        "\u{2184}",  // E2 86 84: contains the bytes of the tags END and NEW
        "\u{1F184}", // F0 9F 86 84: the same two bytes
        "before \u{2184} after",
        "\u{1}+\u{2}streamtyped",
        "\n\n\nleading newlines",
        " ",
        "\0",
        "\u{FEFF}byte order mark",
        "e\u{301} 👩‍👩‍👧‍👦 🇨🇭",
        "NSString",
    ] {
        assert_text_is_decoded(&Body::plain(awkward));
    }
}

#[test]
fn an_empty_text_has_no_runs() {
    let archive = Body::plain("").archive();
    assert_eq!(archive.len(), 76);
    let decoded = decode(&archive).expect("a good archive");
    assert_eq!((decoded.text, decoded.runs.len()), ("", 0));
}

#[test]
fn references_beyond_one_byte_are_followed() {
    // Each attachment adds an object for its guid and one for its part. The counts are around the bounds
    // at which a reference needs another byte.
    for count in [1, 19, 30, 40, 60, 120, 10_000] {
        let guids: Vec<String> = (0..count).map(|n| format!("at_{n}_EXAMPLE")).collect();
        let attributes: Vec<_> = guids
            .iter()
            .zip(0..)
            .map(|(guid, part)| [(GUID, text(guid)), (PART, Value::Number('i', part))])
            .collect();
        let stretches: Vec<_> = attributes.iter().map(|a| ("\u{FFFC}", &a[..])).collect();
        for endian in [Endian::Little, Endian::Big] {
            let archive = Body {
                endian,
                ..Body::of(&stretches)
            }
            .archive();
            let decoded = decode(&archive).expect("a good archive");
            let found: Vec<_> = decoded.runs.iter().map(|r| r.attachment_guid).collect();
            let expected: Vec<_> = guids.iter().map(|guid| Some(guid.as_str())).collect();
            assert_eq!(found, expected);
            assert!(decoded.runs.iter().map(|r| r.part).eq((0..count).map(Some)));
            assert_eq!(decoded.plain_text(), "");
        }
    }
}

#[test]
fn every_known_attribute_is_read() {
    let code = Value::Dictionary(vec![
        ("displayCode".to_owned(), text("555-012")),
        ("code".to_owned(), text("555012")),
    ]);
    let attributes = [
        (PART, Value::Number('q', 3)),
        (GUID, text("at_0_EXAMPLE")),
        ("__kIMMentionConfirmedMention", text("+15550100001")),
        (
            "__kIMLinkAttributeName",
            Value::Url("https://example.com/".to_owned()),
        ),
        ("__kIMOneTimeCodeAttributeName", code),
        ("IMAudioTranscription", text("see you at eight")),
        (
            "__kIMBreadcrumbTextMarkerAttributeName",
            text("closed a ring"),
        ),
        (
            "__kIMBaseWritingDirectionAttributeName",
            Value::Number('q', -1),
        ),
    ];
    let archive = Body::of(&[("all of it", &attributes)]).archive();
    assert_eq!(
        decode(&archive).expect("a good archive").runs,
        [Run {
            text: "all of it",
            utf16_len: 9,
            part: Some(3),
            attachment_guid: Some("at_0_EXAMPLE"),
            mention: Some("+15550100001"),
            link: Some("https://example.com/"),
            one_time_code: Some("555012"),
            transcription: Some("see you at eight"),
            breadcrumb: Some("closed a ring"),
        }]
    );
}

#[test]
fn attributes_of_another_type_count_as_absent() {
    let attributes = [
        (PART, text("three")),
        (GUID, Value::Number('i', 1)),
        ("__kIMMentionConfirmedMention", Value::Nil),
        ("__kIMLinkAttributeName", Value::Data(vec![1, 2, 3])),
        ("__kIMOneTimeCodeAttributeName", Value::Dictionary(vec![])),
        ("IMAudioTranscription", Value::Array(vec![text("no")])),
    ];
    let archive = Body::of(&[("x", &attributes)]).archive();
    let expected = Run {
        text: "x",
        utf16_len: 1,
        ..Run::default()
    };
    assert_eq!(decode(&archive).expect("a good archive").runs, [expected]);
}

#[test]
fn numbers_of_every_width_are_read() {
    let cases = [
        ('c', -1),
        ('c', 127),
        ('B', 1),
        ('C', 200),
        ('s', -300),
        ('S', 60_000),
        ('i', 0x7F),
        ('i', 0x80),
        ('i', -110),
        ('i', -111),
        ('i', -40_000),
        ('I', 3_000_000_000),
        ('l', 70_000),
        ('q', i64::MIN),
        ('q', i64::MAX),
        ('Q', i64::MAX),
    ];
    for (kind, number) in cases {
        for endian in [Endian::Little, Endian::Big] {
            let attributes = [(PART, Value::Number(kind, number))];
            let body = Body {
                endian,
                ..Body::of(&[("x", &attributes)])
            };
            let archive = body.archive();
            let decoded = decode(&archive).expect("a good archive");
            assert_eq!(decoded.runs[0].part, Some(number), "{kind} {number}");
        }
    }
}

#[test]
fn equal_attributes_are_shared_by_runs() {
    let first = [(PART, Value::Number('i', 0))];
    let second = [
        (PART, Value::Number('i', 0)),
        ("__kIMMentionConfirmedMention", text("guest@example.com")),
    ];
    let stretches: &[(&str, &[_])] = &[("Hi ", &first), ("👋Ana", &second), (", hi 👋", &first)];
    let archive = Body::of(stretches).archive();
    let decoded = decode(&archive).expect("a good archive");
    let runs: Vec<_> = decoded
        .runs
        .iter()
        .map(|run| (run.text, run.utf16_len, run.part, run.mention))
        .collect();
    assert_eq!(
        runs,
        [
            ("Hi ", 3, Some(0), None),
            ("👋Ana", 5, Some(0), Some("guest@example.com")),
            (", hi 👋", 7, Some(0), None),
        ]
    );
}

#[test]
fn a_relative_link_is_read_without_its_base() {
    let link = Value::RelativeUrl("https://example.com/".to_owned(), "menu".to_owned());
    let archive = Body::of(&[("x", &[("__kIMLinkAttributeName", link)])]).archive();
    let decoded = decode(&archive).expect("a good archive");
    assert_eq!(decoded.runs[0].link, Some("menu"));
}

#[test]
fn unknown_classes_and_encodings_are_skipped() {
    let class = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let values = [
        // A point of NSValue, with floating-point numbers and integers.
        ("{CGPoint=dd}", vec![0x83, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 7]),
        ("f", vec![0x83, 0, 0, 0x80, 0x3F]),
        ("[4i]", vec![1, 2, 0x81, 0, 1, 0xFF]),
        ("[2{a=cS}]", vec![0x84, 1, 0x86, 0x81, 2, 2]),
        ("[3C]", vec![0x86, 0x85, 0x84]),
        (
            "cCsSiIlLqQB",
            vec![0x84, 0x85, 3, 4, 5, 6, 7, 8, 9, 10, 0x86],
        ),
        ("@@#*:%", vec![0x85; 6]),
        ("+", vec![2, 0x86, 0x86]),
        ("!", vec![]),
    ];
    for (encoding, raw) in values {
        let unknown = Value::Other(
            class(&["XYUnknown", "XYAncestor", "NSObject"]),
            vec![
                (encoding.to_owned(), raw.clone()),
                (encoding.to_owned(), raw),
            ],
        );
        let attributes = [("XYSomething", unknown), (PART, Value::Number('i', 2))];
        let archive = Body::of(&[("x", &attributes)]).archive();
        let decoded = decode(&archive).unwrap_or_else(|error| panic!("{encoding}: {error}"));
        assert_eq!(decoded.runs[0].part, Some(2), "{encoding}");
    }
}

#[test]
fn an_unknown_subclass_is_read_as_its_ancestor() {
    let mention = Value::Other(
        ["XYString", "NSMutableString", "NSString", "NSObject"]
            .map(str::to_owned)
            .to_vec(),
        vec![("+".to_owned(), b"\x11guest@example.com".to_vec())],
    );
    let archive = Body::of(&[("x", &[("__kIMMentionConfirmedMention", mention)])]).archive();
    let decoded = decode(&archive).expect("a good archive");
    assert_eq!(decoded.runs[0].mention, Some("guest@example.com"));
}

#[test]
fn bytes_after_the_message_are_ignored() {
    let mut archive = Body::plain("whole").archive();
    archive.extend([0; 16]);
    assert_eq!(decode(&archive).map(|body| body.text), Ok("whole"));
}

#[test]
fn plain_text_has_no_placeholders() {
    for (archived, plain) in [
        ("\u{FFFC}", ""),
        ("look \u{FFFC}\u{FFFC} here", "look  here"),
        ("💪\u{FFFD}", "💪"),
        ("no placeholder", "no placeholder"),
    ] {
        let archive = Body::plain(archived).archive();
        let decoded = decode(&archive).expect("a good archive");
        assert_eq!(decoded.text, archived);
        assert_eq!(decoded.plain_text(), plain);
    }
}
