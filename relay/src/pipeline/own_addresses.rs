//! Finds the owner's addresses in the rows as they appear.
//!
//! Two things prove an own address: an account has it, or a message came in to it. The peer, the
//! participants and the writer of a row are not proven by that row, and neither is the chat's
//! `last_addressed_handle`, which is the peer's on some Macs. An address from which a person has written
//! is not taken either: it may be a former number of the owner in an old row, and a person's messages
//! must not be taken for the owner's. A found address stays, and is written down in the transaction that
//! decides about the rows that proved it. What the owner declares about an address takes precedence.
//!
//! Most rows prove nothing new and cost three look-ups in memory. chat.db is asked once for each new
//! address, and once for each row that came in: one look-up in the date index shows whether an own message
//! has the same timestamp. Only rows that came in from an own address, from a writer who is not in the
//! chat, or to the writer's own address are compared with all own messages of the same moment.

use std::collections::HashSet;

use chatdb::{Address, Awaited, Chat, ChatDb, ChatStyle, Lines, ReadError, Row, SearchedChats};

use super::row_guard::set_current_row;
use crate::mask::Masked;
use crate::state::own_addresses::FoundAddresses;

/// The number of newest rows that are read if no own address was found yet.
pub(super) const SEARCHED_ROWS: u32 = 300;
/// Refused addresses are kept, so that chat.db is asked about each of them once. When there are this many, all
/// are forgotten.
const MAX_REFUSED: usize = 1_000;

/// The addresses that chat.db has shown to be other people's, and those that may be other people's.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnAddressFinder {
    /// Addresses from which a person has written.
    refused: HashSet<String>,
    /// Own addresses from which a person may have written, and which the log has named.
    reported: HashSet<String>,
}

impl OwnAddressFinder {
    /// Adds to `lines` the own addresses that rows prove; returns `None` if there are no new ones.
    pub(super) fn find_in<'r>(
        &mut self,
        db: &ChatDb,
        rows: impl Iterator<Item = &'r Row>,
        lines: &Lines,
    ) -> Result<Option<Lines>, ReadError> {
        let mut after = lines.clone();
        let mut is_empty = true;
        for row in rows {
            set_current_row(row.rowid, "find_own_addresses");
            is_empty = false;
            for address in self.proven_by(db, row, &after)? {
                after.add_found(address);
            }
        }
        if lines.name().is_none() && !is_empty {
            after.choose_name();
        }
        if after == *lines {
            return Ok(None);
        }
        tracing::info!(
            addresses = after.found().len(),
            "own addresses were found; `archety-relay status` lists them"
        );
        Ok(Some(after))
    }

    /// The own addresses that a row proves and that are not known yet.
    fn proven_by(
        &mut self,
        db: &ChatDb,
        row: &Row,
        lines: &Lines,
    ) -> Result<Vec<Address>, ReadError> {
        let mut proven = Vec::new();
        let Some(chat) = row.chat.as_deref() else {
            return Ok(proven);
        };
        if !chat.members_are_known() {
            return Ok(proven);
        }
        for text in own_candidates(row, chat) {
            if lines.is_own(text)
                || self.refused.contains(text)
                || chat.has_member(text)
                || row.handle.as_deref() == Some(text)
            {
                continue;
            }
            let Some(address) = Address::parse(text).filter(Address::is_of_an_account) else {
                continue;
            };
            if db.has_written(text)? {
                self.refuse(text);
            } else {
                proven.push(address);
            }
        }
        Ok(proven)
    }

    fn refuse(&mut self, address: &str) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.clear();
        }
        self.refused.insert(address.to_owned());
        tracing::warn!(
            address = %Masked(address),
            "messages came in to an address from which a person writes, so it does not count as an own one \
             (if it is one, list it in own_addresses)"
        );
    }

    /// Finds out whether the owner wrote a row that does not say so itself, and whether the row is a note to self;
    /// marks the row accordingly. Returns the guid of the own message of which the row is certainly a copy.
    pub(super) fn examine(
        &mut self,
        db: &ChatDb,
        row: &mut Row,
        lines: &Lines,
    ) -> Result<Option<String>, ReadError> {
        let Some(chat) = row.chat.clone() else {
            return Ok(None);
        };
        if row.is_from_me {
            if let Some(peer) = row.peer_in_own_columns(lines)
                && !db.has_written(peer)?
            {
                row.is_to_itself = db.has_other_side(row)?;
                await_other_side(row);
            }
            return Ok(None);
        }
        let Some(writer) = row.handle.as_deref() else {
            return Ok(None);
        };
        let (is_own, is_member) = (lines.is_own(writer), chat.has_member(writer));
        let is_to_its_writer = row.line.as_deref() == Some(writer);
        let is_beyond_doubt = |own: &Row| is_own || own.sent_at == row.sent_at;
        let mut original = None;
        if is_own || !is_member || is_to_its_writer {
            // For an unknown writer only the same chat counts, since two people may write the same text.
            let searched = if is_own {
                SearchedChats::AnyChat
            } else {
                SearchedChats::SameChat
            };
            original = db.own_send_like(row, searched)?;
        }
        // This search is in any chat and for any writer, since chat and writer may be own addresses that
        // were not found yet. A person who writes the same text does so at another microsecond.
        if !original.as_ref().is_some_and(is_beyond_doubt) {
            original = db.own_send_at(row)?.or(original);
        }
        let may_be_a_persons = is_own
            && is_member
            && !is_to_its_writer
            && original.is_none()
            && !lines.is_declared(writer);
        if may_be_a_persons && self.reported.insert(writer.to_owned()) {
            tracing::warn!(
                address = %Masked(writer),
                "a message came in from an address that counts as an own one; it is posted as the owner's \
                 and not answered (if a person writes from it, list it in own_addresses with an \
                 exclamation mark before it)"
            );
        }
        let certain_original = original
            .as_ref()
            .filter(|own| is_beyond_doubt(own))
            .map(|own| own.guid.clone());
        row.is_own_copy = original.is_some();
        if row.peer_in_own_columns(lines).is_some() {
            row.is_to_itself = db.has_other_side(row)?;
            await_other_side(row);
        } else if !is_own && is_from_other_writer(row, &chat) {
            await_other_side(row);
        }
        Ok(certain_original)
    }
}

