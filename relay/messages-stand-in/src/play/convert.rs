//! From the words of a script to what the rows hold.

use rusqlite::types::Value;

use super::balloons::stands_for_an_app;
use super::{PlayError, Player};
use crate::script::{AttachmentSpec, Cell, EditionSpec, MessageStep, RunSpec, Stored, SummarySpec};
use crate::typedstream::{APP, Piece};
use crate::{Attachment, Attribute, Body, Edition, Summary, TransferState, attributed_body};

impl Player {
    pub(super) fn value(&self, cell: Cell) -> Result<Value, PlayError> {
        Ok(match cell {
            Cell::Null => Value::Null,
            Cell::Int(int) => int.into(),
            Cell::Real(real) => real.into(),
            Cell::Text(text) => self.salt.as_salted(text).into(),
            Cell::Hex { hex } => bytes(&hex)?.into(),
            Cell::Zeros { zeros } => vec![0; zeros].into(),
            Cell::Guid { guid_of, prefix } => format!("{prefix}{}", self.guid(&guid_of)?).into(),
            Cell::At { at } => self.db.stored_date(self.start.offset(at)).into(),
        })
    }

    /// The body that a message has in the end, and the attachments in it.
    pub(super) fn body(&self, message: &MessageStep) -> Result<Body, PlayError> {
        let pieces = self.pieces(message);
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        if let Some(archive) = &message.archive {
            let archive = match self.value(archive.clone())? {
                Value::Blob(archive) => archive,
                _ => Vec::new(),
            };
            let text = message.text.clone();
            return Ok(Body::Archive { archive, text });
        }
        if pieces.is_empty() {
            return Ok(Body::Empty);
        }
        let archive = || attributed_body(&pieces);
        let usual = match self.db.body_columns(&Body::Usual(String::new())) {
            [(_, Value::Null), _] => Stored::Attributed,
            _ => Stored::Both,
        };
        let stored = match message.stored {
            Stored::Usual => usual,
            other => other,
        };
        Ok(match stored {
            Stored::Empty => Body::Empty,
            Stored::Text => Body::Text(text),
            Stored::Both => Body::Archive {
                archive: archive(),
                text: Some(text),
            },
            Stored::Usual | Stored::Attributed => Body::Archive {
                archive: archive(),
                text: None,
            },
        })
    }

    /// Runs as given, or the text in part 0 and each attachment in a part after it.
    fn pieces(&self, message: &MessageStep) -> Vec<Piece> {
        if !message.runs.is_empty() {
            return message.runs.iter().map(|run| self.piece(run)).collect();
        }
        let text = message.text.iter().map(Piece::text);
        let first = i64::from(message.text.is_some());
        // The parts of link previews have no place in the text.
        let files = message.attachments.iter().filter(|file| file.hidden == 0);
        let places = (first..).zip(files).map(|(part, file)| {
            Piece::attachment(self.salt.attachment_guid(&file.guid)).in_part(part)
        });
        let pieces: Vec<Piece> = text.chain(places).collect();
        if pieces.is_empty() && stands_for_an_app(message) {
            return vec![Piece::text(APP)];
        }
        pieces
    }

    fn piece(&self, run: &RunSpec) -> Piece {
        let attributes = run.attributes.iter().map(|attribute| match attribute {
            Attribute::Attachment(guid) => Attribute::Attachment(self.salt.attachment_guid(guid)),
            other => other.clone(),
        });
        Piece {
            text: run.text.clone(),
            part: run.part,
            attributes: attributes.collect(),
        }
    }

    pub(super) fn attachment(&self, spec: &AttachmentSpec, from_me: i64) -> Attachment {
        Attachment {
            guid: Some(self.salt.attachment_guid(&spec.guid)),
            transfer_name: spec.name.clone(),
            filename: None,
            mime_type: spec.mime_type.clone(),
            uti: spec.uti.clone(),
            total_bytes: spec.bytes,
            state: spec
                .state
                .map_or(TransferState::Finished, |code| match code {
                    5 => TransferState::Finished,
                    code => TransferState::Code(code),
                }),
            is_sticker: spec.sticker,
            hide: spec.hidden,
            is_outgoing: from_me,
            transcript: spec.transcript.clone(),
            description: spec.description.clone(),
        }
    }

    pub(super) fn summary(&self, spec: &SummarySpec) -> Result<Summary, PlayError> {
        let mut summary = Summary {
            edited_parts: spec.edited.iter().copied().collect(),
            original_ranges: spec
                .ranges
                .iter()
                .map(|(part, location, length)| (*part, (*location, *length)))
                .collect(),
            unsent_parts: spec.unsent.iter().copied().collect(),
            ..Summary::default()
        };
        for history in &spec.history {
            let editions = history.editions.iter().map(|spec| self.edition(spec));
            let editions = editions.collect::<Result<_, _>>()?;
            summary.history.insert(history.part, editions);
        }
        Ok(summary)
    }

    fn edition(&self, spec: &EditionSpec) -> Result<Edition, PlayError> {
        let pieces: Vec<Piece> = spec.runs.iter().map(|run| self.piece(run)).collect();
        let secs = spec.secs.parse();
        Ok(Edition {
            archive: attributed_body(&pieces),
            secs: secs.map_err(|_| PlayError::NotSeconds(spec.secs.clone()))?,
            compatibility_guid: spec.told_by.clone().map(|guid| self.salt.as_salted(guid)),
        })
    }
}

pub(super) fn effect(name: &str) -> String {
    match name {
        "impact" | "loud" | "gentle" | "invisibleink" => {
            format!("com.apple.MobileSMS.expressivesend.{name}")
        }
        screen if screen.starts_with("CK") => format!("com.apple.messages.effect.{screen}"),
        whole => whole.to_owned(),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, PlayError> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()),
        _ => Err(PlayError::NotHex(hex.to_owned())),
    }
}
