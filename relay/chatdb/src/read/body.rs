//! The text of a message and what is marked in it.

use attributed_body::{decode, decode_text};

/// The decoded `attributedBody`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// The column is NULL or empty.
    #[default]
    Absent,
    /// It was decoded.
    Text {
        /// The text with its placeholders.
        text: String,
        /// What is marked in it.
        runs: Vec<BodyRun>,
    },
    /// It cannot be decoded; the text column has to serve.
    Unreadable,
}

/// One run of a body, reduced to what a relay needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyRun {
    /// Part number.
    pub part: Option<i64>,
    /// `attachment.guid` of the placeholder in this run.
    pub attachment_guid: Option<String>,
}

impl Body {
    pub(super) fn read(archive: Option<&[u8]>) -> Self {
        let Some(archive) = archive else {
            return Self::Absent;
        };
        match decode(archive) {
            Ok(body) => Self::Text {
                text: body.text.to_owned(),
                runs: body
                    .runs
                    .iter()
                    .map(|run| BodyRun {
                        part: run.part,
                        attachment_guid: run.attachment_guid.map(str::to_owned),
                    })
                    .collect(),
            },
            // A text is not lost over an attribute that a later macOS writes in a new way.
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

    /// Guids of the attachments that the text names.
    pub fn attachment_guids(&self) -> impl Iterator<Item = &str> {
        let runs = match self {
            Self::Text { runs, .. } => runs.as_slice(),
            Self::Absent | Self::Unreadable => &[],
        };
        runs.iter().filter_map(|run| run.attachment_guid.as_deref())
    }
}
