//! Recognises the rows of the relay's own sends, the bubbles of the ledger, before they are posted.
//!
//! Every own row, every copy of one and every row without a handle is shown to the ledger in the transaction that decides
//! about it. The row of a bubble proves the bubble and is never posted: the backend would take it for a text that the
//! owner has typed, or for a person's that it has to answer. A row that Messages has not marked as own yet and that has
//! the text of an open bubble waits as long as the bubble is open, and so does an own row that was edited or unsent and
//! does not show its first text. A text that the owner has typed cancels the replies to its chat
//! in the transaction that posts it.

use chatdb::{Chat, Composed, Relation, Row, lane};
use rusqlite::Connection;
use shared_protocol::{Event, Message};

use super::candidate::{
    BatchResult, Candidate, DecisionContext, compose_now, seen_message, unposted,
};
use super::freshness::TimestampProof;
use super::sent_state::move_bubble;
use super::twins::{timestamp_proof, twin_hash_of};
use crate::clock::UnixMicros;
use crate::state::ledger::matching::{self, OwnRow, RowState};
use crate::state::ledger::{BubbleNumber, BubbleState, cancelling, lost_rows};
use crate::state::seen::{self, Originals, RowOutcome, SeenMessage};
use crate::state::waiting;

/// The code of a bubble of which Messages has written a row without chat and text: it has sent nothing.
pub(super) const GHOST_ROW: &str = "ghost_row";

/// What the ledger says about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LedgerVerdict {
    /// The row is an own send of this relay.
    OwnSend,
    /// The row repeats an own send of this relay.
    CopyOfOwnSend,
    /// The row may become that of an open bubble.
    MayBecomeOne,
    /// The ledger has nothing to do with the row.
    Unrelated,
}

