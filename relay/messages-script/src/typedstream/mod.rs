//! Writes `attributedBody` archives as Messages does.
//!
//! The encoder shares no code with the decoder that the relay uses, so that a mistake in one of them makes
//! tests fail. For plain text it writes the same bytes as a real Mac.

mod archiver;

use serde::{Deserialize, Serialize};

use crate::is_default;
use archiver::{Archiver, ClassName};

const PART: &str = "__kIMMessagePartAttributeName";

/// The placeholder of an attachment in a text.
pub const ATTACHMENT: &str = "\u{FFFC}";
/// The placeholder of an app's content in a text.
pub const APP: &str = "\u{FFFD}";

/// A stretch of text with the same attributes.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// The characters; U+FFFC for an attachment.
    pub text: String,
    /// The number of the message part; `None` leaves the attribute of the part out. In a script the default is 0, and
    /// null stands for `None`.
    #[serde(default = "part_zero")]
    pub part: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub attributes: Vec<Attribute>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "serde needs a function that returns the type of the field"
)]
fn part_zero() -> Option<i64> {
    Some(0)
}

/// An attribute of a stretch of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// `attachment.guid` of the attachment here.
    Attachment(String),
    /// The file name of the attachment.
    Filename(String),
    /// The address of the person mentioned.
    Mention(String),
    /// The target of a link.
    Link(String),
    /// A link that is shown as a card.
    RichLink,
    /// A result of the data detectors: an opaque archive.
    DataDetected(Vec<u8>),
    /// A one-time code.
    OneTimeCode(String),
    /// The transcript of an audio message.
    Transcription(String),
    /// The notice of an app, such as a closed activity ring.
    Breadcrumb(String),
    /// Bold text.
    Bold,
    /// An animation, by number.
    TextEffect(i64),
    /// The writing direction; -1 is natural.
    WritingDirection(i64),
    /// Name and text of any other attribute.
    Other(String, String),
}

impl Piece {
    /// Text in part 0.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            part: Some(0),
            attributes: Vec::new(),
        }
    }

    /// The placeholder of an attachment, in part 0.
    pub fn attachment(guid: impl Into<String>) -> Self {
        Self::text(ATTACHMENT).with(Attribute::Attachment(guid.into()))
    }

    /// Decodes an archive into pieces. Attributes that the decoder does not read are lost.
    pub fn read(archive: &[u8]) -> Result<Vec<Self>, attributed_body::DecodeError> {
        let body = attributed_body::decode(archive)?;
        let pieces = body.runs.iter().map(|run| {
            let owned = |text: &str| text.to_owned();
            let attributes = [
                run.attachment_guid.map(owned).map(Attribute::Attachment),
                run.mention.map(owned).map(Attribute::Mention),
                run.link.map(owned).map(Attribute::Link),
                run.one_time_code.map(owned).map(Attribute::OneTimeCode),
                run.transcription.map(owned).map(Attribute::Transcription),
                run.breadcrumb.map(owned).map(Attribute::Breadcrumb),
            ];
            Self {
                text: run.text.to_owned(),
                part: run.part,
                attributes: attributes.into_iter().flatten().collect(),
            }
        });
        Ok(pieces.collect())
    }

    /// Sets the number of the part.
    #[must_use]
    pub fn in_part(mut self, part: i64) -> Self {
        self.part = Some(part);
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }
}

/// Whether strings are archived in mutable classes. Real Macs write both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mutability {
    /// `NSAttributedString` over `NSString`
    #[default]
    Immutable,
    /// `NSMutableAttributedString` over `NSMutableString`
    Mutable,
}

/// Archives a message body.
pub fn attributed_body(pieces: &[Piece]) -> Vec<u8> {
    encode(pieces, Mutability::Immutable)
}

/// Archives a message body in the given classes.
pub fn encode(pieces: &[Piece], mutability: Mutability) -> Vec<u8> {
    let (attributed_string, string) = match mutability {
        Mutability::Immutable => (ClassName::AttributedString, ClassName::String),
        Mutability::Mutable => (ClassName::MutableAttributedString, ClassName::MutableString),
    };
    let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let mut archive = Archiver::new();
    archive.begin_group("@");
    archive.object(attributed_string, |archive| {
        archive.begin_group("@");
        archive.object(string, |archive| {
            archive.begin_group("+");
            archive.bytes(text.as_bytes());
        });
        let mut written: Vec<(Option<i64>, &[Attribute])> = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.text.is_empty()) {
            let attributes = (piece.part, piece.attributes.as_slice());
            let known = written.iter().position(|known| *known == attributes);
            let index = known.unwrap_or(written.len());
            archive.begin_group("iI");
            archive.signed(as_i64(index + 1));
            archive.unsigned(piece.text.encode_utf16().count() as u64);
            if known.is_none() {
                written.push(attributes);
                archive.begin_group("@");
                archive.object(ClassName::Dictionary, |archive| {
                    write_dictionary(archive, piece);
                });
            }
        }
    });
    archive.finish()
}

