//! The sender and the recipients of a message, and the own address that it used.

use sha2::{Digest, Sha256};
use shared_protocol::{MAX_GUID_CHARS, MAX_PARTICIPANTS, without_marks};

use crate::read::{Chat, ChatStyle, Row};
use crate::{Address, Lines};

/// The sender of a row that names none.
const UNKNOWN: &str = "unknown";
/// The owner, if no row shows an own address.
const OWNER: &str = "me";
/// Bound on the bytes of all participants together, so that no body exceeds what the backend accepts.
const MAX_PARTICIPANT_BYTES: usize = 128 * 1024;

/// The two sides of a message.
pub(super) struct Parties {
    /// The owner wrote the message, even if the row is marked as received.
    pub(super) from_owner: bool,
    /// The owner is the only person in the chat.
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

/// The other side, as the row names it, else the peer of a direct chat.
fn writer(row: &Row, chat: &Chat) -> Option<Address> {
    let named = row.handle.as_deref().and_then(Address::parse);
    named.or_else(|| chat.peer().and_then(Address::parse))
}

/// Whether an address is the owner's: it is a known own address, or two of the three columns for the
/// own side name it. One column alone may name the peer on some Macs, and every message of the peer
/// would then count as the owner's.
fn is_own(row: &Row, chat: &Chat, lines: &Lines, address: &Address) -> bool {
    let address = address.as_str();
    lines.is_own(address)
        || (own_sides_naming(row, chat, address) >= 2 && !lines.is_declared_other(address))
}

/// How many of the three columns for the own side name an address.
fn own_sides_naming(row: &Row, chat: &Chat, address: &str) -> usize {
    [&row.line, &row.account, &chat.account_login]
        .into_iter()
        .filter(|own| own.as_deref() == Some(address))
        .count()
}

impl Row {
    /// The peer of the direct chat, if the columns for the own side name that peer and the peer is not
    /// a known own address. Either this is a note to self, or this Mac writes a person's address into
    /// those columns. Only the other side of the message shows which.
    pub fn peer_on_own_side(&self, lines: &Lines) -> Option<&str> {
        let chat = self.chat.as_deref()?;
        let peer = chat.peer()?;
        let is_between = self.is_from_me || self.handle.as_deref() == Some(peer);
        // For a row that the owner wrote one column is enough. A person's rows often have that one,
        // too.
        let is_named = own_sides_naming(self, chat, peer) >= 2
            || (self.is_from_me && self.line.as_deref() == Some(peer));
        (self.item_type == 0
            && is_between
            && is_named
            && !lines.is_own(peer)
            && !lines.is_declared_other(peer))
        .then_some(peer)
    }
}

/// Whether it is certain that the owner is the only person in the chat, so that the row may be skipped.
///
/// The peer must be a known own address, or the message must have both gone out and come in: the
/// columns alone may name a person on some Macs. For a message that the owner typed any own address
/// will do as the peer. A row that came in needs more proof, since an address that was found in chat.db
/// may belong to a person by now, whose messages would be lost. Such a row is a note if the owner
/// declared its writer, or if the row itself shows that it came from the own account or from the
/// address to which it went, or if it is a copy of an own message, or if writer and peer are two own
/// addresses. Otherwise it is posted as the owner's message, which is not answered.
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

/// The line of a row: that of its own address, which must be a known one. The column for that address
/// has the own side in both directions; if it is empty the account is used. As long as no own address
/// is known a row has no line, since any other name would begin another conversation.
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

/// The chat guid on the wire: Messages' own guid without invisible marks, or the guid under which the
/// group's first message was posted.
pub(super) fn chat_guid(chat: &Chat) -> String {
    let own = chat.posted_as.as_ref().unwrap_or(&chat.guid);
    let visible = without_marks(own);
    guid(if visible.is_empty() { own } else { &visible })
}

/// A guid as the wire accepts it. A guid longer than any that Messages makes is replaced by its hash,
/// which keeps different ones apart.
pub(super) fn guid(guid: &str) -> String {
    if guid.chars().nth(MAX_GUID_CHARS).is_none() {
        return guid.to_owned();
    }
    format!("sha256:{}", hex::encode(Sha256::digest(guid)))
}

/// An address in its normal form; `None` if it is empty then.
pub(super) fn handle(address: &str) -> Option<String> {
    Address::parse(address).map(Address::into_string)
}
