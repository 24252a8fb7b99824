//! The `message` table.

use std::rc::Rc;

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use super::body::Body;
use super::payload::{Balloon, MAX_PAYLOAD_BYTES, Payload, RichLink};
use super::value::{address, bytes, flag, integer, text};
use super::{AttachmentRow, Chat, KnownPoll, SentFlags, Summary, row_digest};
use crate::dates::from_apple_date;
use crate::digest::Digest;
use crate::relation::{Awaited, Relation};
use crate::schema::Schema;

const COLUMNS: &str = "\
    ROWID, guid, text, attributedBody, date, is_from_me, service, \
    destination_caller_id, account, item_type, group_title, group_action_type, \
    share_status, associated_message_guid, associated_message_type, \
    associated_message_emoji, balloon_bundle_id, expressive_send_style_id, \
    thread_originator_guid, message_summary_info, date_edited, part_count, \
    is_spam, filter_action, schedule_type, schedule_state, is_system_message, \
    is_service_message, cache_has_attachments, subject, \
    thread_originator_part, reply_to_guid, is_finished, error, is_sent, \
    is_delivered, date_delivered, was_downgraded, is_auto_reply";

/// The position of a column in a row, found while compiling.
macro_rules! at {
    ($name:literal) => {
        const { crate::schema::position(COLUMNS, $name) }
    };
}

/// The position of the sender's address, the first column after those of the table `message`.
const HANDLE: usize = crate::schema::count(COLUMNS);
/// The position of the address of the person who was added or removed.
const OTHER_HANDLE: usize = HANDLE + 1;
/// The position of [`payload_column`].
const PAYLOAD: usize = HANDLE + 2;

/// The end of `balloon_bundle_id` in rows of polls.
pub(super) const POLLS: &str = "com.apple.messages.Polls";
/// `associated_message_type` of a vote in a poll.
pub(super) const VOTE: i64 = 4000;

/// The message to which `associated_message_guid` refers.
pub(crate) struct Target<'a> {
    pub(crate) guid: &'a str,
    /// The number of the part of the message; -1 stands for the whole message.
    pub(crate) part: Option<i64>,
}

/// Parses `associated_message_guid`: `p:<part>/<guid>`, `bp:<guid>` for a balloon, or a bare guid. `None` if it has no
/// guid.
pub(crate) fn target(associated: &str) -> Option<Target<'_>> {
    let (part, guid) = if let Some(rest) = associated.strip_prefix("p:") {
        let (part, guid) = rest.split_once('/')?;
        (part.parse().ok(), guid)
    } else {
        (None, associated.strip_prefix("bp:").unwrap_or(associated))
    };
    (!guid.is_empty()).then_some(Target { guid, part })
}

