//! Decides whether words around a quoted text are a reaction, if they are not a known wording.
//!
//! A person may quote, too. So the text stays a message unless the words look as if the software of a phone
//! generated them, and either have a verb of a reaction, or are an emoji with at most small words, or are in a
//! language whose verbs are not listed.

use shared_protocol::{TapbackAction, TapbackKind};

use super::TextReaction;
use crate::relation::emoji;
use crate::relation::wording::{
    EMOJI_VERBS_AFTER_QUOTE, EMOJI_VERBS_BEFORE_QUOTE, NAMES_OF_REACTIONS, PARTICLES,
    REMOVAL_VERBS, REMOVAL_VERBS_AFTER_QUOTE, Stems, VERBS_AFTER_QUOTE, VERBS_BEFORE_QUOTE,
    WORDS_FOR_REACTION, is_word_of_persons,
};
use crate::relation::words::Words;

/// Minimum length in characters of a quotation after words in a language whose verbs are not listed. A shorter
/// text may be a few words that a person repeats.
const MIN_QUOTED_CHARS_IF_UNKNOWN: usize = 12;
/// Most words before the quotation if the verb of a reaction with an emoji is after it.
const MAX_WORDS_BEFORE_EMOJI_VERB: usize = 2;
/// Most characters of each word beside an emoji if none of them is a listed verb.
const MAX_CHARS_BESIDE_EMOJI: usize = 4;
/// Most words beside an emoji that has an invisible mark on both sides.
const MAX_WORDS_BESIDE_MARKED_EMOJI: usize = 2;
/// The zero-width space that phones generate on both sides of an emoji that is added as a reaction.
const MARK_OF_ADDED: char = '\u{200b}';
/// The zero-width non-joiner that phones generate on both sides of an emoji that is removed as a reaction.
const MARK_OF_REMOVED: char = '\u{200c}';

/// Whether the first emoji of `text` was added or removed, according to the invisible marks on both sides of it.
/// `None` without these marks, which no keyboard has.
pub(super) fn action_from_marks(text: &str) -> Option<TapbackAction> {
    if !text.contains([MARK_OF_ADDED, MARK_OF_REMOVED]) {
        return None;
    }
    let place = emoji::ranges(text).into_iter().next()?;
    let before = text[..place.start].chars().next_back()?;
    let after = text[place.end..].chars().next()?;
    match (before, after) {
        (MARK_OF_ADDED, MARK_OF_ADDED) => Some(TapbackAction::Added),
        (MARK_OF_REMOVED, MARK_OF_REMOVED) => Some(TapbackAction::Removed),
        _ => None,
    }
}

/// The reaction whose emoji has invisible marks around it, in any language. `action` is the result of
/// [`action_from_marks`]. `None` if there are more than a few words, or several emoji.
pub(super) fn reaction_from_marks(
    lead: &Words<'_>,
    tail: &Words<'_>,
    quoted: &str,
    action: TapbackAction,
) -> Option<TextReaction> {
    // The marks are those of the first emoji of the text, so there must be none in the quotation before it.
    let emoji = match (lead.emoji(), tail.emoji()) {
        (Some(emoji), None) => emoji,
        (None, Some(emoji)) if emoji::ranges(quoted).is_empty() => emoji,
        _ => return None,
    };
    let is_short = lead.count() + tail.count() <= MAX_WORDS_BESIDE_MARKED_EMOJI;
    let has_one_emoji = !lead.has_several_emoji() && !tail.has_several_emoji();
    (is_short && has_one_emoji).then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

/// The reaction that the words around `quoted` mean, if a phone may have generated them.
pub(super) fn guess_reaction(
    lead: &Words<'_>,
    tail: &Words<'_>,
    quoted: &str,
) -> Option<TextReaction> {
    let are_no_reaction = |words: &Words<'_>| {
        words.has_several_emoji() || words.contain_edit_words() || !words.may_be_generated()
    };
    let has_no_words = lead.is_empty() && tail.is_empty();
    if has_no_words || are_no_reaction(lead) || are_no_reaction(tail) || lead.end_with_colon() {
        return None;
    }
    if !lead.is_empty() && !lead.begin_like_generated_words() {
        return None;
    }
    match (lead.emoji(), tail.emoji()) {
        (None, None) => by_verb(lead, tail, quoted),
        (Some(emoji), None) | (None, Some(emoji)) => by_emoji(lead, tail, emoji),
        (Some(_), Some(_)) => None,
    }
}

/// The reaction that words without an emoji mean, if they mean one.
fn by_verb(lead: &Words<'_>, tail: &Words<'_>, quoted: &str) -> Option<TextReaction> {
    let reaction = |action, kind| Some(TextReaction::new(action, kind, None));
    if tail.is_empty() {
        if lead.begin_with_verb(REMOVAL_VERBS) {
            return reaction(TapbackAction::Removed, kind_of_removed(lead)?);
        }
        if let Some(kind) = kind_of_first_match(VERBS_BEFORE_QUOTE, |verbs| {
            lead.are_verb_and_small_words(verbs)
        }) {
            return reaction(TapbackAction::Added, kind_after_negation(lead, kind));
        }
        // A reaction of unknown kind counts as a like.
        let is_long = quoted
            .chars()
            .nth(MIN_QUOTED_CHARS_IF_UNKNOWN - 1)
            .is_some();
        return (is_long && may_be_unlisted_language(lead))
            .then(|| reaction(TapbackAction::Added, TapbackKind::Like))
            .flatten();
    }
    // Hindi has a word before the quotation and the verb after it: `ने “…” को पसंद किया`.
    let verb_may_follow = lead.is_empty() || (lead.have_non_english_letters() && lead.count() == 1);
    if !verb_may_follow {
        return None;
    }
    if tail.contain_any(REMOVAL_VERBS_AFTER_QUOTE) {
        return reaction(TapbackAction::Removed, kind_of_removed(tail)?);
    }
    let kind = kind_of_first_match(VERBS_AFTER_QUOTE, |verbs| tail.contain_any(verbs))?;
    reaction(TapbackAction::Added, kind_after_negation(tail, kind))
}

