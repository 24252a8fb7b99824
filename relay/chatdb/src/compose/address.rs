//! Who sent a message, to whom, and on which of the own addresses.

use sha2::{Digest, Sha256};
use shared_protocol::{MAX_GUID_CHARS, MAX_PARTICIPANTS, without_marks};

use crate::read::{Chat, ChatStyle, Row};
use crate::{Address, Lines};

/// Stands in for a sender whom Messages never named.
const UNKNOWN: &str = "unknown";
/// Stands in for the owner where no row tells an own address.
const OWNER: &str = "me";
/// Bound on the bytes of all participants together, so that no body outgrows what the backend takes.
const MAX_PARTICIPANT_BYTES: usize = 128 * 1024;

/// Who wrote a row, and on which side of it the owner stands.
pub(super) struct Parties {
    /// The owner wrote it, even if the row says that it came in.
    pub(super) from_owner: bool,
    /// The owner is the only one in the chat.
    pub(super) is_note_to_self: bool,
    pub(super) sender: String,
    pub(super) line: Option<String>,
}

impl Parties {
    pub(super) fn of(row: &Row, chat: &Chat, lines: &Lines) -> Self {
        let writer = writer(row, chat);
        let from_owner = row.is_from_me
            || row.is_own_copy
            || writer
                .as_ref()
                .is_some_and(|writer| is_own(row, chat, lines, writer));
        let line = line(row, chat, lines).map(|line| line.as_str().to_owned());
        let sender = if from_owner {
            line.clone().unwrap_or_else(|| OWNER.to_owned())
        } else {
            writer
                .clone()
                .map_or_else(|| UNKNOWN.to_owned(), Address::into_string)
        };
        Self {
            is_note_to_self: from_owner && is_note_to_self(row, chat, lines, writer.as_ref()),
            from_owner,
            sender,
            line,
        }
    }
}

/// The other side, as the row names it; in a direct chat else the peer.
fn writer(row: &Row, chat: &Chat) -> Option<Address> {
    let named = row.handle.as_deref().and_then(Address::parse);
    named.or_else(|| chat.peer().and_then(Address::parse))
}

/// An own address is a known one, or one that two of the three columns for the own side name. One column
/// alone may name the peer on some Mac, and all that the peer writes would be ours.
fn is_own(row: &Row, chat: &Chat, lines: &Lines, address: &Address) -> bool {
    let address = address.as_str();
    lines.is_own(address)
        || (own_sides_naming(row, chat, address) >= 2 && !lines.is_anothers(address))
}

/// How many of the columns for the own side name an address.
fn own_sides_naming(row: &Row, chat: &Chat, address: &str) -> usize {
    [&row.line, &row.account, &chat.account_login]
        .into_iter()
        .filter(|own| own.as_deref() == Some(address))
        .count()
}

impl Row {
    /// The peer of its direct chat, if the columns for the own side name that peer, which is not known as
    /// an own address. Either this is a note to self, or this Mac writes a person's address there: only
    /// the other side of the message tells.
    pub fn peer_on_own_side(&self, lines: &Lines) -> Option<&str> {
        let chat = self.chat.as_deref()?;
        let peer = chat.peer()?;
        let is_between = self.is_from_me || self.handle.as_deref() == Some(peer);
        // One column is enough where the owner wrote; a person's rows often have that one.
        let is_named = own_sides_naming(self, chat, peer) >= 2
            || (self.is_from_me && self.line.as_deref() == Some(peer));
        (self.item_type == 0
            && is_between
            && is_named
            && !lines.is_own(peer)
            && !lines.is_anothers(peer))
        .then_some(peer)
    }
}

/// Whether the owner is the only one in the chat, certainly enough to skip the row.
///
/// The peer must be a known own address, or the message must have both gone out and come in: columns
/// alone may name a person on some Mac. What the owner typed is no person's message, so any own address
/// will do as the peer. A row that came in needs more: an address that was learnt may have gone to a
/// person since, whose messages would vanish. It is a note if the writer was declared, or the row itself
/// says that it came from the own account or the address that it went to, or it repeats an own message,
/// or writer and peer are two own addresses. Otherwise it is told as ours, which loses nothing and is
/// never answered.
fn is_note_to_self(row: &Row, chat: &Chat, lines: &Lines, writer: Option<&Address>) -> bool {
    let ours =
        |party: &str| Address::parse(party).is_some_and(|address| lines.is_own(address.as_str()));
    let alone = match chat.style {
        ChatStyle::Direct if row.is_to_itself => return true,
        ChatStyle::Direct => chat.identifier.as_deref().is_some_and(ours),
        ChatStyle::Group => {
            !chat.participants.is_empty() && chat.participants.iter().all(|party| ours(party))
        }
    };
    if !alone || row.is_from_me || row.is_own_copy {
        return alone;
    }
    writer.is_some_and(|writer| {
        let writer = writer.as_str();
        lines.is_declared(writer)
            || own_sides_naming(row, chat, writer) > 0
            || !chat.has_party(writer)
    })
}

/// The line of a row: that of its own address, which must be a known one. The column for it holds the own
/// side in both directions; where it is empty the account tells. As long as no own address is known a
/// row has no line: any other name would be another conversation.
fn line<'l>(row: &Row, chat: &Chat, lines: &'l Lines) -> Option<&'l Address> {
    if let Some(only) = lines.only_line() {
        return Some(only);
    }
    let named = [
        &row.line,
        &row.account,
        &chat.account_login,
        &chat.last_addressed_handle,
    ];
    let own = named
        .into_iter()
        .filter_map(|own| own.as_deref())
        .find(|own| lines.is_own(own));
    lines.line_of(own)
}

pub(super) fn participants(chat: &Chat) -> Vec<String> {
    let mut bytes = 0;
    let mut others: Vec<String> = chat
        .participants
        .iter()
        .filter_map(|address| handle(address))
        .take(MAX_PARTICIPANTS)
        .take_while(|address| {
            bytes += address.len();
            bytes <= MAX_PARTICIPANT_BYTES
        })
        .collect();
    if others.is_empty() && chat.style == ChatStyle::Direct {
        others.extend(chat.identifier.as_deref().and_then(handle));
    }
    others
}

/// The guid under which the wire names a chat: Messages' own, without marks that no one sees, or the one
/// under which the group was told first.
pub(super) fn chat_guid(chat: &Chat) -> String {
    let own = chat.told_as.as_ref().unwrap_or(&chat.guid);
    let visible = without_marks(own);
    guid(if visible.is_empty() { own } else { &visible })
}

/// A guid as the wire takes it. Longer ones than any that Messages makes are named by their hash,
/// which keeps them apart.
pub(super) fn guid(guid: &str) -> String {
    if guid.chars().nth(MAX_GUID_CHARS).is_none() {
        return guid.to_owned();
    }
    Sha256::digest(guid.as_bytes())
        .iter()
        .fold("sha256:".to_owned(), |name, byte| {
            format!("{name}{byte:02x}")
        })
}

/// An address in its normal form; `None` if nothing is left of it.
pub(super) fn handle(address: &str) -> Option<String> {
    Address::parse(address).map(Address::into_string)
}
