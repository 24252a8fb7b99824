//! What a row is to an earlier row of its chat, as far as that decides how it is told.
//!
//! Messages and the networks tell one act in several rows: a link beside the text that has it, a row
//! `Edited to “…”` beside the edit, a text `Liked “…”` in place of a reaction. Everything here is pure:
//! the row and the rows near it go in, [`crate::ChatDb`] finds them. A text is never lost over it: only
//! what is told by another row, or as a reaction, is not told as a message.

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

/// What a row is to an earlier row of its chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relation {
    /// Nothing, as far as is known.
    #[default]
    None,
    /// The preview of a link that this text has: it tells nothing more.
    LinkPreview(String),
    /// The link that this text leaves out.
    LinkOf(String),
    /// A text of nothing but a link, of which this row is the preview. Usually the text is told and the
    /// preview is not; if the preview was there first, the other way round.
    TextOfLink(String),
    /// What older devices see of the edit of this message.
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

/// What a row may still turn out to be a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The row that it refers to is not in its chat yet.
    Reference,
    /// It shows no link of its own yet, so it is taken for the preview of the text that it refers to.
    Link,
    /// It reads like the notice of an edit, and the edit may be written any moment.
    Edit,
    /// It may be one side of what the owner sent to an own address: one row goes out and one comes in, in
    /// either order.
    OtherSide,
}

/// Whether `text` reads like what older devices see of an edit, `Edited to “…”` in any language. That
/// alone decides nothing but whether the edit is waited for.
pub(crate) fn may_be_edit_notice(text: &str) -> bool {
    has_marks(text)
        && Quotation::readings(text).iter().any(|quotation| {
            !quotation.quoted.is_empty() && reaction::may_tell_of_an_edit(quotation)
        })
}
