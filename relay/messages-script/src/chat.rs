//! Chats: what a row of `chat` says, and how its guid follows from that.

use serde::{Deserialize, Serialize};

use super::words::ChatKind;
use super::{Columns, Style, is_default};

/// `chat.is_filtered`: a code, not a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(pub i64);

impl Filter {
    /// A known sender.
    pub const KNOWN: Self = Self(0);
    /// An unknown sender.
    pub const UNKNOWN_SENDER: Self = Self(1);
    /// Spam.
    pub const SPAM: Self = Self(2);
}

/// A chat.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Its name in the script; empty outside of one.
    pub id: String,
    /// Direct or group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ChatKind,
    /// The others' addresses.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with: Vec<String>,
    /// `iMessage` without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Option<String>,
    /// The whole guid, where the one that follows from the rest won't do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guid: Option<String>,
    /// `chat_identifier`; without it the only participant of a direct chat, a made-up `chat…` of a
    /// group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub identifier: Option<String>,
    /// `display_name`: the name that its members gave it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Known, unknown, spam, …
    #[serde(default, skip_serializing_if = "is_default")]
    pub filter: Filter,
    /// The own address here, if not the database's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line: Option<String>,
    /// Anything else; the player sets it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub columns: Columns,
}

impl Chat {
    /// A direct iMessage chat.
    pub fn direct(peer: impl Into<String>) -> Self {
        Self {
            with: vec![peer.into()],
            ..Self::default()
        }
    }

    /// An iMessage group.
    pub fn group<A: Into<String>>(participants: impl IntoIterator<Item = A>) -> Self {
        Self {
            kind: ChatKind::Group,
            with: participants.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The same chat on another service.
    #[must_use]
    pub fn on(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// The same chat with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same chat under a given guid.
    #[must_use]
    pub fn with_guid(mut self, guid: impl Into<String>) -> Self {
        self.guid = Some(guid.into());
        self
    }

    /// The service that it is on.
    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or("iMessage")
    }

    /// The other one, in a direct chat.
    pub fn peer(&self) -> Option<&String> {
        self.with.first().filter(|_| self.kind == ChatKind::Direct)
    }

    /// `chat_identifier`; `None` if it has to be made up.
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

    /// The guid that it gets in a style if `identifier` is its identifier.
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
