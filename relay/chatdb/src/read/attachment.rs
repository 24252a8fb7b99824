//! The `attachment` table.

use rusqlite::Row as SqlRow;
use shared_protocol::AttachmentState;

use super::transcript::{self, MAX_USER_INFO_BYTES};
use super::value::{bytes, flag, integer, text};
use crate::schema::Schema;

const COLUMNS: &str = "ROWID, guid, mime_type, transfer_name, filename, total_bytes, transfer_state, \
    is_sticker, hide_attachment, emoji_image_short_description";

/// An attachment of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachmentRow {
    /// `attachment.guid`. Its form varies, so it is compared as a whole and not parsed.
    pub guid: String,
    /// The MIME type.
    pub mime_type: Option<String>,
    /// File name without folder.
    pub name: Option<String>,
    /// Size in bytes, once known.
    pub size_bytes: Option<u64>,
    /// The state of the transfer.
    pub state: AttachmentState,
    /// Whether the file is a sticker.
    pub is_sticker: bool,
    /// Whether the file is a preview image or another part of a balloon, and not a file that a person sent.
    pub is_hidden: bool,
    /// Description of a Genmoji or a sticker.
    pub description: Option<String>,
    /// Transcript of a voice message, once Messages has written it to this table.
    pub transcript: Option<String>,
}

/// The columns from which [`read`] makes an [`AttachmentRow`].
pub(super) fn select_list(schema: &Schema) -> String {
    let user_info = schema.column("attachment", "a", "user_info");
    format!(
        "{}, case when octet_length({user_info}) <= {MAX_USER_INFO_BYTES} then {user_info} end as user_info",
        schema.list("attachment", "a", COLUMNS)
    )
}

/// An SQL expression for a text that changes whenever Messages changes the attachment. A column without a value adds
/// nothing to the text: so a column that a later release adds changes the digests of only those rows that have a value
/// in it.
pub(super) fn digest_expression(schema: &Schema) -> String {
    let column = |name| schema.column("attachment", "a", name);
    let length = |prefix: char, name| {
        let column = column(name);
        format!(
            "case when octet_length({column}) > 0 then '{prefix}' || octet_length({column}) else '' end"
        )
    };
    format!(
        "a.ROWID || ':' || coalesce({}, 0) || ':' || coalesce({}, 0) || {} || {}",
        column("transfer_state"),
        column("total_bytes"),
        length('u', "user_info"),
        length('d', "emoji_image_short_description"),
    )
}

/// The attachment in a row that was selected by [`select_list`]; `None` if it has no guid.
pub(super) fn read(row: &SqlRow<'_>) -> rusqlite::Result<Option<AttachmentRow>> {
    let Some(guid) = text(row, "guid")? else {
        return Ok(None);
    };
    let last_part = |path: String| {
        let name = path.rsplit('/').next().map(str::to_owned);
        name.filter(|name| !name.is_empty())
    };
    let name = text(row, "transfer_name")?
        .and_then(last_part)
        .or(text(row, "filename")?.and_then(last_part));
    let is_payload = name
        .as_deref()
        .is_some_and(|name| name.ends_with(".pluginPayloadAttachment"));
    Ok(Some(AttachmentRow {
        guid,
        mime_type: text(row, "mime_type")?,
        size_bytes: u64::try_from(integer(row, "total_bytes")?)
            .ok()
            .filter(|bytes| *bytes > 0),
        state: state(integer(row, "transfer_state")?),
        is_sticker: flag(row, "is_sticker")?,
        is_hidden: is_payload || flag(row, "hide_attachment")?,
        description: text(row, "emoji_image_short_description")?
            .filter(|description| !description.trim().is_empty()),
        transcript: transcript::of_user_info(bytes(row, "user_info")?),
        name,
    }))
}

/// The state for the column `transfer_state`: -1 archiving, 0 waiting, 1 accepted, 2 preparing, 3
/// transferring, 4 finalizing, 5 finished (on disk), 6 error, 7 recoverable error.
fn state(transfer_state: i64) -> AttachmentState {
    match transfer_state {
        1..=4 => AttachmentState::Transferring,
        -1 | 5 => AttachmentState::Finished,
        6 => AttachmentState::Failed,
        _ => AttachmentState::Waiting,
    }
}
