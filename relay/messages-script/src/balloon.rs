//! What balloons show: links, polls, votes, and what other apps say.

use serde::{Deserialize, Serialize};

use super::words::UrlClass;
use super::{Guids, Label, is_default};

/// What Messages knows about a link: `LPLinkMetadata`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RichLink {
    /// `URL`: where the link leads after redirections.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
    /// `originalURL`: as it was typed.
    #[serde(default, rename = "original", skip_serializing_if = "is_default")]
    pub original_url: Option<String>,
    /// The page's title.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    /// How the addresses are archived.
    #[serde(default, rename = "stored", skip_serializing_if = "is_default")]
    pub class: UrlClass,
}

impl RichLink {
    /// A link that leads where it says, without a title.
    pub fn new(url: impl Into<String>) -> Self {
        let url = Some(url.into());
        Self {
            original_url: url.clone(),
            url,
            ..Self::default()
        }
    }

    /// The same with a title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

/// A poll with all its options, as the creation and each added choice carry it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
    /// What can be chosen, in order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Vec<PollOption>,
    /// The address of the person who asks; in a script, the sender's without it.
    #[serde(default, rename = "by", skip_serializing_if = "is_default")]
    pub creator: Option<String>,
    /// The first poll, where a row adds a choice to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub adds_to: Option<Label>,
}

/// One choice of a poll. In a script, one whose id follows from what it says is that text alone.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "OptionWords")]
pub struct PollOption {
    /// What it says.
    pub text: String,
    /// `optionIdentifier`, a UUID.
    pub id: String,
    /// The address of the person who added it; in a script, the poll's without it.
    #[serde(rename = "by", skip_serializing_if = "is_default")]
    pub creator: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum OptionWords {
    Text(String),
    Whole {
        text: String,
        id: Option<String>,
        by: Option<String>,
    },
}

impl From<OptionWords> for PollOption {
    fn from(words: OptionWords) -> Self {
        let (text, id, creator) = match words {
            OptionWords::Text(text) => (text, None, None),
            OptionWords::Whole { text, id, by } => (text, id, by),
        };
        let id = id.unwrap_or_else(|| Self::id_of(&text));
        Self { text, id, creator }
    }
}

impl Poll {
    /// A poll by `creator` on `options`, whose ids follow from their texts.
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
    /// An option by `creator`; its id follows from its text.
    pub fn new(text: impl Into<String>, creator: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            id: Self::id_of(&text),
            text,
            creator: Some(creator.into()),
        }
    }

    /// The id that an option of this text gets if no other is given.
    pub fn id_of(text: &str) -> String {
        Guids::from_text(&format!("option {text}")).next_guid()
    }
}

/// A vote: everything that its sender has chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The first poll.
    pub on: Label,
    /// The texts of the options, or their ids. An empty list withdraws.
    #[serde(default, rename = "for")]
    pub options: Vec<String>,
}

/// What an app shows in its balloon.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppBalloon {
    /// `an`: the app's name.
    #[serde(default, rename = "name", skip_serializing_if = "is_default")]
    pub app: Option<String>,
    /// `ldtext`: what `VoiceOver` would say, such as an amount or a state.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spoken: Option<String>,
    /// `userInfo`: the line under the picture.
    #[serde(default, skip_serializing_if = "is_default")]
    pub caption: Option<String>,
    /// `userInfo`: the line under that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subcaption: Option<String>,
    /// `URL`: what the app itself reads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub url: Option<String>,
}
