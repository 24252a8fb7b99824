//! Contents of balloons: links, polls, votes, and texts of other apps.

use serde::{Deserialize, Serialize};

use super::words::UrlClass;
use super::{Guids, Label, is_default};

/// The metadata of a link: `LPLinkMetadata`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RichLink {
    /// `URL`: the address after redirections.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
    /// `originalURL`: the address as it was typed.
    #[serde(default, rename = "original", skip_serializing_if = "is_default")]
    pub original_url: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    /// The class in which the addresses are archived.
    #[serde(default, rename = "stored", skip_serializing_if = "is_default")]
    pub class: UrlClass,
}

impl RichLink {
    /// A link without redirections and without a title.
    pub fn new(url: impl Into<String>) -> Self {
        let url = Some(url.into());
        Self {
            original_url: url.clone(),
            url,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

/// A poll with all its options. The row of the poll and each row that adds a choice hold the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Vec<PollOption>,
    /// The address of the poll's creator. Without it, the address of the row's sender is
    /// written.
    #[serde(default, rename = "by", skip_serializing_if = "is_default")]
    pub creator: Option<String>,
    /// The first row of the poll, if this row adds a choice to an existing poll.
    #[serde(default, skip_serializing_if = "is_default")]
    pub adds_to: Option<Label>,
}

/// One choice of a poll. A script can write the text alone; then the id is derived from the text.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "OptionInScript")]
pub struct PollOption {
    pub text: String,
    /// `optionIdentifier`, a UUID.
    pub id: String,
    /// The address of the person who added the choice. Without it, the poll's creator is
    /// written.
    #[serde(rename = "by", skip_serializing_if = "is_default")]
    pub creator: Option<String>,
}

/// An option as a script writes it: the text alone, or all fields.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum OptionInScript {
    Text(String),
    Whole {
        text: String,
        id: Option<String>,
        by: Option<String>,
    },
}

impl From<OptionInScript> for PollOption {
    fn from(option: OptionInScript) -> Self {
        let (text, id, creator) = match option {
            OptionInScript::Text(text) => (text, None, None),
            OptionInScript::Whole { text, id, by } => (text, id, by),
        };
        let id = id.unwrap_or_else(|| Self::id_of(&text));
        Self { text, id, creator }
    }
}

impl Poll {
    /// A poll by `creator` with `options`, whose ids are derived from their texts.
    pub fn new<T: Into<String>>(
        title: impl Into<String>,
        creator: impl Into<String>,
        options: impl IntoIterator<Item = T>,
    ) -> Self {
        let creator = creator.into();
        let option = |text: T| PollOption::new(text, creator.clone());
        Self {
            title: Some(title.into()),
            options: options.into_iter().map(option).collect(),
            creator: Some(creator),
            adds_to: None,
        }
    }
}

impl PollOption {
    /// An option by `creator`, whose id is derived from its text.
    pub fn new(text: impl Into<String>, creator: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            id: Self::id_of(&text),
            text,
            creator: Some(creator.into()),
        }
    }

    /// The id that is derived from an option's text.
    pub fn id_of(text: &str) -> String {
        Guids::from_text(&format!("option {text}")).next_guid()
    }
}

/// A vote: all options that the sender has chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The first row of the poll.
    pub on: Label,
    /// The texts or the ids of the options. An empty list withdraws the vote.
    #[serde(default, rename = "for")]
    pub options: Vec<String>,
}

/// The texts in the balloon of an app.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppBalloon {
    /// `an`: the app's name.
    #[serde(default, rename = "name", skip_serializing_if = "is_default")]
    pub app: Option<String>,
    /// `ldtext`: the text that `VoiceOver` speaks, such as an amount or a state.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spoken: Option<String>,
    /// `userInfo`: the line under the picture.
    #[serde(default, skip_serializing_if = "is_default")]
    pub caption: Option<String>,
    /// `userInfo`: the second line under the picture.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subcaption: Option<String>,
    /// `URL`: data for the app itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
}
