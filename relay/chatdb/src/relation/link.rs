//! Finds the text to which a link row belongs.
//!
//! Messages writes a link in a row of its own, seconds after the text that contains the link. Some texts
//! do not contain their link. The link row may have the guid of its text. Without a guid, it belongs to
//! the nearest earlier text of the sender that contains the same address. Each text has one preview, so
//! the same link sent twice is two messages.

use super::url::WebAddress;
use super::{Awaited, Relation};

/// Longest time between a text and the preview of its link.
const PREVIEW_WITHIN_MICROS: i64 = 10_000_000;
/// Longest time between a text that does not contain its link and the link row. It is shorter than
/// [`PREVIEW_WITHIN_MICROS`], because no address proves that the rows belong together.
const LINK_WITHIN_MICROS: i64 = 6_000_000;

/// A row near another row, with only the fields that decide whether the two belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbour {
    pub(crate) rowid: i64,
    pub(crate) guid: String,
    /// Microseconds since 1970.
    pub(crate) sent_at: Option<i64>,
    pub(crate) sender: Sender,
    pub(crate) form: Form,
    /// The text that a person would see.
    pub(crate) text: String,
    /// In a text the targets of its links, in a link row the addresses of the link.
    pub(crate) links: Vec<String>,
    /// The guid in `message.associated_message_guid`.
    pub(crate) associated: Option<String>,
    /// The guid in `message.reply_to_guid`.
    pub(crate) reply_to: Option<String>,
    /// `message.cache_has_attachments`
    pub(crate) has_attachments: bool,
}

/// The sender of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The owner, from any own address.
    #[default]
    Owner,
    /// Another person, by their address; `None` if the row has none.
    Peer(Option<String>),
}

/// The kind of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// An ordinary text.
    Text,
    /// A row that shows a link, which may be the preview of a text.
    Link,
    /// Anything else.
    #[default]
    Other,
}

/// The row that a link row names, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Referent<'n> {
    /// The row is not in chat.db.
    Missing,
    /// The row is in no chat yet.
    Unjoined(&'n Neighbour),
    /// The row is in the same chat.
    Here(&'n Neighbour),
    /// The row is in another chat.
    Elsewhere,
}

/// The guid by which a link row names another row, with the column that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'r> {
    /// In `associated_message_guid`, which is empty in ordinary rows.
    Associated(&'r str),
    /// In `reply_to_guid`, which in ordinary rows names the previous message of the chat.
    ReplyTo(&'r str),
}

impl<'r> Reference<'r> {
    pub(crate) fn guid(self) -> &'r str {
        let (Self::Associated(guid) | Self::ReplyTo(guid)) = self;
        guid
    }
}

impl Neighbour {
    /// The row that this row names, if it names one.
    pub(crate) fn reference(&self) -> Option<Reference<'_>> {
        let is_other = |guid: &&str| *guid != self.guid;
        let associated = self.associated.as_deref().filter(is_other);
        let reply_to = self.reply_to.as_deref().filter(is_other);
        associated
            .map(Reference::Associated)
            .or(reply_to.map(Reference::ReplyTo))
    }

    /// The web addresses in the text and in [`links`](Self::links), each once.
    fn addresses(&self) -> Vec<WebAddress> {
        let mut addresses = match self.form {
            Form::Text => WebAddress::all_in(&self.text),
            Form::Link => WebAddress::parse(&self.text).into_iter().collect(),
            Form::Other => return Vec::new(),
        };
        let links = self.links.iter().filter_map(|link| WebAddress::parse(link));
        for link in links {
            if !addresses.contains(&link) {
                addresses.push(link);
            }
        }
        addresses
    }

    /// Whether a link row has words besides the link. Such a row is a message of its own, unless a text has the same
    /// words.
    fn has_words(&self) -> bool {
        !self.text.trim().is_empty() && WebAddress::parse(&self.text).is_none()
    }

    /// The order in which a chat shows its rows.
    fn order(&self) -> (i64, i64) {
        (self.sent_at.unwrap_or(i64::MIN), self.rowid)
    }

    /// Microseconds between `earlier` and this row. `None` if a date is missing, or if this row is before `earlier`
    /// both by ROWID and by date. Coming after it in one of the two orders is enough, since they may differ.
    fn micros_since(&self, earlier: &Self) -> Option<i64> {
        let micros = self.sent_at?.saturating_sub(earlier.sent_at?);
        let comes_after = earlier.rowid < self.rowid || micros >= 0;
        comes_after.then(|| micros.saturating_abs())
    }

    /// Whether this row comes after `earlier`, in the sense of [`Self::micros_since`], by at most `max_micros`.
    fn follows_within(&self, earlier: &Self, max_micros: i64) -> bool {
        self.micros_since(earlier)
            .is_some_and(|micros| micros <= max_micros)
    }
}