/// Asks the ledger about a row, and moves the bubble that the row proves. The answer and the decision about the row
/// belong into one transaction.
pub(super) fn ask_ledger(
    state: &Connection,
    candidate: &Candidate,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<LedgerVerdict> {
    let row = &candidate.row;
    let Some(chat) = row.chat.as_deref() else {
        return fail_by_ghost(state, row, context, result);
    };
    // Group changes, tapbacks and messages of Send Later are no bubbles.
    if row.item_type != 0 || row.associated_type >= 1000 || row.schedule_type != 0 {
        return Ok(LedgerVerdict::Unrelated);
    }
    let conversations = Conversations::of(chat);
    if row.is_from_me {
        return ask_about_sent_row(state, row, &conversations, context, result);
    }
    if row.is_own_copy || candidate.copy_of.is_some() {
        let is_copy = is_copy_of_own_send(state, candidate, &conversations, context)?;
        return Ok(if is_copy {
            LedgerVerdict::CopyOfOwnSend
        } else {
            LedgerVerdict::Unrelated
        });
    }
    // Messages first writes an own message as a received one without a handle. With several own addresses it may show
    // the copy of an own message before the message.
    let writer = row.handle.as_deref();
    let may_be_own = writer.is_none_or(|writer| context.options.lines.is_own(writer));
    let text = text_of(row);
    let own_row = own_row(row, &text, context);
    let now = UnixMicros::from_micros(context.now);
    Ok(
        if may_be_own && matching::may_be_a_bubble(state, &conversations.lanes(), &own_row, now)? {
            LedgerVerdict::MayBecomeOne
        } else {
            LedgerVerdict::Unrelated
        },
    )
}

fn ask_about_sent_row(
    state: &Connection,
    row: &Row,
    conversations: &Conversations,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<LedgerVerdict> {
    // Messages writes the link of a text, and the notice of its edit, into a row of their own.
    if let Relation::LinkOf(text) | Relation::LinkPreview(text) | Relation::EditNotice(text) =
        &row.relation
        && matching::bubble_of(state, text)?.is_some()
    {
        return Ok(LedgerVerdict::OwnSend);
    }
    if prove(state, row, conversations, context, result)? {
        return Ok(LedgerVerdict::OwnSend);
    }
    let now = UnixMicros::from_micros(context.now);
    let own_row = own_row(row, "", context);
    if has_no_content(row)
        && matching::may_become_a_bubble(state, &conversations.lanes(), &own_row, now)?
    {
        return Ok(LedgerVerdict::MayBecomeOne);
    }
    // The owner has edited or unsent it while this relay did not run.
    if row.first_text().is_none()
        && matching::awaits_row(state, &conversations.lanes(), &own_row, now)?
    {
        return Ok(LedgerVerdict::MayBecomeOne);
    }
    Ok(LedgerVerdict::Unrelated)
}

/// Moves the bubble of an own row to the state of the row; returns whether there is such a bubble.
pub(super) fn prove_by_row(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<bool> {
    match row.chat.as_deref().filter(|_| row.is_from_me) {
        Some(chat) => prove(state, row, &Conversations::of(chat), context, result),
        None => Ok(false),
    }
}

fn prove(
    state: &Connection,
    row: &Row,
    conversations: &Conversations,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<bool> {
    let now = UnixMicros::from_micros(context.now);
    let text = text_of(row);
    let own_row = own_row(row, &text, context);
    let lanes = conversations.lanes();
    let number = match matching::bubble_of(state, &row.guid)? {
        Some(number) => Some(number),
        None if !matching::may_be_a_bubble(state, &lanes, &own_row, now)? => None,
        None if is_copy_of_earlier(state, row, context)? => None,
        None => {
            let is_in_chat_db = RowState {
                state: BubbleState::RowSeen,
                code: None,
            };
            matching::match_row(state, &lanes, &own_row, is_in_chat_db, now)?
        }
    };
    let Some(number) = number else {
        return Ok(false);
    };
    move_bubble(state, number, &row.sent, row.service.as_deref(), now)?;
    result.has_moved_bubbles = true;
    Ok(true)
}

/// Gives a bubble whose row is gone this row, if it has the text of the bubble; returns whether it does.
pub(super) fn prove_again(
    state: &Connection,
    number: BubbleNumber,
    row: &Row,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<bool> {
    let Some(chat) = row.chat.as_deref() else {
        return Ok(false);
    };
    let now = UnixMicros::from_micros(context.now);
    let text = text_of(row);
    let own_row = own_row(row, &text, context);
    let conversations = Conversations::of(chat);
    if !lost_rows::replace_row(state, number, &conversations.lanes(), &own_row, now)? {
        return Ok(false);
    }
    move_bubble(state, number, &row.sent, row.service.as_deref(), now)?;
    Ok(true)
}

/// Whether the row repeats an own send: Messages shows an own message again as received, if it was sent to or from an
/// alias of the owner.
fn is_copy_of_own_send(
    state: &Connection,
    candidate: &Candidate,
    conversations: &Conversations,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<bool> {
    let text = text_of(&candidate.row);
    if let Some(original) = &candidate.copy_of {
        if matching::bubble_of(state, original)?.is_some() || seen::is_own_send(state, original)? {
            return Ok(true);
        }
        // The original is in chat.db and was not decided about yet. It is posted or recorded by itself.
        if seen::find(state, original)?.is_none() && matching::is_under_way(state, &text)? {
            return Ok(true);
        }
    }
    let now = UnixMicros::from_micros(context.now);
    Ok(candidate.row.is_own_copy
        && !text.trim().is_empty()
        && matching::has_text(state, &conversations.lanes(), &text, now)?)
}

/// Whether the row repeats a message that was accounted for, with its content and its exact timestamp. iCloud inserts
/// earlier messages again, under other guids; such a row proves no later bubble of equal text.
fn is_copy_of_earlier(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<bool> {
    if let Some(seen) = seen::find(state, &row.guid)? {
        return Ok(seen.outcome == RowOutcome::Twin);
    }
    let Composed::Post(message) = compose_now(row, context) else {
        return Ok(false);
    };
    if timestamp_proof(row, &message) == TimestampProof::Ambiguous {
        return Ok(false);
    }
    let twin_hash = twin_hash_of(row, &message);
    let copies = seen::count_copies(state, twin_hash, context.now, Originals::Decided)?;
    Ok(copies.originals > 0)
}

/// Fails the bubble for which Messages has written a ghost: an own row without chat and text, over SMS, to a handle that
/// is the id of the chat.
fn fail_by_ghost(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<LedgerVerdict> {
    let is_over_sms = |service: &str| service.eq_ignore_ascii_case("SMS");
    let is_ghost =
        row.is_from_me && has_no_content(row) && row.service.as_deref().is_some_and(is_over_sms);
    let Some(handle) = row.handle.as_deref().filter(|_| is_ghost) else {
        return Ok(LedgerVerdict::Unrelated);
    };
    let conversation = if handle.contains(";-;") || handle.contains(";+;") {
        lane(handle).to_owned()
    } else if handle.starts_with("chat") {
        format!("+;{handle}")
    } else {
        return Ok(LedgerVerdict::Unrelated);
    };
    let now = UnixMicros::from_micros(context.now);
    let own_row = own_row(row, "", context);
    let failed = matching::fail_last(state, &[&conversation], &own_row, GHOST_ROW, now)?;
    result.has_moved_bubbles |= failed.is_some();
    Ok(failed.map_or(LedgerVerdict::Unrelated, |_| LedgerVerdict::OwnSend))
}

/// Records a row as an own send. It is counted as an original, so that later copies of it are copies.
pub(super) fn record(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<()> {
    let own_send = SeenMessage {
        is_own_send: true,
        ..twin(row, context)
    };
    seen::save(state, &own_send)?;
    waiting::remove(state, row.rowid)
}

/// Records a row as a copy of an own send.
pub(super) fn record_copy(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<()> {
    seen::save(state, &twin(row, context))?;
    waiting::remove(state, row.rowid)
}

fn twin(row: &Row, context: &DecisionContext<'_>) -> SeenMessage {
    match compose_now(row, context) {
        Composed::Post(message) => seen_message(row, &message, context.now, RowOutcome::Twin),
        Composed::Skip(_) | Composed::Wait(_) => unposted(row, context.now, RowOutcome::Twin),
    }
}

/// Cancels the replies to the chat of a message that the owner has typed just now. A row that may be a forgotten send
/// cancels none: the backend knows which it is.
pub(super) fn take_over(
    state: &Connection,
    row: &Row,
    message: &Message,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let is_content = matches!(message.event, Event::Message | Event::Other)
        && row.item_type == 0
        && row.associated_type < 1000;
    if !message.from_owner || message.automatic || !is_content || context.may_have_forgotten_sends {
        return Ok(());
    }
    let Some(chat) = row.chat.as_deref() else {
        return Ok(());
    };
    let now = UnixMicros::from_micros(context.now);
    for conversation in Conversations::of(chat).lanes() {
        let cancelled = cancelling::cancel_replies(state, conversation, now)?;
        result.has_moved_bubbles |= cancelled > 0;
    }
    Ok(())
}

/// The names under which the ledger may know a chat: guids without their service.
struct Conversations(Vec<String>);

impl Conversations {
    fn of(chat: &Chat) -> Self {
        let mut lanes = Vec::new();
        let guids = [chat.wire_guid(), chat.guid.clone()];
        for guid in guids.iter().chain(&chat.other_chats_of_group) {
            let name = lane(guid).to_owned();
            if !lanes.contains(&name) {
                lanes.push(name);
            }
        }
        Self(lanes)
    }

    fn lanes(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

fn own_row<'a>(row: &'a Row, text: &'a str, context: &'a DecisionContext<'_>) -> OwnRow<'a> {
    OwnRow {
        guid: &row.guid,
        file: context.chat_db_file,
        rowid: row.rowid,
        sent_at: UnixMicros::from_micros(row.sent_at.unwrap_or(context.now)),
        text,
    }
}

/// The text as it was sent. The owner may have edited it since.
fn text_of(row: &Row) -> String {
    row.first_text().unwrap_or_else(|| row.visible_text())
}

/// Whether the row has neither words nor files nor a balloon.
fn has_no_content(row: &Row) -> bool {
    row.visible_text().trim().is_empty()
        && !row.has_attachments
        && row.attachments.is_empty()
        && row.balloon.is_none()
        && row.item_type == 0
}
