//! Recognises reactions that arrived as texts: over SMS and RCS a reaction is a text that quotes the
//! message.
//!
//! Such a text has a few words, followed by a quotation of a text that was sent in the chat not long ago.
//! If the quoted text is not found, the words must be a known wording of a system ([`super::wording`]). A
//! text that merely contains a quotation, or answers one, stays a message. The words of a reaction are
//! not posted, so a text must not be taken for a reaction by mistake.

use shared_protocol::{TapbackAction, TapbackKind};

use super::quote::{CutAfter, Quotation, comparable, has_opening_mark, is_blank, quotes};
use super::wording::{Media, WORDINGS};
use super::words::Words;
use guess::{by_invisible_marks, guess_reaction, marked_action};

mod guess;

/// How many characters a reaction with a known wording must quote.
const CUT_IF_KNOWN: CutAfter = CutAfter {
    with_ellipsis: 3,
    without_ellipsis: 12,
};
/// How many characters a reaction with an unknown wording must quote.
const CUT_IF_GUESSED: CutAfter = CutAfter {
    with_ellipsis: 12,
    without_ellipsis: 20,
};
/// Minimum length in characters of a quotation without a closing mark, since only long ones are cut.
const LEAST_WITHOUT_END: usize = 40;
/// The longest wording of an edit notice, in words.
const MAX_WORDS_OF_EDIT: usize = 8;
/// The longest wording of a reaction to media, in bytes.
const MAX_MEDIA_BYTES: usize = 160;

/// A reaction that came as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextReaction {
    /// Whether the reaction was added or removed.
    pub action: TapbackAction,
    /// The kind of the reaction.
    pub kind: TapbackKind,
    /// The emoji of [`TapbackKind::Emoji`].
    pub emoji: Option<String>,
    /// `message.guid` of the message to which the reaction belongs, if it is known.
    pub target: Option<String>,
}

/// The channel over which a text came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// A channel without reactions of its own: SMS, or RCS with some devices.
    WithoutReactions,
    /// iMessage, where a reaction is a row of its own kind. A text with the wording of a reaction is
    /// written by a person, or by a device that is too old for reactions, so both the words and the
    /// quotation must match exactly.
    WithReactions,
}

impl Channel {
    pub(crate) fn of(service: Option<&str>) -> Self {
        let service = service.unwrap_or_default().to_ascii_uppercase();
        if ["SMS", "MMS", "RCS"]
            .iter()
            .any(|name| service.contains(name))
        {
            Self::WithoutReactions
        } else {
            Self::WithReactions
        }
    }
}

/// A text that may be a reaction, with every way to read it as one.
#[derive(Clone, Debug)]
pub(crate) struct PossibleReaction {
    interpretations: Vec<Interpretation>,
    media: Option<(TextReaction, Media)>,
}

/// One way to read a text as a reaction.
#[derive(Clone, Debug)]
struct Interpretation {
    /// The reaction, without its target.
    reaction: TextReaction,
    /// The quoted text, [`comparable`].
    quoted: String,
    cut_after: CutAfter,
    /// Whether the words alone prove a reaction, even if the quoted text is not found.
    stands_alone: bool,
}

impl PossibleReaction {
    /// The ways to read `text` as a reaction; `None` for nearly every text.
    pub(crate) fn of(text: &str, channel: Channel) -> Option<Self> {
        let quotations = if has_opening_mark(text) {
            Quotation::readings(text)
        } else {
            Vec::new()
        };
        let interpretations = interpretations(text, &quotations, channel);
        let media = match channel {
            Channel::WithoutReactions if text.len() <= MAX_MEDIA_BYTES => {
                reaction_to_media(text).or_else(|| reaction_to_placeholder(text, &quotations))
            }
            _ => None,
        };
        (!interpretations.is_empty() || media.is_some()).then_some(Self {
            interpretations,
            media,
        })
    }

    /// The kind of media to which the reaction refers.
    pub(crate) fn media(&self) -> Option<Media> {
        self.media.as_ref().map(|(_, media)| *media)
    }

    /// The reaction, if it quotes the message `guid` with the text `text`.
    pub(crate) fn to_text(&self, guid: &str, text: &str) -> Option<TextReaction> {
        let text = comparable(text);
        let interpretation = self
            .interpretations
            .iter()
            .find(|reading| quotes(&reading.quoted, &text, reading.cut_after))?;
        Some(interpretation.reaction.clone().about(guid))
    }

    /// The reaction to media of the message `guid`.
    pub(crate) fn to_media(&self, guid: &str) -> Option<TextReaction> {
        let (reaction, _) = self.media.as_ref()?;
        Some(reaction.clone().about(guid))
    }

    /// The reaction without a target, if its words alone prove one.
    pub(crate) fn without_target(&self) -> Option<TextReaction> {
        let interpretation = self
            .interpretations
            .iter()
            .find(|reading| reading.stands_alone);
        let reaction = interpretation.map(|reading| &reading.reaction);
        reaction
            .or(self.media.as_ref().map(|(reaction, _)| reaction))
            .cloned()
    }
}

impl TextReaction {
    fn new(action: TapbackAction, kind: TapbackKind, emoji: Option<&str>) -> Self {
        Self {
            action,
            kind,
            emoji: emoji.map(str::to_owned),
            target: None,
        }
    }

    fn about(self, target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..self
        }
    }
}