/// The relation of the link row `link` to its text, and what is missing before the relation is certain. `referent`
/// is the row that `link` names, if it names one; `around` are the rows of its chat near it.
pub(crate) fn relation(
    link: &Neighbour,
    referent: Option<Referent<'_>>,
    around: &[Neighbour],
) -> (Relation, Option<Awaited>) {
    if link.has_words() {
        return (relation_of_link_with_words(link, around), None);
    }
    let link_addresses = link.addresses();
    match (link.reference(), referent) {
        (Some(reference), Some(Referent::Here(text))) => {
            let relation = relation_to_referent(link, &link_addresses, reference, text, around);
            // Messages may write the row's own link a moment later, and it may be another link.
            let is_uncertain =
                link_addresses.is_empty() && matches!(relation, Relation::LinkPreview(_));
            (relation, is_uncertain.then_some(Awaited::Link))
        }
        (Some(_), Some(Referent::Unjoined(text))) => {
            let may_be_its_text = text.form == Form::Text && text.sender == link.sender;
            let relation = if may_be_its_text {
                Relation::LinkOf(text.guid.clone())
            } else {
                Relation::None
            };
            (relation, Some(Awaited::Reference))
        }
        (Some(_), Some(Referent::Elsewhere)) => (Relation::None, None),
        (Some(reference), _) => {
            // iCloud may have inserted the text again under another guid, so rows near the link are tried, too.
            let relation = match (
                relation_without_reference(link, &link_addresses, around),
                reference,
            ) {
                (preview @ Relation::LinkPreview(_), _) => preview,
                (_, Reference::Associated(guid)) => Relation::LinkOf(guid.to_owned()),
                (relation, Reference::ReplyTo(_)) => relation,
            };
            (relation, Some(Awaited::Reference))
        }
        (None, _) => (
            relation_without_reference(link, &link_addresses, around),
            None,
        ),
    }
}

/// The relation of a link row with words besides the link. The row is a preview if an earlier text has the same
/// words. Each text has one preview; a further link row with the same words is another message.
fn relation_of_link_with_words(link: &Neighbour, around: &[Neighbour]) -> Relation {
    let earlier = |form: Form| {
        around
            .iter()
            .filter(move |row| row.form == form && row.sender == link.sender)
            .filter(|row| row.rowid != link.rowid && row.order() < link.order())
            .filter(|row| row.text.split_whitespace().eq(link.text.split_whitespace()))
            .filter(|row| link.follows_within(row, PREVIEW_WITHIN_MICROS))
    };
    let texts = earlier(Form::Text).count();
    let previews = earlier(Form::Link).filter(|row| row.sent_at != link.sent_at);
    if texts <= previews.count() {
        return Relation::None;
    }
    earlier(Form::Text)
        .max_by_key(|row| row.order())
        .map_or(Relation::None, |text| {
            Relation::LinkPreview(text.guid.clone())
        })
}

/// The relation of a link row to `text`, the row that it names by `reference`.
fn relation_to_referent(
    link: &Neighbour,
    link_addresses: &[WebAddress],
    reference: Reference<'_>,
    text: &Neighbour,
    around: &[Neighbour],
) -> Relation {
    let is_near = match reference {
        Reference::Associated(_) => true,
        Reference::ReplyTo(_) => link.follows_within(text, PREVIEW_WITHIN_MICROS),
    };
    if text.form != Form::Text || text.sender != link.sender || !is_near {
        return Relation::None;
    }
    let addresses = text.addresses();
    if link_addresses.is_empty() {
        return if addresses.is_empty() {
            Relation::LinkOf(text.guid.clone())
        } else {
            Relation::LinkPreview(text.guid.clone())
        };
    }
    if !link_addresses
        .iter()
        .any(|address| addresses.contains(address))
    {
        return Relation::LinkOf(text.guid.clone());
    }
    // If the named text already has a preview, this row is the same link sent once more.
    let is_taken = || texts_shown_before(link, link_addresses, around).contains(&text.rowid);
    if matches!(reference, Reference::ReplyTo(_)) && is_taken() {
        return Relation::None;
    }
    Relation::LinkPreview(text.guid.clone())
}