/// Writes the attributes of a piece: their count, and a key and a value for each.
fn write_dictionary(archive: &mut Archiver, piece: &Piece) {
    let part = usize::from(piece.part.is_some());
    archive.begin_group("i");
    archive.signed(as_i64(part + piece.attributes.len()));
    for attribute in &piece.attributes {
        write_attribute(archive, attribute);
    }
    if let Some(part) = piece.part {
        write_key(archive, PART);
        write_number(archive, part);
    }
}

fn write_attribute(archive: &mut Archiver, attribute: &Attribute) {
    write_key(archive, attribute_name(attribute));
    match attribute {
        Attribute::Attachment(text)
        | Attribute::Filename(text)
        | Attribute::Mention(text)
        | Attribute::Transcription(text)
        | Attribute::Breadcrumb(text)
        | Attribute::Other(_, text) => write_string(archive, text),
        Attribute::RichLink | Attribute::Bold => write_number(archive, 1),
        Attribute::TextEffect(value) | Attribute::WritingDirection(value) => {
            write_number(archive, *value);
        }
        Attribute::Link(url) => {
            archive.begin_group("@");
            archive.object(ClassName::Url, |archive| {
                archive.begin_group("c");
                archive.raw_byte(0);
                write_string(archive, url);
            });
        }
        Attribute::DataDetected(data) => {
            archive.begin_group("@");
            archive.object(ClassName::Data, |archive| {
                archive.begin_group("i");
                archive.signed(as_i64(data.len()));
                archive.begin_group(&format!("[{}c]", data.len()));
                archive.raw(data);
            });
        }
        Attribute::OneTimeCode(code) => {
            archive.begin_group("@");
            archive.object(ClassName::Dictionary, |archive| {
                archive.begin_group("i");
                archive.signed(2);
                for name in ["code", "displayCode"] {
                    write_key(archive, name);
                    write_string(archive, code);
                }
            });
        }
    }
}

fn attribute_name(attribute: &Attribute) -> &str {
    match attribute {
        Attribute::Attachment(_) => "__kIMFileTransferGUIDAttributeName",
        Attribute::Filename(_) => "__kIMFilenameAttributeName",
        Attribute::Mention(_) => "__kIMMentionConfirmedMention",
        Attribute::Link(_) => "__kIMLinkAttributeName",
        Attribute::RichLink => "__kIMLinkIsRichLinkAttributeName",
        Attribute::DataDetected(_) => "__kIMDataDetectedAttributeName",
        Attribute::OneTimeCode(_) => "__kIMOneTimeCodeAttributeName",
        Attribute::Transcription(_) => "IMAudioTranscription",
        Attribute::Breadcrumb(_) => "__kIMBreadcrumbTextMarkerAttributeName",
        Attribute::Bold => "__kIMTextBoldAttributeName",
        Attribute::TextEffect(_) => "__kIMTextEffectAttributeName",
        Attribute::WritingDirection(_) => "__kIMBaseWritingDirectionAttributeName",
        Attribute::Other(name, _) => name,
    }
}

/// Writes a key. Keys are constants in Messages, so the second use of a key refers to the first.
fn write_key(archive: &mut Archiver, name: &str) {
    archive.begin_group("@");
    archive.constant_string(name);
}

/// Writes a string object that nothing refers to later.
fn write_string(archive: &mut Archiver, text: &str) {
    archive.begin_group("@");
    archive.object(ClassName::String, |archive| {
        archive.begin_group("+");
        archive.bytes(text.as_bytes());
    });
}

fn write_number(archive: &mut Archiver, value: i64) {
    archive.begin_group("@");
    archive.number(value);
}

/// A count or index as the type that the archiver writes.
fn as_i64(count: usize) -> i64 {
    i64::try_from(count).expect("a count of values in memory fits an i64")
}