fn interpretations(
    text: &str,
    quotations: &[Quotation<'_>],
    channel: Channel,
) -> Vec<Interpretation> {
    let marked_action = marked_action(text);
    let mut interpretations: Vec<Interpretation> = quotations
        .iter()
        .filter_map(|quotation| interpret(quotation, channel, marked_action))
        .collect();
    if let Some((lead, quoted)) = Quotation::without_end(text)
        && let Some(reaction) = known_reaction(&Words::of(lead), &Words::of(""))
    {
        let quoted = comparable(quoted);
        if quoted.chars().nth(LEAST_WITHOUT_END - 1).is_some() {
            interpretations.push(Interpretation {
                reaction,
                quoted,
                cut_after: CUT_IF_KNOWN,
                stands_alone: false,
            });
        }
    }
    interpretations
}

fn interpret(
    quotation: &Quotation<'_>,
    channel: Channel,
    marked_action: Option<TapbackAction>,
) -> Option<Interpretation> {
    if quotation.quoted.is_empty() {
        return None;
    }
    let (lead, tail) = (Words::of(quotation.lead), Words::of(quotation.tail));
    let is_typographic = quotation.is_typographic;
    let lacks_reactions = channel == Channel::WithoutReactions;
    let quoted = comparable(quotation.quoted);
    let interpretation = |reaction, cut_after, stands_alone| Interpretation {
        reaction,
        quoted: quoted.clone(),
        cut_after,
        stands_alone,
    };
    let by_invisible_marks = || by_invisible_marks(&lead, &tail, quotation.quoted, marked_action?);
    let by_invisible_marks = lacks_reactions.then(by_invisible_marks).flatten();
    if let Some(reaction) = known_reaction(&lead, &tail) {
        let ends_with_quotation = quotation.tail.is_empty() && quotation.is_paired;
        let is_clear = is_typographic || is_unmistakable(&reaction, &lead);
        let by_system = ends_with_quotation && is_clear && lead.begin_like_a_system();
        let stands_alone = by_system || (by_invisible_marks.is_some() && quotation.is_paired);
        return (lacks_reactions || is_typographic)
            .then(|| interpretation(reaction, CUT_IF_KNOWN, stands_alone && lacks_reactions));
    }
    if let Some(reaction) = by_invisible_marks {
        return Some(interpretation(reaction, CUT_IF_KNOWN, quotation.is_paired));
    }
    let reaction = (lacks_reactions && is_typographic)
        .then(|| guess_reaction(&lead, &tail, &quoted))
        .flatten()?;
    Some(interpretation(reaction, CUT_IF_GUESSED, false))
}

/// Whether the words are a system's even with straight quotation marks, which replace all others on a 7-bit
/// network. A person who writes `Liked "Dune"` means a film.
fn is_unmistakable(reaction: &TextReaction, lead: &Words<'_>) -> bool {
    reaction.emoji.is_some()
        || reaction.action == TapbackAction::Removed
        || lead.form() == "laughed at"
}

/// The reaction of a known wording.
fn known_reaction(lead: &Words<'_>, tail: &Words<'_>) -> Option<TextReaction> {
    if lead.has_several_emoji() || tail.has_several_emoji() {
        return None;
    }
    let wording = WORDINGS
        .iter()
        .find(|wording| lead.form() == wording.lead && tail.form() == wording.tail)?;
    let emoji = lead.emoji().or(tail.emoji());
    Some(TextReaction::new(wording.action, wording.kind, emoji))
}

/// A reaction with a known wording to a message without words: `Loved an image`.
fn reaction_to_media(text: &str) -> Option<(TextReaction, Media)> {
    let words = Words::of(text.trim_matches(is_blank));
    if words.has_several_emoji() || !words.begin_like_a_system() {
        return None;
    }
    let form = words.form();
    let (wording, media) = WORDINGS.iter().find_map(|wording| {
        let rest = form.strip_prefix(wording.lead)?;
        let rest = without_number(rest.strip_suffix(wording.tail)?.trim());
        Some((wording, Media::from_name(rest)?))
    })?;
    let reaction = TextReaction::new(wording.action, wording.kind, words.emoji());
    Some((reaction, media))
}

/// `2 images` without the number.
fn without_number(words: &str) -> &str {
    match words.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => words,
    }
}

/// A reaction that quotes only the placeholder of a file, which is left out of the text.
fn reaction_to_placeholder(
    text: &str,
    quotations: &[Quotation<'_>],
) -> Option<(TextReaction, Media)> {
    let empty = quotations
        .iter()
        .find(|quotation| quotation.quoted.is_empty() && quotation.is_typographic)?;
    let (lead, tail) = (Words::of(empty.lead), Words::of(empty.tail));
    let reaction = known_reaction(&lead, &tail)
        .or_else(|| by_invisible_marks(&lead, &tail, "", marked_action(text)?))?;
    Some((reaction, Media::Any))
}

/// Whether the words around a quotation may be those of an edit notice.
pub(super) fn has_edit_notice_words(quotation: &Quotation<'_>) -> bool {
    let (lead, tail) = (Words::of(quotation.lead), Words::of(quotation.tail));
    let has_edit_words = lead.contain_edit_words() || tail.contain_edit_words();
    if has_edit_words && lead.count() + tail.count() <= MAX_WORDS_OF_EDIT {
        return lead.is_empty() || lead.begin_like_a_system();
    }
    let is_clear_quotation = quotation.is_typographic && quotation.is_paired;
    is_clear_quotation
        && match (lead.is_empty(), tail.is_empty()) {
            (false, true) => lead.begin_like_a_system() && lead.may_be_of_a_system(),
            (true, false) => tail.may_be_of_a_system(),
            _ => false,
        }
}

#[cfg(test)]
mod tests;