/// The relation of a link row that names no row.
fn relation_without_reference(
    link: &Neighbour,
    link_addresses: &[WebAddress],
    around: &[Neighbour],
) -> Relation {
    let taken = texts_shown_before(link, link_addresses, around);
    if let Some(text) = nearest_without_preview(link, link_addresses, around, &taken) {
        return Relation::LinkPreview(text.guid.clone());
    }
    let previous = around
        .iter()
        .filter(|row| row.sender == link.sender && row.rowid != link.rowid)
        .filter(|row| link.micros_since(row).is_some())
        .max_by_key(|row| row.order());
    match previous {
        Some(text)
            if text.form == Form::Text
                && link.follows_within(text, LINK_WITHIN_MICROS)
                && text.addresses().is_empty() =>
        {
            Relation::LinkOf(text.guid.clone())
        }
        _ => Relation::None,
    }
}

/// ROWIDs of the texts that already have a preview: a link row before `link` shows their link, which is one of
/// `link_addresses`. A row with the same date as `link` is a copy that iCloud inserted again, and is left out.
fn texts_shown_before(
    link: &Neighbour,
    link_addresses: &[WebAddress],
    around: &[Neighbour],
) -> Vec<i64> {
    let mut links: Vec<&Neighbour> = around
        .iter()
        .filter(|row| {
            let is_other = row.rowid != link.rowid && row.sent_at != link.sent_at;
            row.form == Form::Link && row.sender == link.sender && is_other
        })
        .filter(|row| row.order() < link.order() && !row.has_words())
        .collect();
    links.sort_unstable_by_key(|row| row.order());
    let mut taken = Vec::new();
    for earlier in links {
        let mut shared = earlier.addresses();
        shared.retain(|address| link_addresses.contains(address));
        if shared.is_empty() {
            continue;
        }
        let guid = earlier.reference().map(Reference::guid);
        let text = match guid.and_then(|guid| around.iter().find(|row| row.guid == guid)) {
            Some(text) => {
                let contains_link = text.form == Form::Text
                    && text.sender == earlier.sender
                    && text.addresses().iter().any(|has| shared.contains(has));
                contains_link.then_some(text)
            }
            None => nearest_without_preview(earlier, &shared, around, &taken),
        };
        taken.extend(text.map(|text| text.rowid));
    }
    taken
}

/// The last text of the sender before `link` that has one of `link_addresses` and no preview yet. `taken` are the
/// ROWIDs of the texts that have one.
fn nearest_without_preview<'n>(
    link: &Neighbour,
    link_addresses: &[WebAddress],
    around: &'n [Neighbour],
    taken: &[i64],
) -> Option<&'n Neighbour> {
    around
        .iter()
        .filter(|row| row.form == Form::Text && row.sender == link.sender)
        .filter(|row| link.follows_within(row, PREVIEW_WITHIN_MICROS))
        .filter(|row| !taken.contains(&row.rowid))
        .filter(|row| {
            row.addresses()
                .iter()
                .any(|address| link_addresses.contains(address))
        })
        .max_by_key(|row| row.order())
}

/// Whether `text` is nothing but a web address.
pub(crate) fn is_bare_address(text: &str) -> bool {
    WebAddress::parse(text).is_some()
}

/// The link row among `around` that is the preview of `text`, a text with nothing but an address.
pub(crate) fn preview_of<'n>(text: &Neighbour, around: &'n [Neighbour]) -> Option<&'n Neighbour> {
    around.iter().find(|link| {
        if link.form != Form::Link || link.sender != text.sender {
            return false;
        }
        let referent = link.reference().and_then(|reference| {
            let named_row = around.iter().find(|row| row.guid == reference.guid());
            named_row.map(Referent::Here)
        });
        let (relation, _) = relation(link, referent, around);
        relation == Relation::LinkPreview(text.guid.clone())
    })
}

#[cfg(test)]
mod tests;
