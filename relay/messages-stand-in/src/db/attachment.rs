//! Attachment rows and their joins: they come after the message, and finish later still.

use rusqlite::params;

use super::ChatDb;
use crate::{Date, Error, schema};

const DESCRIPTION: &str = "emoji_image_short_description";

/// `attachment.transfer_state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TransferState {
    /// 0: not downloaded.
    Waiting,
    /// 3: on its way.
    Transferring,
    /// 5: the file is there.
    #[default]
    Finished,
    /// 6: failed.
    Failed,
    /// Any other.
    Code(i64),
}

impl TransferState {
    fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Transferring => 3,
            Self::Finished => 5,
            Self::Failed => 6,
            Self::Code(code) => code,
        }
    }
}

/// An attachment to be inserted.
#[derive(Clone, Debug, Default)]
pub struct Attachment {
    /// `at_<part>_<message guid>` or a plain UUID; made up if absent.
    pub guid: Option<String>,
    /// The file's name as the sender knows it.
    pub transfer_name: Option<String>,
    /// Where the file is; without it, in Messages' folder once the transfer is finished.
    pub filename: Option<String>,
    /// MIME type.
    pub mime_type: Option<String>,
    /// Uniform type identifier.
    pub uti: Option<String>,
    /// Size in bytes.
    pub total_bytes: i64,
    /// How far it has come.
    pub state: TransferState,
    /// 1 for stickers.
    pub is_sticker: i64,
    /// 1 for those that Messages hides, such as the payload of link previews.
    pub hide: i64,
    /// 1 for those that the owner sent.
    pub is_outgoing: i64,
    /// What was said in a voice message, in `user_info`.
    pub transcript: Option<String>,
    /// What a Genmoji or sticker shows, in `emoji_image_short_description`; left out where this
    /// macOS has no such column.
    pub description: Option<String>,
}

impl Attachment {
    /// A photograph.
    pub fn photo(name: impl Into<String>, total_bytes: i64) -> Self {
        Self {
            transfer_name: Some(name.into()),
            mime_type: Some("image/jpeg".to_owned()),
            uti: Some("public.jpeg".to_owned()),
            total_bytes,
            ..Self::default()
        }
    }

    /// A voice message.
    pub fn voice(total_bytes: i64) -> Self {
        Self {
            transfer_name: Some("Audio Message.caf".to_owned()),
            mime_type: Some("audio/x-caf".to_owned()),
            uti: Some("com.apple.coreaudio-format".to_owned()),
            total_bytes,
            ..Self::default()
        }
    }

    /// A Genmoji or sticker inside a text, with what it shows.
    pub fn genmoji(description: impl Into<String>) -> Self {
        Self {
            transfer_name: Some("Genmoji.heic".to_owned()),
            mime_type: Some("image/heic".to_owned()),
            uti: Some("public.heic".to_owned()),
            total_bytes: 9_000,
            description: Some(description.into()),
            ..Self::default()
        }
    }

    /// The same with a transcript.
    #[must_use]
    pub fn with_transcript(mut self, transcript: impl Into<String>) -> Self {
        self.transcript = Some(transcript.into());
        self
    }

    /// The same under a given guid.
    #[must_use]
    pub fn with_guid(mut self, guid: impl Into<String>) -> Self {
        self.guid = Some(guid.into());
        self
    }

    /// The same in another state.
    #[must_use]
    pub fn in_state(mut self, state: TransferState) -> Self {
        self.state = state;
        self
    }

    fn stored_path(&self, guid: &str) -> Option<String> {
        if self.filename.is_some() {
            return self.filename.clone();
        }
        let name = self.transfer_name.as_ref()?;
        // macOS spreads the folders over two levels of two hexadecimal digits.
        let digits: String = guid.chars().filter(char::is_ascii_hexdigit).collect();
        let (upper, lower) = (digits.get(..2)?, digits.get(2..4)?);
        let folder = format!("{}/{}", upper.to_lowercase(), lower.to_lowercase());
        (self.state == TransferState::Finished)
            .then(|| format!("~/Library/Messages/Attachments/{folder}/{guid}/{name}"))
    }
}

impl ChatDb {
    /// Inserts an attachment that no message holds yet; returns its ROWID.
    pub fn insert_attachment(&mut self, attachment: &Attachment, now: Date) -> Result<i64, Error> {
        let guid = attachment.guid.clone();
        let guid = guid.unwrap_or_else(|| self.next_guid());
        self.raw().execute(
            "insert into attachment (guid, original_guid, created_date, start_date, filename, uti,
                                     mime_type, transfer_state, is_outgoing, transfer_name,
                                     total_bytes, is_sticker, hide_attachment)
             values (?1, ?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                guid,
                // Seconds, unlike every date of a message.
                now.apple_secs(),
                attachment.stored_path(&guid),
                attachment.uti,
                attachment.mime_type,
                attachment.state.code(),
                attachment.is_outgoing,
                attachment.transfer_name,
                attachment.total_bytes,
                attachment.is_sticker,
                attachment.hide,
            ],
        )?;
        let rowid = self.raw().last_insert_rowid();
        if let Some(transcript) = &attachment.transcript {
            self.transcribe_attachment(rowid, transcript)?;
        }
        if let Some(description) = &attachment.description
            && schema::columns(self.style(), "attachment").contains(&DESCRIPTION)
        {
            let sql = format!("update attachment set {DESCRIPTION} = ?1 where ROWID = ?2");
            self.raw().execute(&sql, params![description, rowid])?;
        }
        Ok(rowid)
    }

    /// Sets a transcript in an attachment's `user_info`; Messages does so seconds after the message.
    pub fn transcribe_attachment(
        &mut self,
        attachment: i64,
        transcript: &str,
    ) -> Result<(), Error> {
        self.raw().execute(
            "update attachment set user_info = ?1 where ROWID = ?2",
            params![user_info(transcript)?, attachment],
        )?;
        Ok(())
    }

    /// The attachments of a message, in the order of their rows.
    pub fn attachments_of(&self, message: i64) -> Result<Vec<i64>, Error> {
        let mut query = self.raw().prepare_cached(
            "select attachment_id from message_attachment_join where message_id = ?1
             order by attachment_id",
        )?;
        let rowids = query.query_map([message], |row| row.get(0))?;
        Ok(rowids.collect::<Result<_, _>>()?)
    }

    /// Joins an attachment to its message.
    pub fn join_attachment(&mut self, message: i64, attachment: i64) -> Result<(), Error> {
        self.raw().execute(
            "insert into message_attachment_join (message_id, attachment_id) values (?1, ?2)",
            [message, attachment],
        )?;
        Ok(())
    }

    /// Inserts an attachment and joins it to a message; returns its ROWID.
    pub fn attach(
        &mut self,
        message: i64,
        attachment: &Attachment,
        now: Date,
    ) -> Result<i64, Error> {
        let rowid = self.insert_attachment(attachment, now)?;
        self.join_attachment(message, rowid)?;
        Ok(rowid)
    }

    /// The download is done: the state becomes 5 and the path appears.
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

/// `attachment.user_info` of a voice message: what the transfer needed, and what was said.
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
