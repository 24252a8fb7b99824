//! Attachment rows and their joins. Messages writes them after the message row, and finishes downloads
//! later.

use rusqlite::params;

use super::ChatDb;
use crate::{Attachment, Date, Error, TransferState, schema};

const DESCRIPTION_COLUMN: &str = "emoji_image_short_description";

impl ChatDb {
    /// Inserts an attachment that is not joined to a message yet; `from_me` says whether the owner sent it.
    /// Returns its ROWID.
    pub fn insert_attachment(
        &mut self,
        attachment: &Attachment,
        from_me: bool,
        now: Date,
    ) -> Result<i64, Error> {
        let guid = match attachment.guid.as_str() {
            "" => self.next_guid(),
            guid => guid.to_owned(),
        };
        self.raw().execute(
            "insert into attachment (guid, original_guid, created_date, start_date, filename, uti,
                                     mime_type, transfer_state, is_outgoing, transfer_name,
                                     total_bytes, is_sticker, hide_attachment)
             values (?1, ?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                guid,
                // Dates of attachments are in seconds, unlike dates of messages.
                now.apple_secs(),
                stored_path(attachment, &guid),
                attachment.uti,
                attachment.mime_type,
                attachment.state.0,
                from_me,
                attachment.name,
                attachment.bytes,
                attachment.sticker,
                attachment.hidden,
            ],
        )?;
        let rowid = self.raw().last_insert_rowid();
        if let Some(transcript) = &attachment.transcript {
            self.transcribe_attachment(rowid, transcript)?;
        }
        if let Some(description) = &attachment.description
            && schema::columns(self.style(), "attachment").contains(&DESCRIPTION_COLUMN)
        {
            self.set_value("attachment", rowid, DESCRIPTION_COLUMN, description)?;
        }
        Ok(rowid)
    }

    /// Sets a transcript in an attachment's `user_info`. Messages does this seconds after it wrote the message.
    pub fn transcribe_attachment(
        &mut self,
        attachment: i64,
        transcript: &str,
    ) -> Result<(), Error> {
        let user_info = user_info(transcript)?;
        self.set_value("attachment", attachment, "user_info", user_info)
    }

    /// The ROWIDs of the message's attachments.
    pub fn attachments_of(&self, message: i64) -> Result<Vec<i64>, Error> {
        let mut query = self.raw().prepare_cached(
            "select attachment_id from message_attachment_join where message_id = ?1
             order by attachment_id",
        )?;
        let rowids = query.query_map([message], |row| row.get(0))?;
        Ok(rowids.collect::<Result<_, _>>()?)
    }

    pub fn join_attachment(&mut self, message: i64, attachment: i64) -> Result<(), Error> {
        self.raw().execute(
            "insert into message_attachment_join (message_id, attachment_id) values (?1, ?2)",
            [message, attachment],
        )?;
        Ok(())
    }

    /// Inserts an attachment and joins it to a message. Returns its ROWID.
    pub fn attach(
        &mut self,
        message: i64,
        attachment: &Attachment,
        now: Date,
    ) -> Result<i64, Error> {
        let from_me = self.message_column(message, "is_from_me")?;
        let rowid = self.insert_attachment(attachment, from_me, now)?;
        self.join_attachment(message, rowid)?;
        Ok(rowid)
    }

    /// Finishes a download: sets the state to [`TransferState::FINISHED`], the size, and the path if the row has
    /// none.
    pub fn finish_attachment(&mut self, attachment: i64, total_bytes: i64) -> Result<(), Error> {
        self.raw().execute(
            "update attachment set transfer_state = 5, total_bytes = ?2, filename = coalesce(
               filename,
               '~/Library/Messages/Attachments/00/00/' || guid || '/'
                 || coalesce(transfer_name, 'attachment'))
             where ROWID = ?1",
            [attachment, total_bytes],
        )?;
        Ok(())
    }
}

/// The path of a finished file in Messages' folder. A file that is not finished, or has no name, has no
/// path.
fn stored_path(attachment: &Attachment, guid: &str) -> Option<String> {
    let name = attachment.name.as_ref()?;
    // macOS spreads the folders over two levels of two hexadecimal digits.
    let digits: String = guid.chars().filter(char::is_ascii_hexdigit).collect();
    let (upper, lower) = (digits.get(..2)?, digits.get(2..4)?);
    let folder = format!("{}/{}", upper.to_lowercase(), lower.to_lowercase());
    (attachment.state == TransferState::FINISHED)
        .then(|| format!("~/Library/Messages/Attachments/{folder}/{guid}/{name}"))
}

/// The value of `attachment.user_info` for a voice message: facts of the transfer, and the transcript.
fn user_info(transcript: &str) -> Result<Vec<u8>, Error> {
    let text = |text: &str| plist::Value::String(text.to_owned());
    let entries = [
        ("file-size", text("20480")),
        ("uti-type", text("com.apple.coreaudio-format")),
        ("audio-transcription", text(transcript)),
    ];
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    let mut bytes = Vec::new();
    plist::Value::Dictionary(entries.into_iter().collect()).to_writer_binary(&mut bytes)?;
    Ok(bytes)
}
