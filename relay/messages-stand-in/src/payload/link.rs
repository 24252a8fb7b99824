//! The payload of a link: `richLinkMetadata` with an `LPLinkMetadata`.

use crate::keyed_archive::{Archived, keyed_archive};

/// In which class the addresses are archived; both occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UrlClass {
    /// `NSURL`
    #[default]
    Url,
    /// `NSString`
    Text,
}

/// What Messages knows about a link.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RichLink {
    /// `URL`: where the link leads after redirections.
    pub url: Option<String>,
    /// `originalURL`: as it was typed.
    pub original_url: Option<String>,
    /// `title`
    pub title: Option<String>,
    /// How the addresses are archived.
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

    /// `message.payload_data`
    pub fn payload(&self) -> Vec<u8> {
        let url = |url: &String| match self.class {
            UrlClass::Url => Archived::Url(url.clone()),
            UrlClass::Text => Archived::text(url),
        };
        let metadata = Archived::object(
            "LPLinkMetadata",
            [
                ("version", Some(Archived::Integer(1))),
                ("originalURL", self.original_url.as_ref().map(url)),
                ("URL", self.url.as_ref().map(url)),
                ("title", self.title.as_ref().map(Archived::text)),
                ("icon", Some(Archived::Null)),
            ],
        );
        keyed_archive(&Archived::object(
            "RichLink",
            [
                ("richLinkMetadata", Some(metadata)),
                ("richLinkIsPlaceholder", Some(Archived::Bool(false))),
            ],
        ))
    }
}
