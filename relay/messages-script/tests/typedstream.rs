//! Compares the encoder with a real archive, and with the relay's decoder, which shares no code with it.

#[path = "../../messages-stand-in/tests/fixtures/mod.rs"]
mod fixtures;

use messages_script::typedstream::{ATTACHMENT, Mutability, encode};
use messages_script::{Attribute, Piece, attributed_body};

#[test]
fn plain_text_has_the_bytes_of_a_real_mac() {
    let ours = attributed_body(&[Piece::text("Haha yeah 😃")]);
    assert_eq!(ours.len(), 189);
    if let Some(real) = fixtures::read("typedstream/regular-text.bin") {
        assert_eq!(ours, real);
    }
}

#[test]
fn lengths_change_form_at_128_and_65536() {
    for length in [
        0, 1, 127, 128, 145, 157, 255, 256, 32_767, 32_768, 65_535, 65_536,
    ] {
        for mutability in [Mutability::Immutable, Mutability::Mutable] {
            let text = "x".repeat(length);
            let archive = encode(&[Piece::text(text.as_str())], mutability);
            let body = attributed_body::decode(&archive).unwrap();
            assert_eq!(body.text, text);
            assert_eq!(body.runs.len(), usize::from(length > 0));
        }
    }
}

#[test]
fn every_attribute_is_decoded_to_the_same_value() {
    let pieces = [
        Piece::text("see "),
        Piece::text("Ann").with(Attribute::Mention("+15555550101".into())),
        Piece::text(" at "),
        Piece::text("example.com").with(Attribute::Link("https://example.com/a".into())),
        Piece::attachment("at_1_GUID").in_part(1),
        Piece::text("123456")
            .in_part(3)
            .with(Attribute::OneTimeCode("123456".into())),
        Piece::text("🎙️")
            .in_part(4)
            .with(Attribute::Transcription("spoken".into())),
        Piece::text("ring")
            .in_part(200)
            .with(Attribute::Breadcrumb("closed".into())),
    ];
    assert_eq!(Piece::read(&attributed_body(&pieces)).unwrap(), pieces);
}

#[test]
fn attributes_that_the_decoder_skips_do_no_harm() {
    let mut piece = Piece::text("decorated");
    piece.attributes = vec![
        Attribute::Filename("a.jpeg".into()),
        Attribute::RichLink,
        Attribute::DataDetected(vec![0x86; 300]),
        Attribute::Bold,
        Attribute::TextEffect(100_000),
        Attribute::WritingDirection(-1),
        Attribute::Other("__kIMUnheardOf".into(), "something".into()),
    ];
    let archive = attributed_body(&[piece, Piece::text(" and plain")]);
    let body = attributed_body::decode(&archive).unwrap();
    assert_eq!(body.text, "decorated and plain");
    assert_eq!(body.runs[0].part, Some(0));
}

#[test]
fn references_of_more_than_one_byte_are_resolved() {
    // A reference to index 0 to 109 is a negative byte, and one to 110 to 237 a positive byte; higher ones take more
    // bytes. Each attachment adds four objects, so 70 attachments need all three forms.
    let pieces: Vec<Piece> = (0..70)
        .map(|part| {
            let piece = Piece::attachment(format!("at_{part}_GUID")).in_part(part);
            piece.with(Attribute::WritingDirection(-1))
        })
        .collect();
    let archive = attributed_body(&pieces);
    let body = attributed_body::decode(&archive).unwrap();
    assert_eq!(body.text, ATTACHMENT.repeat(70));
    assert_eq!(body.runs[69].attachment_guid, Some("at_69_GUID"));
}

#[test]
fn repeated_attributes_are_written_once() {
    let link = || Attribute::Link("https://example.com".into());
    let twice = [
        Piece::text("a").with(link()),
        Piece::text("b"),
        Piece::text("c").with(link()),
    ];
    let archive = attributed_body(&twice);
    let count = archive
        .windows(19)
        .filter(|w| w == b"https://example.com")
        .count();
    assert_eq!(count, 1);
    assert_eq!(Piece::read(&archive).unwrap(), twice);
}
