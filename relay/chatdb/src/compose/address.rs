//! The sender of a row, its line, the other persons of its chat, and the guids that are posted.

use sha2::{Digest, Sha256};
use shared_protocol::{MAX_GUID_CHARS, MAX_PARTICIPANTS, without_invisible_characters};

use crate::read::{Chat, ChatStyle, Row};
use crate::{Address, Lines};

/// The posted sender if the row and its chat have no address of another person.
const UNKNOWN_SENDER: &str = "unknown";
/// The posted sender of an own message if the row has no line.
const OWNER_WITHOUT_ADDRESS: &str = "me";
/// Bound on the bytes of all participants together, so that no body exceeds what the backend accepts.
const MAX_PARTICIPANT_BYTES: usize = 128 * 1024;

/// The sender of a row, and the line to which its own address belongs.
pub(super) struct SenderAndLine {
    /// Whether the owner wrote the message, even if the row is marked as received.
    pub(super) from_owner: bool,
    /// Whether it is certain that the owner is the only person in the chat.
    pub(super) is_note_to_self: bool,
    /// What is posted as the sender: an address, in an own message the line, or a word if none is known.
    pub(super) sender: String,
    /// The name of the line; `None` as long as no own address is known.
    pub(super) line: Option<String>,
}

impl SenderAndLine {
    pub(super) fn of(row: &Row, chat: &Chat, lines: &Lines) -> Self {
        let handle_or_peer = handle_or_peer(row, chat);
        let from_owner = row.is_from_me
            || row.is_own_copy
            || handle_or_peer
                .as_ref()
                .is_some_and(|address| is_own(row, chat, lines, address));
        let line = line(row, chat, lines).map(|line| line.as_str().to_owned());
        let sender = if from_owner {
            line.clone()
                .unwrap_or_else(|| OWNER_WITHOUT_ADDRESS.to_owned())
        } else {
            handle_or_peer
                .clone()
                .map_or_else(|| UNKNOWN_SENDER.to_owned(), Address::into_string)
        };
        Self {
            is_note_to_self: from_owner
                && is_note_to_self(row, chat, lines, handle_or_peer.as_ref()),
            from_owner,
            sender,
            line,
        }
    }
}

/// The address in the row's handle, else the peer of a direct chat. In a received row this is the writer; in a sent
/// row of a direct chat it is the recipient.
fn handle_or_peer(row: &Row, chat: &Chat) -> Option<Address> {
    let by_handle = row.handle.as_deref().and_then(Address::parse);
    by_handle.or_else(|| chat.peer().and_then(Address::parse))
}

/// Whether an address is the owner's: it is a known own address, or two of the three columns for the
/// own address contain it and the owner has not declared it another person's. One column is not enough: on some
/// Macs one of them contains the peer's address, and every message of the peer would count as the owner's.
fn is_own(row: &Row, chat: &Chat, lines: &Lines, address: &Address) -> bool {
    let address = address.as_str();
    lines.is_own(address)
        || (own_columns_containing(row, chat, address) >= 2 && !lines.is_declared_other(address))
}

/// How many of the three columns for the own address contain `address`: `message.destination_caller_id`,
/// `message.account` and `chat.account_login`.
fn own_columns_containing(row: &Row, chat: &Chat, address: &str) -> usize {
    [&row.line, &row.account, &chat.account_login]
        .into_iter()
        .filter(|own| own.as_deref() == Some(address))
        .count()
}

impl Row {
    /// The peer of the direct chat, if the columns for the own address contain the peer's address and it
    /// is not a known own address. Either the row is a note to self, or this Mac writes another person's
    /// address into those columns. It is a note if chat.db has both a sent and a received row of the message.
    pub fn peer_in_own_columns(&self, lines: &Lines) -> Option<&str> {
        let chat = self.chat.as_deref()?;
        let peer = chat.peer()?;
        let is_to_or_from_peer = self.is_from_me || self.handle.as_deref() == Some(peer);
        // For a row that the owner wrote, `line` alone is enough. In rows of other persons it often contains the
        // peer, too.
        let is_in_own_columns = own_columns_containing(self, chat, peer) >= 2
            || (self.is_from_me && self.line.as_deref() == Some(peer));
        (self.item_type == 0
            && is_to_or_from_peer
            && is_in_own_columns
            && !lines.is_own(peer)
            && !lines.is_declared_other(peer))
        .then_some(peer)
    }
}