/// One row of `message`, with its handle, chat, attachments and relation.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the columns are flags")]
pub struct Row {
    /// `message.ROWID`: the order in which rows were inserted, not the order in time.
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// When the message was sent by the sender's clock, microseconds since 1970.
    pub sent_at: Option<i64>,
    /// The column `text`, which is NULL in most rows since macOS 13.
    pub text: Option<String>,
    /// The decoded `attributedBody`.
    pub body: Body,
    /// The subject line.
    pub subject: Option<String>,
    /// The sender's address, in the normal form of [`Address`](crate::Address) like every address in this
    /// struct. For an own message in a direct chat, the peer's address.
    pub handle: Option<String>,
    /// The person who was added to the group or removed.
    pub other_handle: Option<String>,
    /// Whether the message was sent from one of the owner's devices.
    pub is_from_me: bool,
    /// `iMessage`, `SMS`, `RCS`, …
    pub service: Option<String>,
    /// `message.destination_caller_id`: the own address to which the message came in or from which it went out. On some
    /// Macs the column has the peer's address.
    pub line: Option<String>,
    /// `message.account`: the own address of the account to which the message belongs.
    pub account: Option<String>,
    /// What the row tells: 0 a message, 1 a change of participants, 2 a new name of the group, 3 another change of the
    /// group, 4 location sharing, 5 a kept audio message, 6 a call.
    pub item_type: i64,
    /// New name of the group.
    pub group_title: Option<String>,
    /// The kind of change. For `item_type` 1: 0 added, 1 removed. For 3: 0 left the group, 1 set its photo, 2 removed
    /// its photo.
    pub group_action_type: i64,
    /// Whether location sharing started (0) or ended (1).
    pub share_status: i64,
    /// Target of a tapback, `p:<part>/<guid>`, `bp:<guid>` or a bare guid.
    pub associated_guid: Option<String>,
    /// From 1000 on the row belongs to another message: 1000 a placed sticker, 2000 to 2007 and 3000 to 3007 tapbacks,
    /// 4000 a vote.
    pub associated_type: i64,
    /// Emoji of a tapback.
    pub associated_emoji: Option<String>,
    /// `message.balloon_bundle_id`: the id of the app that drew the balloon.
    pub balloon: Option<String>,
    /// The content of the balloon, once Messages has written it.
    pub payload: Option<Payload>,
    /// Apple's id of the bubble or screen effect.
    pub effect: Option<String>,
    /// The guid of the message to which this one replies.
    pub thread_originator_guid: Option<String>,
    /// The part to which this message replies, `part:start:length`.
    pub thread_originator_part: Option<String>,
    /// The guid of the previous row in the chat; for the caption of a poll, of the poll. The message to which a person
    /// replied is in `thread_originator_guid`.
    pub reply_to_guid: Option<String>,
    /// Edits and unsends.
    pub summary: Summary,
    /// When the message was last edited or unsent, microseconds since 1970.
    pub edited_at: Option<i64>,
    /// The number of parts that were not unsent.
    pub part_count: i64,
    /// Whether Messages has not written all of the row yet.
    pub is_unfinished: bool,
    /// Whether Messages takes the message for spam.
    pub is_spam: bool,
    /// The category on macOS 27: 1 allowed, 2 junk, 3 promotion, 4 transaction.
    pub filter_action: i64,
    /// 0, or another number, usually 2, for a message of Send Later.
    pub schedule_type: i64,
    /// The state of a message of Send Later: 1 pending, 2 sent, 3 failed, 4 seen.
    pub schedule_state: i64,
    /// Whether Messages itself wrote the row, and not a person.
    pub is_system: bool,
    /// Of an own message: how far Messages got with sending it.
    pub sent: SentFlags,
    /// `message.cache_has_attachments`: whether the row has attachments. Messages may join them to the row later.
    pub has_attachments: bool,
    /// The chat; `None` until Messages joins the row to one.
    pub chat: Option<Rc<Chat>>,
    /// The attachments that are joined to the row or named in its text.
    pub attachments: Vec<AttachmentRow>,
    /// The poll for which this row is a vote, a new choice or the caption.
    pub poll: Option<KnownPoll>,
    /// Whether the row is a copy of an own message of the same moment, received from another own
    /// address. The relay sets it with [`ChatDb::own_send_like`](crate::ChatDb::own_send_like).
    pub is_own_copy: bool,
    /// Whether the row is a note to self: the columns for the own address contain the peer's address, and
    /// chat.db has both a sent and a received row of the message. The relay sets it with
    /// [`ChatDb::has_other_side`](crate::ChatDb::has_other_side).
    pub is_to_itself: bool,
    /// The relation to another row of the chat.
    pub relation: Relation,
    /// What Messages may still write that would decide how this row is posted.
    pub awaits: Option<Awaited>,
    /// Digest over the columns that Messages changes in place.
    pub digest: Digest,
    /// Whether reading the row panicked because of a bug. In that case only ROWID, guid and date are valid.
    pub is_unreadable: bool,
}

impl Row {
    /// Whether the balloon is that of a link.
    pub(crate) fn is_link_balloon(&self) -> bool {
        self.balloon.as_deref().is_some_and(is_link)
    }

    /// Whether the balloon is that of a poll.
    pub(crate) fn is_poll_balloon(&self) -> bool {
        self.balloon.as_deref().is_some_and(is_poll)
    }

    /// The link that the balloon shows.
    pub fn link(&self) -> Option<&RichLink> {
        match &self.payload {
            Some(Payload::Link(link)) => Some(link),
            _ => None,
        }
    }

    /// The text that a person would see: from the decoded body, else from the text column, without the
    /// placeholders of attachments and app balloons.
    pub fn visible_text(&self) -> String {
        visible_text(self.body.text(), self.text.as_deref())
    }

    /// The visible text before the first edit; `None` if the message was edited or unsent and its history does not show
    /// that text.
    pub fn first_text(&self) -> Option<String> {
        let summary = &self.summary;
        if summary.history_length > 0
            || !summary.unsent_parts.is_empty()
            || self.edited_at.is_some()
        {
            return Some(visible_text(Some(summary.first_text.as_deref()?), None));
        }
        Some(self.visible_text())
    }
}

