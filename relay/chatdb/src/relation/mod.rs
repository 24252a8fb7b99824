//! Relations between rows of a chat that decide how a row is posted.
//!
//! Messages writes several rows for one action of a person: a link row after the text that contains the
//! link, a row `Edited to “…”` after an edit, a text `Liked “…”` in place of a reaction. All functions in
//! this module are pure: they take the row and the rows near it, which [`crate::ChatDb`] reads. No text
//! is lost: a row is left out only if another row has the same content, or if it is posted as a reaction.

mod emoji;
pub(crate) mod link;
mod quote;
pub(crate) mod reaction;
mod url;
mod wording;
mod words;

use quote::{Quotation, has_opening_mark};
pub use reaction::TextReaction;
pub(crate) use wording::Media;

/// The relation of a row to another row of its chat. Each variant has the guid of the other row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// No relation is known.
    #[default]
    None,
    /// The row is the preview of a link that the other row, a text, contains. It adds nothing to the text.
    LinkPreview(String),
    /// The row is the link of the other row, a text that does not contain its link.
    LinkOf(String),
    /// The row is a text that is nothing but a link; the other row is its preview. Usually the text is posted and
    /// the preview is not. If the preview came first, the preview is posted and the text is not.
    TextOfLink(String),
    /// The row is the notice that shows an edit of the other row to older devices.
    EditNotice(String),
    /// The row is a reaction that came as a text. The guid may be missing.
    Reaction(TextReaction),
}

impl Relation {
    /// The name of the relation, in snake case; `None` for [`Relation::None`].
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

    /// `message.guid` of the other row, if it is known.
    pub fn related_guid(&self) -> Option<&str> {
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

/// What Messages may still write that would decide the relation of a row, so that the row waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The row to which this one refers. chat.db does not have it yet, or has it in no chat yet.
    Reference,
    /// The link of the row itself. Until the link is written, the row counts as the preview of the text to which
    /// it refers.
    Link,
    /// The edit of which this row seems to be the notice. Messages may write the edit at any moment.
    Edit,
    /// The second row of a message that the owner sent to an own address. Messages writes a sent and a
    /// received row, in either order.
    OtherSide,
}

/// Whether `text` may be the notice of an edit, `Edited to “…”` in any language. The result decides
/// only whether the row of the text may wait for the edit.
pub(crate) fn may_be_edit_notice(text: &str) -> bool {
    has_opening_mark(text)
        && Quotation::readings(text).iter().any(|quotation| {
            !quotation.quoted.is_empty() && reaction::words_may_be_edit_notice(quotation)
        })
}
