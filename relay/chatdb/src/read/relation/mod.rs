//! Reads the rows that are needed to find the relation of a row to an earlier one ([`crate::relation`]).
//!
//! Only some rows need a search of the chat: links, texts that are nothing but a link, and texts with a quotation.
//! Whether a plain text is the notice of an edit is looked up in the edit histories, which are read once
//! for many rows. Every search is bounded by a number of rows of the chat, or by a range of ROWIDs.

mod edits;
mod neighbour;
pub(super) mod queries;

use rusqlite::params;

use super::value::{integer, text};
use super::{AttachmentRow, Chat, ChatDb, Row, attachment};
use crate::dates::from_apple_date;
use crate::relation::link::{self, Form, Neighbour, Referent};
use crate::relation::reaction::{Channel, PossibleReaction};
use crate::relation::{Awaited, Media, Relation, TextReaction, may_be_edit_notice};

pub(super) use edits::EditNotices;
pub(super) use queries::RelationQueries;

/// Largest distance between the ROWIDs of two rows that belong together.
const ROWIDS_AROUND: i64 = 400;
/// Largest distance between the dates of a row and the rows that are read around it, in microseconds.
const MICROS_AROUND: i64 = 25_000_000;
/// Most rows around a row that are used. The nearest are used first.
const ROWS_AROUND: usize = 60;
/// How many rows of a chat are read at first, and then once more, to find the target of a reaction. The first page is
/// enough for nearly all reactions.
const PAGES: [u32; 2] = [40, 460];
/// Most rows of the chat that are read to find a text of which a row may be the edit notice.
const ROWS_BEFORE_NOTICE: u32 = 300;
/// Most other chats of the same group that are read.
const MAX_CHATS_OF_GROUP: usize = 4;
/// Messages can be edited for 15 minutes, and clocks differ.
const EDITABLE_MICROS: i64 = 20 * 60 * 1_000_000;

/// Whether a row is in the chat of the row that refers to it.
enum RowLocation {
    Here,
    Elsewhere,
    /// The row is in no chat yet.
    Nowhere,
}

impl ChatDb {
    /// Sets the relation of `row` to another row of its chat, and what it has to wait for.
    pub(super) fn relate(&self, row: &mut Row) -> rusqlite::Result<()> {
        let Some(chat) = row.chat.clone() else {
            return Ok(());
        };
        // A type from 1000 on means that the row belongs to another message.
        if row.item_type != 0 || row.associated_type >= 1000 {
            return Ok(());
        }
        if row.is_link_balloon() {
            (row.relation, row.awaits) = self.relation_of_link(row, &chat)?;
            return Ok(());
        }
        // Notices of edits, bare links and reactions in words have nothing but a text.
        let is_plain = row.associated_type == 0 && row.balloon.is_none();
        let has_files = row.has_attachments || row.body.attachment_guids().next().is_some();
        if !is_plain || has_files || row.subject.is_some() || row.summary.history_length > 0 {
            return Ok(());
        }
        if let Some(edited) = self.edited_message(&row.guid, row.rowid, &chat)? {
            row.relation = Relation::EditNotice(edited);
            return Ok(());
        }
        let text = row.visible_text();
        if link::is_bare_address(&text) {
            row.relation = self.relation_of_bare_address(row, &chat)?;
            return Ok(());
        }
        let channel = Channel::of(row.service.as_deref());
        if let Some(possible) = PossibleReaction::of(&text, channel)
            && let Some(reaction) = self.reaction(&possible, row, &chat)?
        {
            row.relation = Relation::Reaction(reaction);
        } else if channel == Channel::WithReactions
            && may_be_edit_notice(&text)
            && self.follows_an_editable_text(row, &chat)?
        {
            // The edit may be written after its notice, so the row waits for it.
            row.awaits = Some(Awaited::Edit);
        }
        Ok(())
    }

    /// The relation of a link row to its text, and what it has to wait for.
    fn relation_of_link(
        &self,
        row: &Row,
        chat: &Chat,
    ) -> rusqlite::Result<(Relation, Option<Awaited>)> {
        let Some(link) = self.neighbour(&row.guid)? else {
            return Ok((Relation::None, None));
        };
        let around = self.around(&link, chat)?;
        let referenced = match link.reference() {
            Some(reference) => Some(self.neighbour(reference.guid())?),
            None => None,
        };
        let referent = match &referenced {
            Some(Some(text)) => Some(match self.location_of(text.rowid, chat)? {
                RowLocation::Here => Referent::Here(text),
                RowLocation::Elsewhere => Referent::Elsewhere,
                RowLocation::Nowhere => Referent::Unjoined(text),
            }),
            Some(None) => Some(Referent::Missing),
            None => None,
        };
        Ok(link::relation(&link, referent, &around))
    }

