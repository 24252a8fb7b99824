//! Decoder for the `attributedBody` column of Messages' chat.db.
//!
//! The column holds an `NSAttributedString` in Apple's old *typedstream* archive format. [`decode`]
//! reads the text and, per run of characters, the attributes that a relay needs: part numbers,
//! attachments, mentions, links, one-time codes, transcriptions. Everything borrows from the archive.
//!
//! What must stay true: the text comes out whole or as a typed error, never cut, repaired or
//! replaced; no input makes this crate panic, recurse without bound, or work longer than in
//! proportion to its length. Falling back to the row's `text` column is left to the caller.

#![forbid(unsafe_code)]

mod error;
mod runs;
mod skip;
mod stream;
mod unarchiver;

use std::borrow::Cow;

pub use error::DecodeError;

use unarchiver::Unarchiver;

/// Decodes an archive.
///
/// Bytes after the attributed string are ignored: nothing is known to write any, and the text before
/// them is whole.
pub fn decode(archive: &[u8]) -> Result<AttributedBody<'_>, DecodeError> {
    let mut unarchiver = Unarchiver::open(archive)?;
    let text = unarchiver.text()?;
    let runs = unarchiver.runs(text)?;
    Ok(AttributedBody { text, runs })
}

/// Decodes only the text, for archives whose attributes [`decode`] refuses: a message must not be
/// lost over an attribute that a later macOS writes in a new way.
pub fn decode_text(archive: &[u8]) -> Result<&str, DecodeError> {
    Unarchiver::open(archive)?.text()
}

/// A message's text and its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttributedBody<'a> {
    /// The text as archived, with U+FFFC where an attachment stands and U+FFFD where an app does.
    pub text: &'a str,
    /// Runs of equal attributes, in the order of the text; together they cover it exactly.
    pub runs: Vec<Run<'a>>,
}

impl<'a> AttributedBody<'a> {
    /// The text without the placeholders of attachments and apps.
    pub fn plain_text(&self) -> Cow<'a, str> {
        const PLACEHOLDERS: [char; 2] = ['\u{FFFC}', '\u{FFFD}'];
        if self.text.contains(PLACEHOLDERS) {
            Cow::Owned(self.text.replace(PLACEHOLDERS, ""))
        } else {
            Cow::Borrowed(self.text)
        }
    }
}

/// A stretch of text whose characters share their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Run<'a> {
    /// The characters.
    pub text: &'a str,
    /// Their number in UTF-16 code units, as chat.db counts.
    pub utf16_len: u32,
    /// Which part of the message this is. Numbers that are missing belong to parts taken back.
    pub part: Option<i64>,
    /// `attachment.guid` of the attachment that this U+FFFC stands for.
    pub attachment_guid: Option<&'a str>,
    /// Address of the person mentioned here.
    pub mention: Option<&'a str>,
    /// Target of the link; also `tel:` and `mailto:`. Without the base, if it is relative.
    pub link: Option<&'a str>,
    /// A one-time code that Messages recognised.
    pub one_time_code: Option<&'a str>,
    /// Transcription of an audio message.
    pub transcription: Option<&'a str>,
    /// Text of an app's notice (a closed activity ring, a finished workout), with placeholders such
    /// as `$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier)`.
    pub breadcrumb: Option<&'a str>,
}
