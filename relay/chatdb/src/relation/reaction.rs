//! Recognises reactions that arrived as texts: over SMS and RCS a phone sends a reaction as a text that quotes
//! the message, such as `Liked “See you at eight”`.
//!
//! The software of the phone generates such a text: a few words around a quotation of a text that was sent in
//! the chat not long ago, or around the name of a kind of media. If the chat has no such text, the words must be
//! a wording that phones are known to generate ([`super::wording`]), or have an emoji with the invisible marks
//! that phones generate. A text of a person who quotes, or who answers a quotation, stays a message. The words
//! of a reaction are not posted, so a text must not be taken for a reaction by mistake.

use shared_protocol::{TapbackAction, TapbackKind};

use super::quote::{MinWhenCut, Quotation, comparable, has_opening_mark, is_blank, quotes};
use super::wording::{Media, WORDINGS};
use super::words::Words;
use guess::{action_from_marks, guess_reaction, reaction_from_marks};

mod guess;

/// The limits for a cut quotation if the words are a known wording.
const MIN_WHEN_CUT_KNOWN: MinWhenCut = MinWhenCut {
    with_ellipsis: 3,
    without_ellipsis: 12,
};
/// The limits for a cut quotation if the words are guessed to be a reaction.
const MIN_WHEN_CUT_GUESSED: MinWhenCut = MinWhenCut {
    with_ellipsis: 12,
    without_ellipsis: 20,
};
/// Minimum length in characters of a quotation without a closing mark, since networks cut only long texts.
const MIN_WITHOUT_CLOSING_MARK: usize = 40;
/// Most words of an edit notice, the quoted text excluded.
const MAX_WORDS_OF_EDIT_NOTICE: usize = 8;
/// Most bytes of a text that is a reaction to media.
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
    /// iMessage, where a reaction is a row of its own kind. A text with the wording of a reaction comes from a
    /// person, or from a device that is too old for reactions. So it counts as a reaction only if its words
    /// are a known wording, its quotation marks are typographic, and the quoted text is found in the chat.
    WithReactions,
}

impl Channel {
    /// The channel of a row with this `message.service`.
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
    /// The reaction without its target, and the kind of media that it names.
    media: Option<(TextReaction, Media)>,
}

/// One way to read a text as a reaction.
#[derive(Clone, Debug)]
struct Interpretation {
    /// The reaction, without its target.
    reaction: TextReaction,
    /// The quoted text, [`comparable`].
    quoted: String,
    min_when_cut: MinWhenCut,
    /// Whether the text is a reaction even if the quoted text is not found.
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

    /// The kind of media to which the reaction refers; `None` if the text cannot be a reaction to media.
    pub(crate) fn media(&self) -> Option<Media> {
        self.media.as_ref().map(|(_, media)| *media)
    }

    /// The reaction to the message `guid`, if one of the interpretations quotes its text `text`.
    pub(crate) fn about_text(&self, guid: &str, text: &str) -> Option<TextReaction> {
        let text = comparable(text);
        let interpretation = self.interpretations.iter().find(|interpretation| {
            quotes(&interpretation.quoted, &text, interpretation.min_when_cut)
        })?;
        Some(interpretation.reaction.clone().about(guid))
    }

    /// The reaction to the message `guid`, which has media of the kind [`media`](Self::media).
    pub(crate) fn about_media(&self, guid: &str) -> Option<TextReaction> {
        let (reaction, _) = self.media.as_ref()?;
        Some(reaction.clone().about(guid))
    }

    /// The reaction without a target, if the text is a reaction even though its target is not found.
    pub(crate) fn without_target(&self) -> Option<TextReaction> {
        let interpretation = self
            .interpretations
            .iter()
            .find(|interpretation| interpretation.stands_alone);
        let reaction = interpretation.map(|interpretation| &interpretation.reaction);
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

    /// The reaction to the message with the guid `target`.
    fn about(self, target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..self
        }
    }
}

