//! The `attachment` table.

use rusqlite::Row as Columns;
use shared_protocol::AttachmentState;

use super::value::{flag, integer, text};
use crate::schema::Schema;

const COLUMNS: [&str; 9] = [
    "ROWID",
    "guid",
    "mime_type",
    "transfer_name",
    "filename",
    "total_bytes",
    "transfer_state",
    "is_sticker",
    "hide_attachment",
];

/// A file that hangs on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRow {
    /// `attachment.guid`; its form varies, so it is only ever compared whole.
    pub guid: String,
    /// MIME type.
    pub mime_type: Option<String>,
    /// Name without folder.
    pub name: Option<String>,
    /// Size in bytes, once known.
    pub size_bytes: Option<u64>,
    /// How far the transfer has come.
    pub state: AttachmentState,
    /// Whether it is a sticker.
    pub is_sticker: bool,
    /// Whether it is not a file that a person sent: preview images and other payload of balloons.
    pub is_hidden: bool,
}

pub(super) fn select_list(schema: &Schema) -> String {
    schema.list("attachment", "a", &COLUMNS)
}

pub(super) fn read(row: &Columns<'_>) -> rusqlite::Result<Option<AttachmentRow>> {
    let Some(guid) = text(row, 1)? else {
        return Ok(None);
    };
    let last_part = |path: String| {
        let name = path.rsplit('/').next().map(str::to_owned);
        name.filter(|name| !name.is_empty())
    };
    let name = text(row, 3)?
        .and_then(last_part)
        .or(text(row, 4)?.and_then(last_part));
    let payload = name
        .as_deref()
        .is_some_and(|name| name.ends_with(".pluginPayloadAttachment"));
    Ok(Some(AttachmentRow {
        guid,
        mime_type: text(row, 2)?,
        size_bytes: u64::try_from(integer(row, 5)?)
            .ok()
            .filter(|bytes| *bytes > 0),
        state: state(integer(row, 6)?),
        is_sticker: flag(row, 7)?,
        is_hidden: payload || flag(row, 8)?,
        name,
    }))
}

/// -1 archiving, 0 waiting, 1 accepted, 2 preparing, 3 transferring, 4 finalizing, 5 finished (on
/// disk), 6 error, 7 recoverable error.
fn state(transfer_state: i64) -> AttachmentState {
    match transfer_state {
        1..=4 => AttachmentState::Transferring,
        -1 | 5 => AttachmentState::Finished,
        6 => AttachmentState::Failed,
        _ => AttachmentState::Waiting,
    }
}
