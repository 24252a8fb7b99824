//! Edits and unsends: the row keeps its ROWID, and `message_summary_info` gets the history.

use std::collections::BTreeSet;

use rusqlite::params;

use super::ChatDb;
use crate::script::EditDate;
use crate::{Date, Edit, Edition, Error, PartCount, Piece, Style, Summary, attributed_body};

impl ChatDb {
    /// Edits part 0 of a message.
    pub fn edit(&mut self, message: i64, text: &str, now: Date) -> Result<(), Error> {
        self.rewrite(message, &Edit::new(text), now)
    }

    /// Edits the part of a message that `edit` names. Other parts stay unchanged.
    pub fn rewrite(&mut self, message: i64, edit: &Edit, now: Date) -> Result<(), Error> {
        self.requires(Style::Ventura, "edits")?;
        let before = self.pieces(message)?;
        let mut summary = self.summary(message)?;
        summary.keep_original_ranges(&before);
        let rewritten = || Piece::text(edit.text.as_str()).in_part(edit.part);
        let in_part = |piece: &Piece| piece.part == Some(edit.part);
        let index = before.iter().position(in_part).unwrap_or(before.len());
        let (of_part, mut after): (Vec<_>, Vec<_>) = before.into_iter().partition(in_part);
        after.insert(index, rewritten());
        let history = summary.editions_of(edit.part);
        if history.is_empty() {
            let date = self.message_column::<Option<i64>>(message, "date")?;
            history.push(Edition {
                secs: Date::from_apple_nanos(date.unwrap_or_default()).apple_secs_f64(),
                runs: of_part,
                notice: None,
            });
        }
        history.push(Edition {
            secs: now.apple_secs_f64(),
            runs: vec![rewritten()],
            notice: edit.notice.clone().map(|label| label.0),
        });
        summary.edited.insert(edit.part);
        self.raw().execute(
            "update message set text = null, attributedBody = ?1, message_summary_info = ?2
             where ROWID = ?3",
            params![attributed_body(&after), summary.to_plist()?, message],
        )?;
        if edit.date == EditDate::Dated {
            self.set_column(message, "date_edited", self.stored_date(now))?;
        }
        Ok(())
    }

    /// Unsends parts of a message; all of them if `parts` is empty.
    pub fn unsend(&mut self, message: i64, parts: &[i64], now: Date) -> Result<(), Error> {
        self.take_back(message, parts, PartCount::Left, now)
    }

    /// Unsends parts of a message as [`Self::unsend`] does, with a choice of what `part_count` counts
    /// afterwards.
    pub fn take_back(
        &mut self,
        message: i64,
        parts: &[i64],
        part_count: PartCount,
        now: Date,
    ) -> Result<(), Error> {
        self.requires(Style::Ventura, "unsends")?;
        let before = self.pieces(message)?;
        let mut summary = self.summary(message)?;
        summary.keep_original_ranges(&before);
        let (unsent, remaining): (Vec<Piece>, Vec<Piece>) = before.into_iter().partition(|piece| {
            parts.is_empty() || piece.part.is_some_and(|part| parts.contains(&part))
        });
        summary
            .unsent
            .extend(unsent.iter().filter_map(|piece| piece.part));
        summary.unsent.extend(parts);
        // A body without numbered parts counts as part 0.
        if summary.unsent.is_empty() {
            summary.unsent.insert(0);
        }
        // Since macOS 26 an unsend sets `date_edited`, before that `date_retracted`.
        let date_column = if self.style() >= Style::Tahoe {
            "date_edited"
        } else {
            "date_retracted"
        };
        let remaining_parts: BTreeSet<i64> =
            remaining.iter().filter_map(|piece| piece.part).collect();
        let count = match part_count {
            PartCount::Left => Some(i64::try_from(remaining_parts.len()).unwrap_or(i64::MAX)),
            PartCount::Sent => None,
        };
        let archive = (!remaining.is_empty()).then(|| attributed_body(&remaining));
        let sql = format!(
            "update message set text = null, attributedBody = ?1, message_summary_info = ?2,
                                part_count = coalesce(?3, part_count), is_empty = ?4, {date_column} = ?5
             where ROWID = ?6"
        );
        self.raw().execute(
            &sql,
            params![
                archive,
                summary.to_plist()?,
                count,
                remaining.is_empty(),
                self.stored_date(now),
                message
            ],
        )?;
        Ok(())
    }

    /// The text of a message, placeholders included: from `attributedBody`, or else from `text`.
    pub fn text_of(&self, message: i64) -> Result<String, Error> {
        let pieces = self.pieces(message)?;
        Ok(pieces.into_iter().map(|piece| piece.text).collect())
    }

    /// The pieces of a body. A row with only a `text` is one piece in part 0.
    pub(super) fn pieces(&self, message: i64) -> Result<Vec<Piece>, Error> {
        let archive: Option<Vec<u8>> = self.message_column(message, "attributedBody")?;
        let Some(archive) = archive else {
            let text: Option<String> = self.message_column(message, "text")?;
            return Ok(text.map(Piece::text).into_iter().collect());
        };
        Ok(Piece::read(&archive)?)
    }

    /// The edit history of a message; an empty one if it has none.
    fn summary(&self, message: i64) -> Result<Summary, Error> {
        let plist: Option<Vec<u8>> = self.message_column(message, "message_summary_info")?;
        match plist {
            Some(plist) => Ok(Summary::from_plist(&plist)?),
            None => Ok(Summary::default()),
        }
    }
}
