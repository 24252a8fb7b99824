//! Chats: the values of a row of `chat`, and the guid that is derived from them.

use serde::{Deserialize, Serialize};

use super::words::ChatKind;
use super::{Columns, Style, is_default};

/// The code in `chat.is_filtered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(pub i64);

impl Filter {
    pub const KNOWN: Self = Self(0);
    pub const UNKNOWN_SENDER: Self = Self(1);
    pub const SPAM: Self = Self(2);
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// The name of the chat in the script; empty outside of a script.
    pub id: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ChatKind,
    /// The addresses of the other members.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with: Vec<String>,
    /// The service; `None` for iMessage.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Option<String>,
    /// The guid; `None` to derive it from the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guid: Option<String>,
    /// `chat_identifier`. Without it, the participant of a direct chat, or a generated `chat…` for a
    /// group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub identifier: Option<String>,
    /// `display_name`: the name that the members gave the group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// `is_filtered`: whether Apple's filters take the sender for known, unknown, spam, …
    #[serde(default, skip_serializing_if = "is_default")]
    pub filter: Filter,
    /// The own address in this chat, if it is another than in the rest of the database.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line: Option<String>,
    /// Values of other columns, which are written only when a script is played.
    #[serde(default, skip_serializing_if = "is_default")]
    pub columns: Columns,
}

impl Chat {
    pub fn direct(peer: impl Into<String>) -> Self {
        Self {
            with: vec![peer.into()],
            ..Self::default()
        }
    }

    pub fn group<A: Into<String>>(participants: impl IntoIterator<Item = A>) -> Self {
        Self {
            kind: ChatKind::Group,
            with: participants.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn on(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    #[must_use]
    pub fn with_guid(mut self, guid: impl Into<String>) -> Self {
        self.guid = Some(guid.into());
        self
    }

    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or("iMessage")
    }

    /// The address of the other person in a direct chat.
    pub fn peer(&self) -> Option<&String> {
        self.with.first().filter(|_| self.kind == ChatKind::Direct)
    }

    /// `chat_identifier`: that of the field, else the end of the guid, else the other person's address. `None` if it
    /// has to be generated, for a group.
    pub fn identifier(&self) -> Option<String> {
        let in_guid = || {
            let guid = self.guid.as_ref()?;
            guid.splitn(3, ';').nth(2).map(str::to_owned)
        };
        let peer = || match self.kind {
            ChatKind::Direct => Some(self.peer().cloned().unwrap_or_default()),
            ChatKind::Group => None,
        };
        self.identifier.clone().or_else(in_guid).or_else(peer)
    }

    /// The guid of the chat: the given one, or else one of the style's form that ends with `identifier`.
    pub fn guid_as(&self, identifier: &str, style: Style) -> String {
        self.guid.clone().unwrap_or_else(|| {
            // The service, or `any` since macOS 26.
            let prefix = if style >= Style::Tahoe {
                "any"
            } else {
                self.service()
            };
            let sign = match self.kind {
                ChatKind::Direct => '-',
                ChatKind::Group => '+',
            };
            format!("{prefix};{sign};{identifier}")
        })
    }
}
