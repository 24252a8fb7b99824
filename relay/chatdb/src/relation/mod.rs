//! The relation of a row to an earlier row of its chat, if it decides how the row is posted.
//!
//! Messages and the networks write one act as several rows: a link beside the text that contains it, a
//! row `Edited to “…”` beside the edit, a text `Liked “…”` in place of a reaction. All functions here
//! are pure: they take the row and the rows near it, which [`crate::ChatDb`] finds. No text is lost: a
//! row is left out only if another row says the same, or if it is posted as a reaction.

mod emoji;
pub(crate) mod link;
mod quote;
pub(crate) mod reaction;
mod url;
mod wording;
mod words;

use quote::{Quotation, has_marks};
pub use reaction::TextReaction;
pub(crate) use wording::Media;

/// The relation of a row to an earlier row of its chat. Each variant has the guid of that row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// No relation is known.
    #[default]
    None,
    /// The preview of a link that the text contains. It adds nothing to the text.
    LinkPreview(String),
    /// The link that the text leaves out.
    LinkOf(String),
    /// A text with nothing but a link, of which the other row is the preview. Usually the text is
    /// posted and the preview is not; if the preview came first, the other way round.
    TextOfLink(String),
    /// The notice that shows an edit of the message to older devices.
    EditNotice(String),
    /// A reaction that came as a text.
    Reaction(TextReaction),
}

impl Relation {
    /// The name under which the relation is shown; `None` for [`Relation::None`].
    pub const fn as_str(&self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::LinkPreview(_) => "link_preview",
            Self::LinkOf(_) => "link_of",
            Self::TextOfLink(_) => "text_of_link",
            Self::EditNotice(_) => "edit_notice",
            Self::Reaction(_) => "reaction",
        })
    }

    /// `message.guid` of the other row.
    pub fn other(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::LinkPreview(guid)
            | Self::LinkOf(guid)
            | Self::TextOfLink(guid)
            | Self::EditNotice(guid) => Some(guid),
            Self::Reaction(reaction) => reaction.target.as_deref(),
        }
    }
}

/// The row with which another one may turn out to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The row to which this one refers is not in its chat yet.
    Reference,
    /// The row shows no link of its own yet, so it is taken for the preview of the text to which it
    /// refers.
    Link,
    /// The row reads like the notice of an edit, and the edit may be written at any moment.
    Edit,
    /// The row may be one of the two rows of a message that the owner sent to an own address: one goes
    /// out and one comes in, in either order.
    OtherSide,
}

/// Whether `text` reads like the notice of an edit, `Edited to “…”` in any language. That decides only
/// whether the row waits for the edit.
pub(crate) fn may_be_edit_notice(text: &str) -> bool {
    has_marks(text)
        && Quotation::readings(text).iter().any(|quotation| {
            !quotation.quoted.is_empty() && reaction::has_edit_notice_words(quotation)
        })
}
