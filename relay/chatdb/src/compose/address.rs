//! Who sent a message, to whom, and on which of the own addresses.

use sha2::{Digest, Sha256};
use shared_protocol::{MAX_GUID_CHARS, MAX_PARTICIPANTS, MAX_SENDER_CHARS};

use super::Options;
use crate::read::{Chat, ChatStyle, Row};

/// Stands in for a sender whom Messages never named.
const UNKNOWN: &str = "unknown";
/// Stands in for the owner where no row tells an own address.
const OWNER: &str = "me";
/// Bound on the bytes of all participants together, so that no body outgrows what the backend takes.
const MAX_PARTICIPANT_BYTES: usize = 128 * 1024;

pub(super) fn sender(row: &Row, chat: &Chat, options: &Options) -> String {
    if row.is_from_me {
        let own = options.owner_handle.clone().or_else(|| line(row, chat));
        return own
            .as_deref()
            .and_then(handle)
            .unwrap_or_else(|| OWNER.to_owned());
    }
    let peer = match chat.style {
        ChatStyle::Direct => chat.identifier.as_deref(),
        ChatStyle::Group => None,
    };
    row.handle
        .as_deref()
        .and_then(handle)
        .or_else(|| peer.and_then(handle))
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The own address that a message came in on. Messages' column for it holds the own side in both
/// directions.
pub(super) fn line(row: &Row, chat: &Chat) -> Option<String> {
    [
        &row.line,
        &chat.last_addressed_handle,
        &row.account,
        &chat.account_login,
    ]
    .into_iter()
    .find_map(|address| address.as_deref().and_then(handle))
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

/// A note to self is a direct chat whose peer is the address that the row itself went through. The
/// peer alone proves nothing: it is the chat's identifier in every outgoing row.
pub(super) fn is_note_to_self(row: &Row, chat: &Chat, options: &Options) -> bool {
    let (ChatStyle::Direct, Some(peer)) = (chat.style, chat.identifier.as_deref()) else {
        return false;
    };
    let own = |address: &Option<String>| address.as_deref() == Some(peer);
    own(&row.line)
        && (own(&row.account)
            || own(&chat.account_login)
            || own(&options.owner_handle)
            || own(&chat.last_addressed_handle))
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

/// An address without control characters, clipped; none if nothing is left.
pub(super) fn handle(address: &str) -> Option<String> {
    let clean: String = address
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_SENDER_CHARS)
        .collect();
    (!clean.is_empty()).then_some(clean)
}
