//! What a message step says of a balloon's content.

use serde::{Deserialize, Serialize};

use super::words::UrlIs;
use super::{Label, is_default};

/// A link: see [`RichLink`](crate::RichLink).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// Where it leads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
    /// As it was typed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub original: Option<String>,
    /// The page's title.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    /// The class of the addresses.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stored: UrlIs,
}

/// A poll with all its options: see [`Poll`](crate::Poll).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollSpec {
    /// What is asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    /// What can be chosen, in order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Vec<OptionSpec>,
    /// The address of the person who asks; the sender's without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by: Option<String>,
    /// The first poll, where this row adds a choice to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub adds_to: Option<Label>,
}

/// One choice of a poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum OptionSpec {
    /// What it says; its id follows from that.
    Text(String),
    /// The same with what does not follow.
    Whole {
        /// What it says.
        text: String,
        /// `optionIdentifier`
        #[serde(default, skip_serializing_if = "is_default")]
        id: Option<String>,
        /// The address of the person who added it; the poll's without it.
        #[serde(default, skip_serializing_if = "is_default")]
        by: Option<String>,
    },
}

/// A vote: everything that its sender has chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteSpec {
    /// The first poll.
    pub on: Label,
    /// The texts of the options, or their ids. An empty list withdraws.
    #[serde(default, rename = "for")]
    pub options: Vec<String>,
}

/// What an app shows: see [`AppBalloon`](crate::AppBalloon).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalloonSpec {
    /// The app's name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// What `VoiceOver` would say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spoken: Option<String>,
    /// The line under the picture.
    #[serde(default, skip_serializing_if = "is_default")]
    pub caption: Option<String>,
    /// The line under that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subcaption: Option<String>,
    /// What the app itself reads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
}