/// The ways to read `text` as a reaction that quotes a text: one for each of its `quotations` that can be one,
/// and one for a quotation whose end was cut off.
fn interpretations(
    text: &str,
    quotations: &[Quotation<'_>],
    channel: Channel,
) -> Vec<Interpretation> {
    let marked_action = action_from_marks(text);
    let mut interpretations: Vec<Interpretation> = quotations
        .iter()
        .filter_map(|quotation| interpret(quotation, channel, marked_action))
        .collect();
    if let Some((lead, quoted)) = Quotation::without_closing_mark(text)
        && let Some(reaction) = known_reaction(&Words::of(lead), &Words::of(""))
    {
        let quoted = comparable(quoted);
        if quoted.chars().nth(MIN_WITHOUT_CLOSING_MARK - 1).is_some() {
            interpretations.push(Interpretation {
                reaction,
                quoted,
                min_when_cut: MIN_WHEN_CUT_KNOWN,
                stands_alone: false,
            });
        }
    }
    interpretations
}

/// The reaction that the words around `quotation` mean; `None` if they mean none, or if the quotation is empty.
/// `marked_action` is the result of [`action_from_marks`] for the whole text.
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
    let interpretation = |reaction, min_when_cut, stands_alone| Interpretation {
        reaction,
        quoted: quoted.clone(),
        min_when_cut,
        stands_alone,
    };
    let marked_reaction = marked_action
        .filter(|_| lacks_reactions)
        .and_then(|action| reaction_from_marks(&lead, &tail, quotation.quoted, action));
    if let Some(reaction) = known_reaction(&lead, &tail) {
        let ends_with_quotation = quotation.tail.is_empty() && quotation.marks_belong_together;
        let is_clear = is_typographic || is_clear_with_straight_marks(&reaction, &lead);
        let is_generated = ends_with_quotation && is_clear && lead.begin_like_generated_words();
        let stands_alone =
            is_generated || (marked_reaction.is_some() && quotation.marks_belong_together);
        return (lacks_reactions || is_typographic).then(|| {
            interpretation(
                reaction,
                MIN_WHEN_CUT_KNOWN,
                stands_alone && lacks_reactions,
            )
        });
    }
    if let Some(reaction) = marked_reaction {
        return Some(interpretation(
            reaction,
            MIN_WHEN_CUT_KNOWN,
            quotation.marks_belong_together,
        ));
    }
    let reaction = (lacks_reactions && is_typographic)
        .then(|| guess_reaction(&lead, &tail, &quoted))
        .flatten()?;
    Some(interpretation(reaction, MIN_WHEN_CUT_GUESSED, false))
}

/// Whether a known wording proves a reaction even with straight quotation marks, which persons type and which
/// replace all other marks on a 7-bit network. `Liked "Dune"` proves none: a person means a film.
fn is_clear_with_straight_marks(reaction: &TextReaction, lead: &Words<'_>) -> bool {
    reaction.emoji.is_some()
        || reaction.action == TapbackAction::Removed
        || lead.normal_form() == "laughed at"
}

/// The reaction of the known wording that has exactly the words `lead` and `tail`.
fn known_reaction(lead: &Words<'_>, tail: &Words<'_>) -> Option<TextReaction> {
    if lead.has_several_emoji() || tail.has_several_emoji() {
        return None;
    }
    let wording = WORDINGS
        .iter()
        .find(|wording| lead.normal_form() == wording.lead && tail.normal_form() == wording.tail)?;
    let emoji = lead.emoji().or(tail.emoji());
    Some(TextReaction::new(wording.action, wording.kind, emoji))
}

/// A reaction with a known wording to a message without words: `Loved an image`.
fn reaction_to_media(text: &str) -> Option<(TextReaction, Media)> {
    let words = Words::of(text.trim_matches(is_blank));
    if words.has_several_emoji() || !words.begin_like_generated_words() {
        return None;
    }
    let form = words.normal_form();
    let (wording, media) = WORDINGS.iter().find_map(|wording| {
        let rest = form.strip_prefix(wording.lead)?;
        let rest = without_number(rest.strip_suffix(wording.tail)?.trim());
        Some((wording, Media::from_name(rest)?))
    })?;
    let reaction = TextReaction::new(wording.action, wording.kind, words.emoji());
    Some((reaction, media))
}

/// `words` without a number at their beginning: `images` for `2 images`.
fn without_number(words: &str) -> &str {
    match words.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => words,
    }
}

/// A reaction to a message that is only a file. Its quotation is empty: the message has only the placeholder
/// U+FFFC of the file, and placeholders are left out of the text before it comes here.
fn reaction_to_placeholder(
    text: &str,
    quotations: &[Quotation<'_>],
) -> Option<(TextReaction, Media)> {
    let empty = quotations
        .iter()
        .find(|quotation| quotation.quoted.is_empty() && quotation.is_typographic)?;
    let (lead, tail) = (Words::of(empty.lead), Words::of(empty.tail));
    let reaction = known_reaction(&lead, &tail)
        .or_else(|| reaction_from_marks(&lead, &tail, "", action_from_marks(text)?))?;
    Some((reaction, Media::Any))
}

/// Whether the words around a quotation may be those of an edit notice: the text `Edited to “…”`, by which Messages
/// shows an edit to older devices. Words without a known word for editing count, too, if they look generated
/// and are on one side of the quotation: the words for editing are not known in all languages.
pub(super) fn words_may_be_edit_notice(quotation: &Quotation<'_>) -> bool {
    let (lead, tail) = (Words::of(quotation.lead), Words::of(quotation.tail));
    let has_edit_words = lead.contain_edit_words() || tail.contain_edit_words();
    if has_edit_words && lead.count() + tail.count() <= MAX_WORDS_OF_EDIT_NOTICE {
        return lead.is_empty() || lead.begin_like_generated_words();
    }
    let is_clear_quotation = quotation.is_typographic && quotation.marks_belong_together;
    is_clear_quotation
        && match (lead.is_empty(), tail.is_empty()) {
            (false, true) => lead.begin_like_generated_words() && lead.may_be_generated(),
            (true, false) => tail.may_be_generated(),
            _ => false,
        }
}

#[cfg(test)]
mod tests;
