//! Reads `message.payload_data`: the content of a balloon. The text of its row usually does not have that content.
//!
//! The payload is a keyed archive whose shape depends on the app that drew the balloon: the metadata of a
//! link, a poll or the votes in one ([`poll`]), the captions of any other app. Only texts are read. A
//! value that is damaged, of another shape or too large counts as absent, and no input panics.

mod poll;
#[cfg(test)]
mod tests;

use super::keyed_archive::{self, Archived};
use super::plist::Plist;
use super::value;

pub use poll::{KnownPoll, Poll, PollOption, Vote};

/// Payloads larger than this are not read.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// Titles, captions and names are cut to this many characters.
const MAX_CHARS: usize = 1_000;

/// The content of a balloon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A link.
    Link(RichLink),
    /// A poll, with all of its options so far.
    Poll(Poll),
    /// All options that one person has chosen in a poll. An empty list means that the vote was withdrawn.
    Votes(Vec<Vote>),
    /// The message of an app: a payment, a Check In, a location, a move in a game.
    App(AppCard),
}

/// A link, with the title that Messages found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RichLink {
    /// The address of the page, after redirects.
    pub url: Option<String>,
    /// The link as it was sent.
    pub original_url: Option<String>,
    /// Title of the page.
    pub title: Option<String>,
}

/// The message of an app, in the app's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppCard {
    /// Name of the app.
    pub name: Option<String>,
    /// The text that `VoiceOver` speaks.
    pub spoken: Option<String>,
    /// The texts of the card, from top to bottom.
    pub captions: Vec<String>,
}

/// The kind of app that drew a balloon, which decides the shape of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Balloon {
    Link,
    Poll,
    App,
}

impl Payload {
    /// The content of `message.payload_data` in a row with a balloon of the kind `balloon`; `None` if it has no texts or
    /// cannot be read.
    pub(super) fn read(bytes: Option<&[u8]>, balloon: Balloon) -> Option<Self> {
        let bytes = bytes.filter(|bytes| bytes.len() <= MAX_PAYLOAD_BYTES)?;
        let list = Plist::read(bytes)?;
        let root = keyed_archive::root(&list)?;
        match balloon {
            Balloon::Link => RichLink::read(root).map(Self::Link),
            Balloon::Poll => poll::read(root),
            Balloon::App => AppCard::read(root).map(Self::App),
        }
    }
}

impl RichLink {
    fn read(root: Archived<'_>) -> Option<Self> {
        let metadata = ["richLinkMetadata", "metadata"]
            .into_iter()
            .find_map(|key| root.get(key))?;
        let url = |key| {
            let url = metadata.get(key)?.url()?;
            let url = url.trim();
            (!url.is_empty()).then(|| url.to_owned())
        };
        let link = Self {
            url: url("URL"),
            original_url: url("originalURL"),
            title: words(metadata.get("title")),
        };
        (link != Self::default()).then_some(link)
    }

    /// The address of the page, else the link as it was sent.
    pub fn address(&self) -> Option<&str> {
        self.url.as_deref().or(self.original_url.as_deref())
    }
}

impl AppCard {
    fn read(root: Archived<'_>) -> Option<Self> {
        let card_texts = root.get("userInfo");
        let captions = [
            "image-title",
            "image-subtitle",
            "caption",
            "subcaption",
            "secondary-subcaption",
            "tertiary-subcaption",
        ];
        let mut card = Self {
            name: words(root.get("an")),
            spoken: words(root.get("ldtext")),
            captions: Vec::new(),
        };
        for caption in captions {
            let caption = card_texts.and_then(|card| words(card.get(caption)));
            card.captions
                .extend(caption.filter(|caption| !card.captions.contains(caption)));
        }
        (card != Self::default()).then_some(card)
    }
}

/// A text without the white space around it, cut to [`MAX_CHARS`]; `None` if nothing is left.
fn words(archived: Option<Archived<'_>>) -> Option<String> {
    clipped(&archived?.text()?)
}

/// `text` without the white space around it, cut to [`MAX_CHARS`]; `None` if nothing is left.
fn clipped(text: &str) -> Option<String> {
    value::clipped(text, MAX_CHARS)
}