/// Whether the words may be a reaction in a language whose verbs are not listed.
///
/// They must have a letter that English lacks, no listed verb, and no word that only persons write. Words in
/// Latin, Greek or Cyrillic letters must also be several, with a Latin letter that the western languages lack:
/// otherwise they are more likely a name or a greeting. Words in Han, Kana or Hangul never count. They have no
/// spaces between them, so a word that only persons write is not found among them.
fn may_be_unlisted_language(lead: &Words<'_>) -> bool {
    let is_foreign = lead.have_non_english_letters()
        && !lead.have_east_asian_letters()
        && !lead.contain_words_of_persons();
    let has_listed_verb =
        kind_of_first_match(VERBS_BEFORE_QUOTE, |verbs| lead.begin_with_verb(verbs)).is_some();
    is_foreign
        && !has_listed_verb
        && (!lead.are_european() || (lead.count() > 1 && lead.have_non_western_latin_letters()))
}

/// The reaction with `emoji`, the only emoji of the words, if the words mean one.
fn by_emoji(lead: &Words<'_>, tail: &Words<'_>, emoji: &str) -> Option<TextReaction> {
    let is_removal =
        lead.begin_with_verb(REMOVAL_VERBS) || tail.contain_any(REMOVAL_VERBS_AFTER_QUOTE);
    let verb_leads = lead.begin_with_verb(EMOJI_VERBS_BEFORE_QUOTE) && tail.count() <= 1;
    let verb_follows = tail.contain_any(EMOJI_VERBS_AFTER_QUOTE)
        && lead.count() <= MAX_WORDS_BEFORE_EMOJI_VERB
        && !lead.contain_words_of_persons();
    // The known wordings have every English removal, except some that contain "reaction". So a person wrote
    // `Removed my 😂 from “…”`.
    let is_of_english_person =
        lead.begin_with_verb(ENGLISH_REMOVAL) && !lead.contain_any(WORDS_FOR_REACTION);
    let is_removal_of_emoji =
        is_removal && !is_of_english_person && (tail.is_empty() || lead.is_empty());
    let is_reaction = verb_leads
        || verb_follows
        || is_removal_of_emoji
        || (tail.is_empty() && is_emoji_with_small_words(lead));
    let action = if is_removal {
        TapbackAction::Removed
    } else {
        TapbackAction::Added
    };
    is_reaction.then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

/// The English verb of a removal.
const ENGLISH_REMOVAL: Stems = Stems::of("removed");

/// Whether the words are an emoji alone, or with one or two small words that a phone may generate: `👍 “…”`,
/// `👍 ke “…”`, or `Nẹ 👍 si “…”` in a language whose verbs are not listed.
fn is_emoji_with_small_words(lead: &Words<'_>) -> bool {
    let mut words = lead.each_word();
    let (first, second) = (words.next(), words.next());
    let is_short = words.next().is_none() && lead.are_no_longer_than(MAX_CHARS_BESIDE_EMOJI);
    match (first, second) {
        (None, _) => true,
        (Some(particle), None) if lead.begin_with_emoji() => {
            is_short
                && (PARTICLES.any_begins(particle)
                    || (lead.have_non_english_letters() && !lead.contain_words_of_persons()))
        }
        (Some(verb), _) => {
            is_short
                && !verb.is_ascii()
                && !lead.have_east_asian_letters()
                && !is_word_of_persons(verb)
        }
    }
}

/// The kind of the reaction that was removed. The words have its name or its verb; a like if they have only a
/// word for "reaction".
fn kind_of_removed(words: &Words<'_>) -> Option<TapbackKind> {
    kind_of_first_match(NAMES_OF_REACTIONS, |names| words.contain_any(names))
        .or_else(|| kind_of_first_match(VERBS_BEFORE_QUOTE, |verbs| words.contain_any(verbs)))
        .or_else(|| {
            words
                .contain_any(WORDS_FOR_REACTION)
                .then_some(TapbackKind::Like)
        })
}

/// `kind`, or a dislike if the words negate a liking: `Nie lubi „…”`.
fn kind_after_negation(words: &Words<'_>, kind: TapbackKind) -> TapbackKind {
    let is_liking = matches!(kind, TapbackKind::Like | TapbackKind::Love);
    if is_liking && words.contain_negation() {
        TapbackKind::Dislike
    } else {
        kind
    }
}

/// The kind of the first list of `table` for which `matches` is true.
fn kind_of_first_match(
    table: &[(TapbackKind, Stems)],
    matches: impl Fn(Stems) -> bool,
) -> Option<TapbackKind> {
    table
        .iter()
        .find(|(_, stems)| matches(*stems))
        .map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests;
