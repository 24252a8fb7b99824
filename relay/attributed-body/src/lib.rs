//! Decoder for the `attributedBody` column of Messages' chat.db.
//!
//! The column holds an `NSAttributedString` in Apple's old *typedstream* archive format. [`decode`]
//! reads the text and, for each run of characters, the attributes that a relay needs: part numbers,
//! attachments, mentions, links, one-time codes, transcriptions. All strings borrow from the archive.
//!
//! The result is the whole text or an error, never a cut or repaired text. No input may cause a panic,
//! unbounded recursion, or a running time that is not proportional to the length of the input. The caller
//! decides whether to use the row's `text` column after an error.

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
/// Bytes after the attributed string are ignored. No known program writes such bytes.
pub fn decode(archive: &[u8]) -> Result<AttributedBody<'_>, DecodeError> {
    let mut unarchiver = Unarchiver::open(archive)?;
    let text = unarchiver.text()?;
    let runs = unarchiver.runs(text)?;
    Ok(AttributedBody { text, runs })
}

/// Decodes only the text. It succeeds for archives whose attributes [`decode`] refuses, such as attributes
/// that a later macOS writes in a new way.
pub fn decode_text(archive: &[u8]) -> Result<&str, DecodeError> {
    Unarchiver::open(archive)?.text()
}

/// A message's text and its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttributedBody<'a> {
    /// The archived text. U+FFFC is the placeholder of an attachment, U+FFFD that of an app's content.
    pub text: &'a str,
    /// Runs of equal attributes in the order of the text. Together they cover the text exactly.
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
    /// The length of the text in UTF-16 code units.
    pub utf16_len: u32,
    /// The number of the message part. Numbers of unsent parts are missing.
    pub part: Option<i64>,
    /// `attachment.guid` of the attachment whose placeholder this run is.
    pub attachment_guid: Option<&'a str>,
    /// Address of the person whom this run mentions.
    pub mention: Option<&'a str>,
    /// Target of the link, which may be a `tel:` or `mailto:` URL. A relative URL has no base.
    pub link: Option<&'a str>,
    /// A one-time code that Messages recognised.
    pub one_time_code: Option<&'a str>,
    /// Transcription of an audio message.
    pub transcription: Option<&'a str>,
    /// Text of an app's notice (a closed activity ring, a finished workout), with placeholders such
    /// as `$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier)`.
    pub breadcrumb: Option<&'a str>,
}
