//! Reads the rows near a row, with only the columns that decide whether two rows belong together, such as a text and
//! the preview of its link.

use rusqlite::Row as SqlRow;

use crate::dates::from_apple_date;
use crate::read::message::{is_link, target, visible_text};
use crate::read::payload::{Balloon, MAX_PAYLOAD_BYTES, Payload};
use crate::read::value::{address, bytes, flag, integer, text};
use crate::relation::link::{Form, Neighbour, Sender};
use crate::schema::Schema;

const COLUMNS: &str = "ROWID, guid, date, is_from_me, item_type, associated_message_type, \
    associated_message_guid, reply_to_guid, balloon_bundle_id, text, attributedBody, \
    cache_has_attachments";

/// The position of a column in a row, found while compiling.
macro_rules! at {
    ($name:literal) => {
        const { crate::schema::position(COLUMNS, $name) }
    };
}

/// The position of the payload, after the columns of `message` and the handle.
const PAYLOAD: usize = crate::schema::count(COLUMNS) + 1;

/// The columns of `message`, the handle and the payload, in the order of their positions in [`read`].
pub(super) fn select_list(schema: &Schema) -> String {
    let column = |name| schema.column("message", "m", name);
    let (payload, balloon) = (column("payload_data"), column("balloon_bundle_id"));
    format!(
        "{}, {} as handle, case when {balloon} is not null
             and octet_length({payload}) <= {MAX_PAYLOAD_BYTES} then {payload} end as payload",
        schema.list("message", "m", COLUMNS),
        schema.column("handle", "h", "id"),
    )
}

/// When the row was sent, in microseconds since 1970. The rest of the row is not read.
pub(super) fn sent_at(columns: &SqlRow<'_>) -> rusqlite::Result<Option<i64>> {
    Ok(from_apple_date(integer(columns, at!("date"))?))
}

/// The sender, by the normal form of the address, since rows of one person may have handles that are
/// written differently.
pub(super) fn sender(columns: &SqlRow<'_>) -> rusqlite::Result<Sender> {
    if flag(columns, "is_from_me")? {
        return Ok(Sender::Owner);
    }
    let address = address(columns, "handle")?;
    Ok(Sender::Peer(address.or(text(columns, "handle")?)))
}

/// The neighbour in a row that was selected by [`select_list`]; `None` if it has no guid.
pub(super) fn read(columns: &SqlRow<'_>) -> rusqlite::Result<Option<Neighbour>> {
    let Some(guid) = text(columns, at!("guid"))? else {
        return Ok(None);
    };
    let archive = bytes(columns, at!("attributedBody"))?;
    let body = archive.and_then(|archive| attributed_body::decode(archive).ok());
    let body_text = match &body {
        Some(body) => Some(body.text),
        None => archive.and_then(|archive| attributed_body::decode_text(archive).ok()),
    };
    let visible = visible_text(body_text, text(columns, at!("text"))?.as_deref());
    let balloon = text(columns, at!("balloon_bundle_id"))?;
    // A type from 1000 on means that the row belongs to another message.
    let is_message = integer(columns, at!("item_type"))? == 0
        && integer(columns, at!("associated_message_type"))? < 1000;
    let form = match balloon.as_deref() {
        Some(balloon) if is_message && is_link(balloon) => Form::Link,
        None if is_message && !visible.trim().is_empty() => Form::Text,
        _ => Form::Other,
    };
    let mut links: Vec<String> = Vec::new();
    match form {
        Form::Link => {
            if let Some(Payload::Link(link)) =
                Payload::read(bytes(columns, PAYLOAD)?, Balloon::Link)
            {
                links.extend(link.original_url);
                links.extend(link.url);
            }
        }
        Form::Text => {
            let runs = body.iter().flat_map(|body| &body.runs);
            links.extend(runs.filter_map(|run| run.link.map(str::to_owned)));
        }
        Form::Other => {}
    }
    let guid_in = |column: &str| -> rusqlite::Result<Option<String>> {
        let associated = text(columns, column)?;
        let target = associated.as_deref().and_then(target);
        Ok(target.map(|target| target.guid.to_owned()))
    };
    Ok(Some(Neighbour {
        rowid: integer(columns, at!("ROWID"))?,
        guid,
        sent_at: sent_at(columns)?,
        sender: sender(columns)?,
        form,
        text: visible,
        links,
        associated: guid_in("associated_message_guid")?,
        reply_to: guid_in("reply_to_guid")?,
        has_attachments: flag(columns, at!("cache_has_attachments"))?,
    }))
}
