//! Which addresses are the owner's, learnt from the rows as they come in.
//!
//! Two things prove an own address: an account names it, or a message came in to it. It is never the
//! peer, a participant or the writer of the very row, and never taken from the chat's
//! `last_addressed_handle`, which is the peer's on some Macs. An address from which a person has
//! written is not learnt either, such as a former number of the owner's in an old row; a person's
//! messages must not be taken for ours. What is learnt stays, and is written down in the transaction
//! that settles the rows that proved it. The owner's word goes before all of it.
//!
//! Most rows prove nothing new and cost three look-ups in memory. chat.db is asked once for each new
//! address, and once for each row that came in: one look-up in the date index tells whether an own message
//! has the same instant. Only rows whose writer is an own address or is not in the chat are compared with
//! all own messages of the same moment.

use std::collections::HashSet;

use chatdb::{Address, Awaited, Chat, ChatDb, ChatStyle, CopyOf, Lines, ReadError, Row};

use super::row_guard::take_in_hand;
use crate::mask::Masked;
use crate::state::own_addresses::Learnt;

/// Rows that are looked at when nothing was learnt yet, newest first.
const LOOK_BACK: u32 = 300;
/// So many refused addresses are remembered, to ask chat.db once about each.
const MAX_REFUSED: usize = 1_000;

/// What is known of own addresses, and what was found out about others.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnAddresses {
    /// A person has written from these.
    refused: HashSet<String>,
    /// Own addresses whose doubtful messages were reported.
    reported: HashSet<String>,
}

impl OwnAddresses {
    /// Learns from the newest rows of chat.db: at the first start, and at the first after an upgrade.
    pub(super) fn look_back(&mut self, db: &ChatDb, lines: &mut Lines) -> Result<(), ReadError> {
        let rows = db.addresses_of_newest(LOOK_BACK)?;
        if let Some(after) = self.learn_from(db, rows.iter(), lines)? {
            *lines = after;
        }
        Ok(())
    }

    /// Learns from rows that are about to be settled: what is known after them, if that is news.
    pub(super) fn learn_from<'r>(
        &mut self,
        db: &ChatDb,
        rows: impl Iterator<Item = &'r Row>,
        lines: &Lines,
    ) -> Result<Option<Lines>, ReadError> {
        let mut after: Option<Lines> = None;
        let mut is_empty = true;
        for row in rows {
            take_in_hand(row.rowid, "learn");
            is_empty = false;
            for address in self.proven_by(db, row, after.as_ref().unwrap_or(lines))? {
                after.get_or_insert_with(|| lines.clone()).learn(address);
            }
        }
        if lines.name().is_none() && !is_empty {
            after.get_or_insert_with(|| lines.clone()).choose_name();
        }
        let news = after.filter(|after| after != lines);
        if let Some(lines) = &news {
            tracing::info!(
                addresses = lines.learnt().len(),
                "own addresses were learnt; `archety-relay status` lists them"
            );
        }
        Ok(news)
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
        if !chat.parties_are_known() {
            return Ok(proven);
        }
        for text in named(row, chat) {
            if lines.is_own(text)
                || self.refused.contains(text)
                || chat.has_party(text)
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
            "messages came in to an address from which a person writes; it is taken for that person's \
             (if it is an own one, list it in own_addresses)"
        );
    }

    /// Asks chat.db about a row whose writer alone does not tell whose it is. Returns the guid of the
    /// own message that it repeats beyond doubt: the two are one.
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
            if let Some(peer) = row.peer_on_own_side(lines)
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
        let (is_own, is_party) = (lines.is_own(writer), chat.has_party(writer));
        let went_to_itself = row.line.as_deref() == Some(writer);
        let is_beyond_doubt = |own: &Row| is_own || own.sent_at == row.sent_at;
        let mut own_send = None;
        if is_own || !is_party || went_to_itself {
            // Of an unknown writer only the same chat counts: others say the same now and then.
            let place = if is_own {
                CopyOf::AnyChat
            } else {
                CopyOf::SameChat
            };
            own_send = db.own_send_like(row, place)?;
        }
        // Whatever the chat and the writer: an alias that is not learnt yet may be either's name. A person
        // who says the same says it at another instant.
        if !own_send.as_ref().is_some_and(is_beyond_doubt) {
            own_send = db.own_send_at(row)?.or(own_send);
        }
        let may_be_a_persons = is_own
            && is_party
            && !went_to_itself
            && own_send.is_none()
            && !lines.is_declared(writer);
        if may_be_a_persons && self.reported.insert(writer.to_owned()) {
            tracing::warn!(
                address = %Masked(writer),
                "a message came in from an address that is taken for an own one; it is told as the owner's \
                 and not answered (if a person writes from it, list it in own_addresses behind an \
                 exclamation mark)"
            );
        }
        let certain = own_send
            .as_ref()
            .filter(|own| is_beyond_doubt(own))
            .map(|own| own.guid.clone());
        row.is_own_copy = own_send.is_some();
        if row.peer_on_own_side(lines).is_some() {
            row.is_to_itself = db.has_other_side(row)?;
            await_other_side(row);
        } else if !is_own && is_odd(row, &chat) {
            await_other_side(row);
        }
        Ok(certain)
    }
}

/// Lets a row wait a moment for its other side, unless that is there.
fn await_other_side(row: &mut Row) {
    if !row.is_own_copy && !row.is_to_itself {
        row.awaits = row.awaits.or(Some(Awaited::OtherSide));
    }
}

/// Whether a row came into a direct chat from an address that is not the peer's. It may be the copy of an
/// own message, from an own address that is not known yet, and the copy may be there first.
fn is_odd(row: &Row, chat: &Chat) -> bool {
    let (writer, peer) = (row.handle.as_deref(), chat.identifier.as_deref());
    let is_others = writer.is_some_and(|writer| peer.is_some() && !chat.has_party(writer));
    is_others && chat.style == ChatStyle::Direct && row.item_type == 0
}

/// What a state keeps of `lines`.
pub(super) fn memory_of(lines: &Lines) -> Learnt {
    let text = |address: &Address| address.as_str().to_owned();
    Learnt {
        addresses: lines.learnt().iter().map(text).collect(),
        name: lines.name().map(text),
    }
}

/// `lines` with what a state kept of it.
pub(super) fn with_memory(lines: Lines, learnt: &Learnt) -> Lines {
    let parse = |text: &String| Address::parse(text);
    lines.remembering(
        learnt.addresses.iter().filter_map(parse).collect(),
        learnt.name.as_ref().and_then(parse),
    )
}

/// The addresses that a row names as the own side: those of the accounts, and the one that a message came
/// in to.
fn named<'r>(row: &'r Row, chat: &'r Chat) -> impl Iterator<Item = &'r str> {
    let came_in = !row.is_from_me && row.handle.is_some();
    let address = row.line.as_deref().filter(|_| came_in);
    address
        .into_iter()
        .chain(row.account.as_deref())
        .chain(chat.account_login.as_deref())
}
