//! The text of a message, with the attachments, mentions and transcripts marked in it.

use std::collections::HashSet;

use attributed_body::{Run, decode, decode_text};
use shared_protocol::MAX_ATTACHMENTS;

use super::transcript;

/// Most marked runs that are read; no message has as many attachments and mentions.
const MAX_MARKED_RUNS: usize = 1_000;

/// The decoded `attributedBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The column is NULL or empty.
    #[default]
    Absent,
    /// The decoded column.
    Text {
        /// The text with the placeholders of attachments.
        text: String,
        /// The marked runs, in the order of the text.
        runs: Vec<BodyRun>,
    },
    /// The column cannot be decoded; the column `text` is used instead.
    Unreadable,
}

/// A run of a body that has a mark: it names an attachment, mentions a person or has a transcript. A mark that
/// an earlier run already has is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyRun {
    /// The number of the part of the message in which the run is.
    pub part: Option<i64>,
    /// `attachment.guid` of the placeholder in this run.
    pub attachment_guid: Option<String>,
    /// Address of the person who is mentioned.
    pub mention: Option<String>,
    /// Transcript of the voice message, cut to the length that the backend accepts.
    pub transcript: Option<String>,
}

impl Body {
    pub(super) fn read(archive: Option<&[u8]>) -> Self {
        let Some(archive) = archive else {
            return Self::Absent;
        };
        match decode(archive) {
            Ok(body) => Self::Text {
                text: body.text.to_owned(),
                runs: marked_runs(&body.runs),
            },
            // The text is kept even if a later macOS writes an attribute in a new way.
            Err(_) => decode_text(archive).map_or(Self::Unreadable, |text| Self::Text {
                text: text.to_owned(),
                runs: Vec::new(),
            }),
        }
    }

    /// The decoded text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            Self::Absent | Self::Unreadable => None,
        }
    }

    /// The marked runs.
    pub fn runs(&self) -> &[BodyRun] {
        match self {
            Self::Text { runs, .. } => runs,
            Self::Absent | Self::Unreadable => &[],
        }
    }

    /// Guids of the attachments that the text names.
    pub fn attachment_guids(&self) -> impl Iterator<Item = &str> {
        let runs = self.runs().iter();
        runs.filter_map(|run| run.attachment_guid.as_deref())
    }
}

/// The runs with a mark that no earlier run has.
fn marked_runs(runs: &[Run<'_>]) -> Vec<BodyRun> {
    let (mut attachments, mut mentions) = (Marks::default(), Marks::default());
    let mut transcripts = Marks::default();
    let mut transcripts_left = MAX_ATTACHMENTS;
    let mut body_runs = Vec::new();
    for run in runs {
        if body_runs.len() == MAX_MARKED_RUNS {
            break;
        }
        let attachment = attachments.insert_new(run.attachment_guid);
        let mention = mentions.insert_new(run.mention);
        // Two voice messages may have the same transcript, so the transcript of a new attachment always counts
        // as new.
        let transcript = match run.attachment_guid {
            Some(_) => run.transcription.filter(|_| attachment.is_some()),
            None => transcripts.insert_new(run.transcription),
        };
        let transcript = transcript.filter(|_| transcripts_left > 0);
        transcripts_left -= usize::from(transcript.is_some());
        if attachment.is_some() || mention.is_some() || transcript.is_some() {
            body_runs.push(BodyRun {
                part: run.part,
                attachment_guid: attachment.map(str::to_owned),
                mention: mention.map(str::to_owned),
                transcript: transcript.and_then(transcript::clipped),
            });
        }
    }
    body_runs
}

/// Marks of one kind, such as mentions, that were found so far. Runs share their attributes, so one long mark can belong
/// to a hundred thousand runs. Such a mark is recognised by its position in the archive, and hashed once.
#[derive(Default)]
struct Marks<'a> {
    /// The addresses in memory and the lengths of the marks.
    places: HashSet<(*const u8, usize)>,
    texts: HashSet<&'a str>,
}

impl<'a> Marks<'a> {
    /// Remembers `mark`; returns it if it is found for the first time.
    fn insert_new(&mut self, mark: Option<&'a str>) -> Option<&'a str> {
        let mark = mark.filter(|mark| !mark.is_empty())?;
        let is_new = self.places.insert((mark.as_ptr(), mark.len())) && self.texts.insert(mark);
        is_new.then_some(mark)
    }
}
