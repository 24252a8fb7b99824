//! The `chat` table.

use rusqlite::Row as SqlRow;

use super::value::{address, flag, integer, text};
use crate::Address;
use crate::schema::Schema;

const COLUMNS: &str = "ROWID, guid, style, chat_identifier, room_name, display_name, account_login, \
    last_addressed_handle, is_filtered, is_blackholed";

/// Whether a chat is direct or a group. A chat of unknown style counts as a group, so that a message to a
/// group is never answered in a direct chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatStyle {
    /// A chat with one other person.
    Direct,
    /// A chat with several other persons.
    #[default]
    Group,
}

/// A row of `chat`. Older versions of macOS keep one row per service for the same conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chat {
    /// `chat.ROWID`
    pub rowid: i64,
    /// `chat.guid`
    pub guid: String,
    /// From `chat.style`, or from `chat.room_name` and the guid if that number is neither 43 nor 45.
    pub style: ChatStyle,
    /// In a direct chat the peer's address, in the normal form of [`Address`] like every address in this
    /// struct; in a group an id that Messages made.
    pub identifier: Option<String>,
    /// The name that the members gave the group.
    pub display_name: Option<String>,
    /// `chat.account_login`: the own address of the account to which the chat belongs. On some Macs the column has the
    /// peer's address.
    pub account_login: Option<String>,
    /// `chat.last_addressed_handle`: the own address that was last used in the chat. On some Macs the column has the
    /// peer's address.
    pub last_addressed_handle: Option<String>,
    /// `chat.is_filtered`: 0 known sender, 1 unknown sender, 2 spam, higher numbers: categories of iOS 26.
    pub filter: i64,
    /// `chat.is_blackholed`: the owner has blocked the chat.
    pub is_blocked: bool,
    /// The addresses of the other persons in the chat.
    pub participants: Vec<String>,
    /// Guids of the other chats of the same group: Messages begins a new chat when the identifier of a group changes.
    pub other_chats_of_group: Vec<String>,
    /// The guid under which the group's first message was posted, if it differs from `guid`. The relay
    /// sets it; chat.db has no such column.
    pub posted_as: Option<String>,
}

impl Chat {
    /// A chat that chat.db no longer has, made of what the relay still knows about it. All other fields are empty.
    pub fn deleted(guid: String, style: ChatStyle, participants: Vec<String>) -> Self {
        let identifier = match style {
            ChatStyle::Direct => guid
                .split_once(";-;")
                .and_then(|(_, peer)| Address::parse(peer))
                .map(Address::into_string),
            ChatStyle::Group => None,
        };
        Self {
            guid,
            style,
            identifier,
            participants,
            ..Self::default()
        }
    }

    /// Whether the members are known. Messages writes the members of a new group a moment after the group.
    pub fn members_are_known(&self) -> bool {
        self.style == ChatStyle::Direct || !self.participants.is_empty()
    }

    /// The address of the other person in a direct chat.
    pub(crate) fn peer(&self) -> Option<&str> {
        let is_direct = self.style == ChatStyle::Direct;
        self.identifier.as_deref().filter(|_| is_direct)
    }

    /// Whether an address is the peer's or a participant's.
    pub fn has_member(&self, address: &str) -> bool {
        self.peer() == Some(address) || self.participants.iter().any(|member| member == address)
    }
}

/// The columns from which [`read`] makes a [`Chat`].
pub(super) fn select_list(schema: &Schema) -> String {
    schema.list("chat", "c", COLUMNS)
}

/// An SQL expression that is 0 for a group and 1 for a direct chat, by the same rules as [`style`]. A query that orders
/// by it returns groups first.
pub(super) fn groups_first(schema: &Schema) -> String {
    let (style, room) = (
        schema.column("chat", "c", "style"),
        schema.column("chat", "c", "room_name"),
    );
    format!(
        "case {style} when 43 then 0 when 45 then 1
         else coalesce({room}, '') = '' and instr(c.guid, ';-;') > 0 end"
    )
}

/// The chat of a row that was selected by [`select_list`]; `None` if it has no guid. `participants` and
/// `other_chats_of_group` are left empty.
pub(super) fn read(row: &SqlRow<'_>) -> rusqlite::Result<Option<Chat>> {
    let Some(guid) = text(row, "guid")? else {
        return Ok(None);
    };
    let style = style(
        integer(row, "style")?,
        &guid,
        text(row, "room_name")?.is_some(),
    );
    let identifier = match style {
        ChatStyle::Direct => address(row, "chat_identifier")?,
        ChatStyle::Group => text(row, "chat_identifier")?,
    };
    Ok(Some(Chat {
        rowid: row.get("ROWID")?,
        guid,
        style,
        identifier,
        display_name: text(row, "display_name")?,
        account_login: address(row, "account_login")?,
        last_addressed_handle: address(row, "last_addressed_handle")?,
        filter: integer(row, "is_filtered")?,
        is_blocked: flag(row, "is_blackholed")?,
        ..Chat::default()
    }))
}

/// The style of a chat from `chat.style`: 43 is a group, 45 is a direct chat. For another number, the guid and
/// whether `chat.room_name` has a value decide. The identifier is not used: `chat.lover@example.com` is a person,
/// and some groups have an identifier of 32 hexadecimal digits.
fn style(number: i64, guid: &str, has_room_name: bool) -> ChatStyle {
    match number {
        43 => ChatStyle::Group,
        45 => ChatStyle::Direct,
        _ if !has_room_name && guid.contains(";-;") => ChatStyle::Direct,
        _ => ChatStyle::Group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_does_not_decide_the_style() {
        assert_eq!(
            style(45, "iMessage;-;chat.lover@example.com", false),
            ChatStyle::Direct
        );
        assert_eq!(
            style(43, "iMessage;+;0123456789abcdef0123456789abcdef", true),
            ChatStyle::Group
        );
        assert_eq!(
            style(43, "any;-;chat655304561542537998", true),
            ChatStyle::Group
        );
    }

    #[test]
    fn a_chat_of_unknown_style_is_direct_only_without_a_room_and_with_a_direct_guid() {
        assert_eq!(
            style(0, "iMessage;-;+15550100001", false),
            ChatStyle::Direct
        );
        assert_eq!(style(0, "iMessage;-;+15550100001", true), ChatStyle::Group);
        assert_eq!(style(0, "something", false), ChatStyle::Group);
    }
}
