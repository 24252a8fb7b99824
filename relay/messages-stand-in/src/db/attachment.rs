//! Attachment rows and their joins: they come after the message, and finish later still.

use rusqlite::params;

use super::ChatDb;
use crate::{Date, Error};

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
        Ok(self.raw().last_insert_rowid())
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
