//! Converts values of a script to values of columns.

use rusqlite::types::Value;

use super::Player;
use super::balloons::has_app_content;
use crate::script::{Cell, MessageStep, Stored};
use crate::typedstream::APP;
use crate::{Attribute, Body, Error, Piece, Style, Summary, attributed_body};

impl Player {
    /// The value to store for a cell of the script: a guid has the salt of this play, and a time is in the unit
    /// of the database.
    pub(super) fn value(&self, cell: Cell) -> Result<Value, Error> {
        Ok(match cell {
            Cell::Null => Value::Null,
            Cell::Int(int) => int.into(),
            Cell::Real(real) => real.into(),
            Cell::Text(text) => self.guid_salt.salted(text).into(),
            Cell::Hex { hex } => {
                let bytes = hex::decode(&hex).map_err(|_| Error::NotHex(hex))?;
                bytes.into()
            }
            Cell::Zeros { zeros } => vec![0; zeros].into(),
            Cell::Guid { guid_of, prefix } => format!("{prefix}{}", self.guid(&guid_of)?).into(),
            Cell::At { at } => self.db.stored_date(self.start.offset(at)).into(),
        })
    }

    /// The final body of a message, after all delayed writes.
    pub(super) fn body(&self, message: &MessageStep) -> Result<Body, Error> {
        if let Some(archive) = &message.archive {
            let archive = match self.value(archive.clone())? {
                Value::Blob(archive) => archive,
                // Only bytes can be an archive. Any other value stands for an empty one.
                _ => Vec::new(),
            };
            let text = message.text.clone();
            return Ok(Body::Archive { archive, text });
        }
        let pieces = self.pieces(message);
        if pieces.is_empty() {
            return Ok(Body::Empty);
        }
        let text = || pieces.iter().map(|piece| piece.text.as_str()).collect();
        let in_both_columns = match message.stored {
            Stored::Empty => return Ok(Body::Empty),
            Stored::Text => return Ok(Body::Text(text())),
            Stored::Usual => self.db.style() < Style::Ventura,
            Stored::Attributed => false,
            Stored::Both => true,
        };
        Ok(Body::Archive {
            archive: attributed_body(&pieces),
            text: in_both_columns.then(text),
        })
    }

    /// The runs of the step. A step without runs has its text in part 0 and each attachment in a part of its own.
    fn pieces(&self, message: &MessageStep) -> Vec<Piece> {
        if !message.runs.is_empty() {
            return self.salted_runs(message.runs.clone());
        }
        let text = message.text.iter().map(Piece::text);
        let first_part = i64::from(message.text.is_some());
        // The hidden files of link previews have no placeholder in the text.
        let files = message.attachments.iter().filter(|file| file.hidden == 0);
        let placeholders = (first_part..).zip(files).map(|(part, file)| {
            Piece::attachment(self.guid_salt.attachment_guid(&file.guid)).in_part(part)
        });
        let pieces: Vec<Piece> = text.chain(placeholders).collect();
        if pieces.is_empty() && has_app_content(message) {
            return vec![Piece::text(APP)];
        }
        pieces
    }

    /// The runs with the salt applied to the guids of their attachments.
    fn salted_runs(&self, mut pieces: Vec<Piece>) -> Vec<Piece> {
        let attributes = pieces.iter_mut().flat_map(|piece| &mut piece.attributes);
        for attribute in attributes {
            if let Attribute::Attachment(guid) = attribute {
                *guid = self.guid_salt.attachment_guid(guid);
            }
        }
        pieces
    }

    /// The edit history with the salt applied to the guids of attachments and notices.
    pub(super) fn salted_summary(&self, mut summary: Summary) -> Summary {
        let editions = summary.history.iter_mut();
        for edition in editions.flat_map(|history| &mut history.editions) {
            edition.runs = self.salted_runs(std::mem::take(&mut edition.runs));
            edition.notice = edition
                .notice
                .take()
                .map(|guid| self.guid_salt.salted(guid));
        }
        summary
    }
}

/// The style id of an effect, for which a script may give a short name.
pub(super) fn effect_style_id(name: &str) -> String {
    match name {
        "impact" | "loud" | "gentle" | "invisibleink" => {
            format!("com.apple.MobileSMS.expressivesend.{name}")
        }
        name if name.starts_with("CK") => format!("com.apple.messages.effect.{name}"),
        style_id => style_id.to_owned(),
    }
}