/// The text of a body, else of the text column, without placeholders: U+FFFC stands for an attachment, U+FFFD
/// for the content of an app.
pub(super) fn visible_text(body: Option<&str>, column: Option<&str>) -> String {
    let without_placeholders = |text: &str| -> String {
        text.chars()
            .filter(|c| !matches!(c, '\u{fffc}' | '\u{fffd}'))
            .collect()
    };
    [body, column]
        .into_iter()
        .flatten()
        .map(without_placeholders)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The columns of `message` and the sender's address, in the order of their positions in [`read`].
pub(super) fn select_list(schema: &Schema) -> String {
    let columns = schema.list("message", "m", COLUMNS);
    format!(
        "{columns}, {} as handle",
        schema.column("handle", "h", "id")
    )
}

/// An SQL expression for the payload: null for rows that neither have a balloon nor vote in a poll, and for a payload
/// that is too large.
pub(super) fn payload_column(schema: &Schema) -> String {
    let column = |name| schema.column("message", "m", name);
    let (payload, balloon) = (column("payload_data"), column("balloon_bundle_id"));
    let vote = column("associated_message_type");
    format!(
        "case when ({balloon} is not null or {vote} = {VOTE})
             and octet_length({payload}) <= {MAX_PAYLOAD_BYTES} then {payload} end"
    )
}

/// Reads one row; `None` if its guid is missing or not a text. Messages declares the column `UNIQUE NOT
/// NULL`, so that happens only in damaged files.
pub(super) fn read(row: &SqlRow<'_>) -> rusqlite::Result<Option<Row>> {
    let Some(guid) = text(row, at!("guid"))? else {
        return Ok(None);
    };
    #[cfg(test)]
    super::tests::panic_if_chosen(row.get(at!("ROWID"))?, "read");
    Ok(Some(Row {
        rowid: row.get(at!("ROWID"))?,
        guid,
        sent_at: from_apple_date(integer(row, at!("date"))?),
        text: text(row, at!("text"))?,
        body: Body::read(bytes(row, at!("attributedBody"))?),
        is_from_me: flag(row, at!("is_from_me"))?,
        service: text(row, at!("service"))?,
        line: address(row, at!("destination_caller_id"))?,
        account: address(row, at!("account"))?,
        item_type: integer(row, at!("item_type"))?,
        group_title: text(row, at!("group_title"))?,
        group_action_type: integer(row, at!("group_action_type"))?,
        share_status: integer(row, at!("share_status"))?,
        associated_guid: text(row, at!("associated_message_guid"))?,
        associated_type: integer(row, at!("associated_message_type"))?,
        associated_emoji: text(row, at!("associated_message_emoji"))?,
        balloon: text(row, at!("balloon_bundle_id"))?,
        effect: text(row, at!("expressive_send_style_id"))?,
        thread_originator_guid: text(row, at!("thread_originator_guid"))?,
        summary: Summary::read(bytes(row, at!("message_summary_info"))?),
        edited_at: from_apple_date(integer(row, at!("date_edited"))?),
        part_count: integer(row, at!("part_count"))?,
        is_spam: flag(row, at!("is_spam"))?,
        filter_action: integer(row, at!("filter_action"))?,
        schedule_type: integer(row, at!("schedule_type"))?,
        schedule_state: integer(row, at!("schedule_state"))?,
        is_system: flag(row, at!("is_system_message"))? || flag(row, at!("is_service_message"))?,
        has_attachments: flag(row, at!("cache_has_attachments"))?,
        subject: text(row, at!("subject"))?,
        thread_originator_part: text(row, at!("thread_originator_part"))?,
        reply_to_guid: text(row, at!("reply_to_guid"))?,
        // A row without a value in this column counts as finished.
        is_unfinished: row.get_ref(at!("is_finished"))? == ValueRef::Integer(0),
        sent: SentFlags {
            error: integer(row, at!("error"))?,
            is_sent: flag(row, at!("is_sent"))?,
            is_delivered: flag(row, at!("is_delivered"))?,
            delivered_at: from_apple_date(integer(row, at!("date_delivered"))?),
            was_downgraded: flag(row, at!("was_downgraded"))?,
            is_auto_reply: flag(row, at!("is_auto_reply"))?,
        },
        handle: address(row, HANDLE)?,
        other_handle: address(row, OTHER_HANDLE)?,
        payload: payload(row)?,
        digest: row_digest::digest(row)?,
        ..Row::default()
    }))
}

/// Reads only ROWID, guid and date, of a row that is [unreadable](Row::is_unreadable).
pub(super) fn read_identity(row: &SqlRow<'_>) -> rusqlite::Result<Option<Row>> {
    let Some(guid) = text(row, "guid")? else {
        return Ok(None);
    };
    Ok(Some(Row {
        rowid: row.get("ROWID")?,
        guid,
        sent_at: from_apple_date(integer(row, "date")?),
        is_unreadable: true,
        ..Row::default()
    }))
}

/// The payload of a row, decoded as its balloon requires.
fn payload(row: &SqlRow<'_>) -> rusqlite::Result<Option<Payload>> {
    let drawn_by = text(row, at!("balloon_bundle_id"))?;
    let balloon = match drawn_by.as_deref() {
        Some(id) if is_link(id) => Balloon::Link,
        Some(id) if !is_poll(id) && integer(row, at!("associated_message_type"))? != VOTE => {
            Balloon::App
        }
        _ => Balloon::Poll,
    };
    Ok(Payload::read(bytes(row, PAYLOAD)?, balloon))
}

/// Whether a `balloon_bundle_id` is that of a link.
pub(super) fn is_link(balloon: &str) -> bool {
    balloon.ends_with("URLBalloonProvider")
}

/// Whether a `balloon_bundle_id` is that of a poll or of a vote.
fn is_poll(balloon: &str) -> bool {
    balloon.ends_with(POLLS)
}
