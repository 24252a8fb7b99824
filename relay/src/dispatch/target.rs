//! Finds the chat, the service and the line of a text in chat.db.
//!
//! The chat is that of the row that the text answers, because guids of chats differ between versions of macOS. The
//! line is compared by membership: each own address belongs to one line, however it is spelled.

use std::path::Path;

use chatdb::{Address, Chat, ChatDb, ChatStyle, OpenError, ReadError};
use shared_protocol::Line;

use crate::state::ledger::dispatching::BubbleToSend;

/// Where a text goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `chat.guid`
    pub(super) chat_guid: String,
    pub(super) service: Option<String>,
    /// The address of the other person, as `handle.id` has it, if Messages may choose the chat by it: a direct chat
    /// that holds the answered message.
    pub(super) participant: Option<String>,
    /// The line from which Messages would send, if an own address shows that it is another one than the text's.
    pub(super) other_line: Option<String>,
    /// The highest ROWID of chat.db.
    pub(super) sequence: i64,
}

/// Why no chat was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("chat.db has no chat for the text")]
    NoChat,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Finds the target of a text. `lines` are the relay's lines.
pub(super) fn find(
    chat_db: &Path,
    bubble: &BubbleToSend,
    lines: &[Line],
) -> Result<Target, TargetError> {
    let db = ChatDb::open(chat_db)?;
    let sequence = db.sequence()?;
    let anchor = match &bubble.anchor_guid {
        Some(guid) => match db.rowid_of(guid)? {
            Some(rowid) => db.row(rowid)?,
            None => None,
        },
        None => None,
    };
    let mut chat = anchor.as_ref().and_then(|row| row.chat.clone());
    let has_anchor = chat.is_some();
    for guid in std::iter::once(&bubble.chat_guid).chain(&bubble.aliases) {
        if chat.is_some() {
            break;
        }
        chat = db.chat(guid)?;
    }
    let chat = chat.ok_or(TargetError::NoChat)?;
    let anchor_line = anchor.as_ref().and_then(|row| row.line.as_deref());
    let evidence = [anchor_line, chat.last_addressed_handle.as_deref()];
    let participant = match &anchor {
        Some(row) if has_anchor && chat.style == ChatStyle::Direct => db.raw_handle(row.rowid)?,
        _ => None,
    };
    let participant = participant.filter(|address| is_only_peer(&chat, address));
    Ok(Target {
        chat_guid: chat.guid.clone(),
        service: anchor
            .as_ref()
            .and_then(|row| row.service.clone())
            .or(bubble.service.clone()),
        participant,
        other_line: bubble
            .line
            .as_deref()
            .and_then(|line| other_line(lines, line, &evidence)),
        sequence,
    })
}

/// The own address from which Messages has sent the row with this guid, if the row names one.
pub(super) fn line_of_row(chat_db: &Path, guid: &str) -> Result<Option<String>, TargetError> {
    let rows = ChatDb::open(chat_db)?.rows_by_guid(&[guid])?;
    Ok(rows.into_iter().next().and_then(|row| row.line))
}

/// Whether the address is the only other person of a direct chat.
fn is_only_peer(chat: &Chat, address: &str) -> bool {
    let is_group_id = chat.guid.contains(";-;chat");
    let normal = Address::parse(address);
    let is_peer = |member: &String| {
        normal
            .as_ref()
            .is_some_and(|normal| normal.as_str() == member)
    };
    !is_group_id
        && chat.identifier.as_ref().is_none_or(is_peer)
        && chat.participants.len() == 1
        && chat.participants.iter().all(is_peer)
}

/// The name of the line to which an own address in `evidence` belongs, if it is not the line of `wanted`. An address
/// that is not our own says nothing.
pub(super) fn other_line(
    lines: &[Line],
    wanted: &str,
    evidence: &[Option<&str>],
) -> Option<String> {
    let line_of = |address: &str| {
        let address = Address::parse(address)?;
        let has = |line: &&Line| line.addresses.iter().any(|own| own == address.as_str());
        lines.iter().find(has)
    };
    let wanted = line_of(wanted)?;
    let found = evidence
        .iter()
        .flatten()
        .filter_map(|address| line_of(address));
    found
        .filter(|line| line.name != wanted.name)
        .map(|line| line.name.clone())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(addresses: &[&str]) -> Line {
        Line {
            name: addresses[0].to_owned(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn only_an_own_address_of_another_line_counts_against_a_line() {
        let lines = [
            line(&["+15550109999", "sage@example.com"]),
            line(&["+15550108888"]),
        ];
        let other = |evidence: Option<&str>| other_line(&lines, "+15550109999", &[evidence]);
        for same in [
            "+15550109999",
            "tel:+15550109999",
            "E:Sage@Example.com",
            "P:+1 555 010 9999",
        ] {
            assert_eq!(other(Some(same)), None, "{same}");
        }
        for nothing in [
            None,
            Some(""),
            Some("+15550100001"),
            Some("E:"),
            Some("chat1"),
        ] {
            assert_eq!(other(nothing), None, "{nothing:?}");
        }
        assert_eq!(
            other(Some("tel:+15550108888")).as_deref(),
            Some("+15550108888")
        );
        let unknown_line = other_line(&lines, "+15550107777", &[Some("+15550108888")]);
        assert_eq!(unknown_line, None);
    }
}