/// Whether it is certain that the owner is the only person in the chat, so that the row may be skipped.
///
/// The peer must be a known own address, or chat.db must have both a sent and a received row of the message. The
/// columns for the own address are not enough, as on some Macs they contain another person's. For a sent row, any
/// own address as the peer is proof. A received row needs more proof, since an own address that was found in chat.db
/// may belong to another person by now, whose messages would be lost. A received row is a note if the owner declared
/// the writer's address, if the columns for the own address contain the writer's address, if the row is a copy of an
/// own message, or if writer and peer are two own addresses. Any other received row is posted as the owner's
/// message, which is not answered.
fn is_note_to_self(row: &Row, chat: &Chat, lines: &Lines, writer: Option<&Address>) -> bool {
    let is_own_address =
        |party: &str| Address::parse(party).is_some_and(|address| lines.is_own(address.as_str()));
    let is_owner_alone = match chat.style {
        ChatStyle::Direct if row.is_to_itself => return true,
        ChatStyle::Direct => chat.identifier.as_deref().is_some_and(is_own_address),
        ChatStyle::Group => {
            !chat.participants.is_empty()
                && chat.participants.iter().all(|party| is_own_address(party))
        }
    };
    if !is_owner_alone || row.is_from_me || row.is_own_copy {
        return is_owner_alone;
    }
    writer.is_some_and(|writer| {
        let writer = writer.as_str();
        lines.is_declared(writer)
            || own_columns_containing(row, chat, writer) > 0
            || !chat.has_member(writer)
    })
}

/// The line to which the own address of a row belongs. The column `destination_caller_id` usually has that address; if
/// it has no known own address, the columns for the account are tried. A row has no line as long as no own
/// address is known: a guess would begin a conversation of its own in the backend.
fn line<'l>(row: &Row, chat: &Chat, lines: &'l Lines) -> Option<&'l Address> {
    if let Some(only) = lines.only_line() {
        return Some(only);
    }
    let candidates = [
        &row.line,
        &row.account,
        &chat.account_login,
        &chat.last_addressed_handle,
    ];
    let own_address = candidates
        .into_iter()
        .filter_map(|address| address.as_deref())
        .find(|address| lines.is_own(address));
    lines.line_of(own_address)
}

/// The addresses of the other persons in the chat, as many as the backend accepts.
pub(super) fn participants(chat: &Chat) -> Vec<String> {
    let mut bytes = 0;
    let mut others: Vec<String> = chat
        .participants
        .iter()
        .filter_map(|address| normal_form(address))
        .take(MAX_PARTICIPANTS)
        .take_while(|address| {
            bytes += address.len();
            bytes <= MAX_PARTICIPANT_BYTES
        })
        .collect();
    if others.is_empty() && chat.style == ChatStyle::Direct {
        others.extend(chat.identifier.as_deref().and_then(normal_form));
    }
    others
}

/// The posted chat guid, without invisible characters: the guid in chat.db, or the one under which the group's
/// first message was posted.
pub(super) fn chat_guid(chat: &Chat) -> String {
    let posted = chat.posted_as.as_ref().unwrap_or(&chat.guid);
    let visible = without_invisible_characters(posted);
    guid(if visible.is_empty() { posted } else { &visible })
}

/// A guid of at most [`MAX_GUID_CHARS`]. A longer guid, which Messages never makes, is replaced by its
/// hash, so that different guids stay different.
pub(super) fn guid(guid: &str) -> String {
    if guid.chars().nth(MAX_GUID_CHARS).is_none() {
        return guid.to_owned();
    }
    format!("sha256:{}", hex::encode(Sha256::digest(guid)))
}

/// The normal form of [`Address`]; `None` if it is empty.
pub(super) fn normal_form(address: &str) -> Option<String> {
    Address::parse(address).map(Address::into_string)
}