    /// The relation of a text that is nothing but a link. The preview of the link may have been joined to
    /// the chat before the text.
    fn relation_of_bare_address(&self, row: &Row, chat: &Chat) -> rusqlite::Result<Relation> {
        let limit = row.rowid.saturating_add(ROWIDS_AROUND);
        if !self.exists(queries::HAS_ROWS_AFTER, [chat.rowid, row.rowid, limit])? {
            return Ok(Relation::None);
        }
        let Some(text) = self.neighbour(&row.guid)? else {
            return Ok(Relation::None);
        };
        let around = self.around(&text, chat)?;
        let preview = link::preview_of(&text, &around).map(|link| link.guid.clone());
        Ok(preview.map_or(Relation::None, Relation::TextOfLink))
    }

    /// The row with `guid`, with only the columns that decide a relation.
    fn neighbour(&self, guid: &str) -> rusqlite::Result<Option<Neighbour>> {
        let row = self.first(&self.queries.relation.neighbour, [guid], neighbour::read)?;
        Ok(row.flatten())
    }

    /// The rows of the chat that were written and sent at about the time of `middle`.
    fn around(&self, middle: &Neighbour, chat: &Chat) -> rusqlite::Result<Vec<Neighbour>> {
        let query = &self.queries.relation.neighbours_between;
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params![
            chat.rowid,
            middle.rowid.saturating_sub(ROWIDS_AROUND),
            middle.rowid.saturating_add(ROWIDS_AROUND)
        ])?;
        let mut around = Vec::new();
        while let Some(columns) = rows.next()? {
            let distance = neighbour::sent_at(columns)?
                .zip(middle.sent_at)
                .map(|(at, middle)| at.saturating_sub(middle).saturating_abs());
            if distance.is_some_and(|micros| micros <= MICROS_AROUND) {
                around.extend(neighbour::read(columns)?);
            }
        }
        around.sort_by_key(|row| row.rowid.abs_diff(middle.rowid));
        around.truncate(ROWS_AROUND);
        Ok(around)
    }

    /// Whether a row is in `chat`. A row in "Recently Deleted" counts as in its chat.
    fn location_of(&self, message: i64, chat: &Chat) -> rusqlite::Result<RowLocation> {
        let is_here = |query: &str| self.exists(query, [chat.rowid, message]);
        let deleted = self.queries.relation.was_deleted_from_chat;
        if is_here(queries::LIES_IN_CHAT)? || deleted.map_or(Ok(false), is_here)? {
            return Ok(RowLocation::Here);
        }
        Ok(if self.exists(queries::LIES_IN_ANY_CHAT, [message])? {
            RowLocation::Elsewhere
        } else {
            RowLocation::Nowhere
        })
    }

    /// Whether the sender of a row has a text in the chat that can still be edited, so that the row may be
    /// the notice of an edit that Messages writes next.
    fn follows_an_editable_text(&self, row: &Row, chat: &Chat) -> rusqlite::Result<bool> {
        let Some(notice) = self.neighbour(&row.guid)? else {
            return Ok(false);
        };
        let query = &self.queries.relation.texts_before;
        let mut statement = self.connection.prepare_cached(query)?;
        // The edited message may have a higher ROWID than its notice.
        let before = row.rowid.saturating_add(ROWIDS_AROUND);
        let mut rows = statement.query(params![chat.rowid, before, ROWS_BEFORE_NOTICE])?;
        while let Some(columns) = rows.next()? {
            if text(columns, "guid")?.is_none_or(|guid| guid == row.guid) {
                continue;
            }
            let sender = neighbour::sender(columns)?;
            let age = from_apple_date(integer(columns, "date")?)
                .zip(notice.sent_at)
                .map(|(sent_at, now)| now.saturating_sub(sent_at));
            let is_text = integer(columns, "item_type")? == 0
                && integer(columns, "associated_message_type")? == 0
                && text(columns, "balloon_bundle_id")?.is_none();
            let is_editable = age.is_some_and(|age| age.saturating_abs() <= EDITABLE_MICROS);
            if is_text && is_editable && sender == notice.sender {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The reaction that the text of `row` is, with its target if one of the last rows of the conversation can be it.
    /// `None` if the text is no reaction.
    fn reaction(
        &self,
        possible: &PossibleReaction,
        row: &Row,
        chat: &Chat,
    ) -> rusqlite::Result<Option<TextReaction>> {
        let chats = self.chats_of_conversation(chat)?;
        let mut before = vec![row.rowid; chats.len()];
        for page in PAGES {
            let mut rows: Vec<Neighbour> = Vec::new();
            for (chat, before) in chats.iter().zip(&mut before) {
                *before = self.rows_before(*chat, *before, page, &mut rows)?;
            }
            // The newest rows of all chats come first.
            rows.sort_by_key(|row| std::cmp::Reverse(row.rowid));
            for earlier in rows {
                let reaction =
                    texts_of(&earlier).find_map(|text| possible.about_text(&earlier.guid, text));
                if reaction.is_some() {
                    return Ok(reaction);
                }
                let Some(media) = possible.media() else {
                    continue;
                };
                let has_media = match media {
                    Media::Link => earlier.form == Form::Link,
                    _ => earlier.has_attachments && self.has_media(earlier.rowid, media)?,
                };
                if has_media {
                    return Ok(possible.about_media(&earlier.guid));
                }
            }
        }
        Ok(possible.without_target())
    }

    /// The chat, and the other chats of its conversation: one per service, and earlier chats of its group.
    fn chats_of_conversation(&self, chat: &Chat) -> rusqlite::Result<Vec<i64>> {
        let mut chats = vec![chat.rowid];
        if let Some(query) = &self.queries.relation.other_chats_of_conversation {
            chats.extend(self.select(query, [chat.rowid], |columns| integer(columns, 0))?);
        }
        for guid in chat.other_chats_of_group.iter().take(MAX_CHATS_OF_GROUP) {
            chats.extend(self.first(queries::ROWID_OF_CHAT, [guid], |columns| {
                integer(columns, 0)
            })?);
        }
        chats.sort_unstable();
        chats.dedup();
        Ok(chats)
    }

    /// Adds the last `limit` rows of a chat before the ROWID `before` to `found`. Returns the ROWID of the earliest of
    /// them, or the lowest number if there is none.
    fn rows_before(
        &self,
        chat: i64,
        before: i64,
        limit: u32,
        found: &mut Vec<Neighbour>,
    ) -> rusqlite::Result<i64> {
        let query = &self.queries.relation.neighbours_before;
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params![chat, before, limit])?;
        let mut first = i64::MIN;
        while let Some(columns) = rows.next()? {
            first = integer(columns, "ROWID")?;
            found.extend(neighbour::read(columns)?);
        }
        Ok(first)
    }

    /// Whether the row at ROWID `message` has a file of the kind `media`.
    fn has_media(&self, message: i64, media: Media) -> rusqlite::Result<bool> {
        let Some(query) = &self.queries.attachments else {
            return Ok(false);
        };
        let files = self.select(query, [message], attachment::read)?;
        Ok(files.iter().flatten().any(|file| is_file_of(file, media)))
    }
}

/// The texts that a reaction to a row may quote: its text, and the addresses of the link that it shows.
fn texts_of(row: &Neighbour) -> impl Iterator<Item = &str> {
    let (text, links) = match row.form {
        Form::Text => (Some(row.text.as_str()), &[][..]),
        Form::Link => (Some(row.text.as_str()), row.links.as_slice()),
        Form::Other => (None, &[][..]),
    };
    text.into_iter().chain(links.iter().map(String::as_str))
}

/// Whether a file is of the kind that a reaction names.
fn is_file_of(file: &AttachmentRow, media: Media) -> bool {
    if file.is_hidden {
        return false;
    }
    let name = file.name.as_deref().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_type = |kind: &str, extensions: &[&str]| match file.mime_type.as_deref() {
        Some(mime) => mime.to_ascii_lowercase().starts_with(kind),
        None => extensions.contains(&extension.to_ascii_lowercase().as_str()),
    };
    match media {
        Media::Image => {
            !file.is_sticker && is_type("image/", &["jpg", "jpeg", "png", "heic", "gif", "webp"])
        }
        Media::Video => is_type("video/", &["mov", "mp4", "m4v", "3gp"]),
        Media::Audio => is_type("audio/", &["caf", "m4a", "amr", "mp3"]),
        Media::Sticker => file.is_sticker,
        Media::Any => true,
        Media::Link | Media::Balloon => false,
    }
}
