//! The versions of macOS whose chat.db the stand-in can write.
//!
//! A style is the schema and content that one version writes into a new database. Real databases of one
//! version differ (upgraded ones keep old columns), so a reader of chat.db must not rely on the version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The macOS whose database is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Style {
    /// macOS 12: no edits, no unsends, no "Recently Deleted".
    Monterey,
    /// macOS 13: edits and unsends; since this version `text` is mostly NULL.
    Ventura,
    /// macOS 15: emoji tapbacks, Send Later, RCS and satellite.
    Sequoia,
    /// macOS 26: chats under `any;±;`, `chat_lookup`, unsends without `date_retracted`.
    Tahoe,
    /// macOS 27: the column `filter_action` of messages and joins.
    Macos27,
}

impl Style {
    pub const ALL: [Self; 5] = [
        Self::Monterey,
        Self::Ventura,
        Self::Sequoia,
        Self::Tahoe,
        Self::Macos27,
    ];

    /// The style of an existing database, by the columns of its `message` that each version added.
    pub fn of_columns(columns: &[String]) -> Self {
        let added = [
            ("filter_action", Self::Macos27),
            ("index_state", Self::Tahoe),
            ("schedule_type", Self::Sequoia),
            ("date_edited", Self::Ventura),
        ];
        let newest = added
            .into_iter()
            .find(|(column, _)| columns.iter().any(|name| name == column));
        newest.map_or(Self::Monterey, |(_, style)| style)
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monterey => "monterey",
            Self::Ventura => "ventura",
            Self::Sequoia => "sequoia",
            Self::Tahoe => "tahoe",
            Self::Macos27 => "macos27",
        })
    }
}

/// No style has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such style: {0:?} (monterey, ventura, sequoia, tahoe, macos27)")]
pub struct UnknownStyle(String);

impl TryFrom<String> for Style {
    type Error = UnknownStyle;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl FromStr for Style {
    type Err = UnknownStyle;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "12" | "monterey" => Ok(Self::Monterey),
            "13" | "ventura" => Ok(Self::Ventura),
            "15" | "sequoia" => Ok(Self::Sequoia),
            "26" | "tahoe" => Ok(Self::Tahoe),
            "27" | "macos27" => Ok(Self::Macos27),
            _ => Err(UnknownStyle(name.to_owned())),
        }
    }
}
