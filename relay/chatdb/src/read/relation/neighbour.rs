//! Rows near a row, reduced to what bears on how they belong together.

use rusqlite::Row as Columns;

use crate::Address;
use crate::dates::from_apple_date;
use crate::read::message::{is_link, target, visible_text};
use crate::read::payload::{Balloon, MAX_PAYLOAD_BYTES, Payload};
use crate::read::value::{bytes, flag, integer, text};
use crate::relation::link::{Form, Neighbour, Sender};
use crate::schema::Schema;

pub(super) fn select_list(schema: &Schema) -> String {
    let column = |name| schema.column("message", "m", name);
    let (payload, balloon) = (column("payload_data"), column("balloon_bundle_id"));
    [
        column("ROWID"),
        column("guid"),
        column("date"),
        column("is_from_me"),
        schema.column("handle", "h", "id"),
        column("item_type"),
        column("associated_message_type"),
        column("associated_message_guid"),
        column("reply_to_guid"),
        balloon.clone(),
        column("text"),
        column("attributedBody"),
        format!(
            "case when {balloon} is not null and octet_length({payload}) <= {MAX_PAYLOAD_BYTES}
             then {payload} end"
        ),
        column("cache_has_attachments"),
    ]
    .join(", ")
}

/// When the row was sent, told without reading the rest of it.
pub(super) fn sent_at(columns: &Columns<'_>) -> rusqlite::Result<Option<i64>> {
    Ok(from_apple_date(integer(columns, 2)?))
}

/// The sender, by the one form of the address: rows of one person may name handles that are written in
/// other ways.
pub(super) fn sender(is_from_me: bool, handle: Option<String>) -> Sender {
    if is_from_me {
        return Sender::Owner;
    }
    let address = handle.as_deref().and_then(Address::parse);
    Sender::Peer(address.map(Address::into_string).or(handle))
}

pub(super) fn read(columns: &Columns<'_>) -> rusqlite::Result<Option<Neighbour>> {
    let Some(guid) = text(columns, 1)? else {
        return Ok(None);
    };
    let archive = bytes(columns, 11)?;
    let body = archive.and_then(|archive| attributed_body::decode(archive).ok());
    let body_text = match &body {
        Some(body) => Some(body.text),
        None => archive.and_then(|archive| attributed_body::decode_text(archive).ok()),
    };
    let seen = visible_text(body_text, text(columns, 10)?.as_deref());
    let balloon = text(columns, 9)?;
    // From 1000 on it is something put on another message.
    let is_message = integer(columns, 5)? == 0 && integer(columns, 6)? < 1000;
    let form = match balloon.as_deref() {
        Some(balloon) if is_message && is_link(balloon) => Form::Link,
        None if is_message && !seen.trim().is_empty() => Form::Text,
        _ => Form::Other,
    };
    let mut links: Vec<String> = Vec::new();
    match form {
        Form::Link => {
            if let Some(Payload::Link(link)) = Payload::read(bytes(columns, 12)?, Balloon::Link) {
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
    let (associated, reply_to) = (text(columns, 7)?, text(columns, 8)?);
    let guid_in = |column: &Option<String>| {
        let target = column.as_deref().and_then(target)?;
        Some(target.guid.to_owned())
    };
    Ok(Some(Neighbour {
        rowid: integer(columns, 0)?,
        guid,
        sent_at: sent_at(columns)?,
        sender: sender(flag(columns, 3)?, text(columns, 4)?),
        form,
        text: seen,
        links,
        associated: guid_in(&associated),
        reply_to: guid_in(&reply_to),
        has_attachments: flag(columns, 13)?,
    }))
}