/// Makes a row wait for the other row of a note to self, unless that row was found. A note from one own
/// address to another has two rows, a sent one and a received one.
fn await_other_side(row: &mut Row) {
    if !row.is_own_copy && !row.is_to_itself {
        row.awaits = row.awaits.or(Some(Awaited::OtherSide));
    }
}

/// Whether a row came into a direct chat from an address that is not the peer's. The row may be the copy
/// of an own message, from an own address that was not found yet, and may appear before its original.
fn is_from_other_writer(row: &Row, chat: &Chat) -> bool {
    let (writer, peer) = (row.handle.as_deref(), chat.identifier.as_deref());
    let is_not_peer = writer.is_some_and(|writer| peer.is_some() && !chat.has_member(writer));
    is_not_peer && chat.style == ChatStyle::Direct && row.item_type == 0
}

/// The part of `lines` that the state keeps.
pub(super) fn found_in(lines: &Lines) -> FoundAddresses {
    let text = |address: &Address| address.as_str().to_owned();
    FoundAddresses {
        addresses: lines.found().iter().map(text).collect(),
        name: lines.name().map(text),
    }
}

/// `lines` with the part that the state kept.
pub(super) fn with_found(lines: Lines, found: &FoundAddresses) -> Lines {
    let parse = |text: &String| Address::parse(text);
    lines.with_found(
        found.addresses.iter().filter_map(parse).collect(),
        found.name.as_ref().and_then(parse),
    )
}

/// The addresses of a row that may be own ones: those of the accounts, and the one to which a message came in.
fn own_candidates<'r>(row: &'r Row, chat: &'r Chat) -> impl Iterator<Item = &'r str> {
    let came_in = !row.is_from_me && row.handle.is_some();
    let address = row.line.as_deref().filter(|_| came_in);
    address
        .into_iter()
        .chain(row.account.as_deref())
        .chain(chat.account_login.as_deref())
}
