//! Decides whether unknown words around a quoted text are a reaction. A person may quote, too, so the
//! text stays a message unless the words have a verb of a reaction, or are just an emoji.

use shared_protocol::{TapbackAction, TapbackKind};

use super::TextReaction;
use crate::relation::emoji;
use crate::relation::wording::{
    NAMES, PARTICLES, REACTION_NAMES, REACTIONS, REACTIONS_BEHIND, REMOVALS, REMOVALS_BEHIND,
    Stems, VERBS, VERBS_BEHIND, is_personal,
};
use crate::relation::words::Words;

/// Minimum length in characters of a quotation in an unknown language. A shorter text may be a few words
/// that a person repeats.
const LEAST_IF_UNKNOWN: usize = 12;
/// Most words before the quotation if the verb is after it.
const MAX_BEFORE: usize = 2;
/// Most characters of a word between an emoji and the quotation.
const MAX_PARTICLE: usize = 4;

/// Most words beside an emoji with the invisible marks of a system.
const MAX_BESIDE_MARKED: usize = 2;
/// Systems put an added emoji between two of these marks.
const ADDED: char = '\u{200b}';
/// Systems put a removed emoji between two of these marks.
const REMOVED: char = '\u{200c}';

/// Whether the first emoji of `text` was added or removed, according to the invisible marks around it.
/// No keyboard has these marks.
pub(super) fn marked(text: &str) -> Option<TapbackAction> {
    if !text.contains([ADDED, REMOVED]) {
        return None;
    }
    let place = emoji::ranges(text).into_iter().next()?;
    let before = text[..place.start].chars().next_back()?;
    let behind = text[place.end..].chars().next()?;
    match (before, behind) {
        (ADDED, ADDED) => Some(TapbackAction::Added),
        (REMOVED, REMOVED) => Some(TapbackAction::Removed),
        _ => None,
    }
}

/// The reaction in any language, by the [marks](marked) around its emoji.
pub(super) fn by_marks(
    lead: &Words<'_>,
    tail: &Words<'_>,
    quoted: &str,
    action: TapbackAction,
) -> Option<TextReaction> {
    let emoji = match (lead.emoji(), tail.emoji()) {
        (Some(emoji), None) => emoji,
        (None, Some(emoji)) if emoji::ranges(quoted).is_empty() => emoji,
        _ => return None,
    };
    let is_short = lead.count() + tail.count() <= MAX_BESIDE_MARKED;
    let is_one = !lead.has_several_emoji() && !tail.has_several_emoji();
    (is_short && is_one).then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

/// The reaction that the words around `quoted` mean, if they may be a system's.
pub(super) fn guessed(lead: &Words<'_>, tail: &Words<'_>, quoted: &str) -> Option<TextReaction> {
    let is_odd = |words: &Words<'_>| {
        words.has_several_emoji() || words.contain_edit_words() || !words.may_be_of_a_system()
    };
    let is_bare = lead.is_empty() && tail.is_empty();
    if is_bare || is_odd(lead) || is_odd(tail) || lead.end_with_colon() {
        return None;
    }
    if !lead.is_empty() && !lead.begin_like_a_system() {
        return None;
    }
    match (lead.emoji(), tail.emoji()) {
        (None, None) => by_verb(lead, tail, quoted),
        (Some(emoji), None) | (None, Some(emoji)) => by_emoji(lead, tail, emoji),
        (Some(_), Some(_)) => None,
    }
}

fn by_verb(lead: &Words<'_>, tail: &Words<'_>, quoted: &str) -> Option<TextReaction> {
    let said = |action, kind| Some(TextReaction::new(action, kind, None));
    if tail.is_empty() {
        if lead.begin_with(REMOVALS) {
            return said(TapbackAction::Removed, named(lead)?);
        }
        if let Some(kind) = of(VERBS, |verbs| lead.are_only(verbs)) {
            return said(TapbackAction::Added, denied(lead, kind));
        }
        let is_long = quoted.chars().nth(LEAST_IF_UNKNOWN - 1).is_some();
        return (is_long && may_be_unknown(lead))
            .then(|| said(TapbackAction::Added, TapbackKind::Like))
            .flatten();
    }
    // ने “…” को पसंद किया
    let may_lead = lead.is_empty() || (lead.are_foreign() && lead.count() == 1);
    if !may_lead {
        return None;
    }
    if tail.contain_any(REMOVALS_BEHIND) {
        return said(TapbackAction::Removed, named(tail)?);
    }
    let kind = of(VERBS_BEHIND, |verbs| tail.contain_any(verbs))?;
    said(TapbackAction::Added, denied(tail, kind))
}

/// Whether the words may be of an unknown language. In European languages whose verbs are known, and
/// for a single word in any European language, they are more likely a name or a greeting. In Han, Kana
/// and Hangul the ends of words are unknown.
fn may_be_unknown(lead: &Words<'_>) -> bool {
    let is_foreign =
        lead.are_foreign() && !lead.are_ideographic() && !lead.contain_personal_words();
    let is_known = of(VERBS, |verbs| lead.begin_with(verbs)).is_some();
    is_foreign && !is_known && (!lead.are_european() || (lead.count() > 1 && lead.are_rare()))
}

fn by_emoji(lead: &Words<'_>, tail: &Words<'_>, emoji: &str) -> Option<TextReaction> {
    let is_removal = lead.begin_with(REMOVALS) || tail.contain_any(REMOVALS_BEHIND);
    let verb_leads = lead.begin_with(REACTIONS) && tail.count() <= 1;
    let verb_follows = tail.contain_any(REACTIONS_BEHIND)
        && lead.count() <= MAX_BEFORE
        && !lead.contain_personal_words();
    // All English wordings are known, so a person wrote `Removed my 😂 from “…”`.
    let is_english = lead.begin_with(ENGLISH_REMOVAL) && !lead.contain_any(REACTION_NAMES);
    let is_removal_of_it = is_removal && !is_english && (tail.is_empty() || lead.is_empty());
    let is_reaction =
        verb_leads || verb_follows || is_removal_of_it || (tail.is_empty() && is_emoji_alone(lead));
    let action = if is_removal {
        TapbackAction::Removed
    } else {
        TapbackAction::Added
    };
    is_reaction.then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

const ENGLISH_REMOVAL: Stems = Stems::of("removed");

/// Whether the words are just an emoji, or an emoji and one or two small words: `👍 “…”`, `👍 ke “…”`, or
/// `Nẹ 👍 si “…”` in an unknown language.
fn is_emoji_alone(lead: &Words<'_>) -> bool {
    let mut words = lead.each();
    let (first, second) = (words.next(), words.next());
    let is_short = words.next().is_none() && lead.are_no_longer_than(MAX_PARTICLE);
    match (first, second) {
        (None, _) => true,
        (Some(particle), None) if lead.begin_with_emoji() => {
            is_short
                && (PARTICLES.begin(particle)
                    || (lead.are_foreign() && !lead.contain_personal_words()))
        }
        (Some(verb), _) => {
            is_short && !verb.is_ascii() && !lead.are_ideographic() && !is_personal(verb)
        }
    }
}

/// The kind of reaction that the words of a removal name.
fn named(words: &Words<'_>) -> Option<TapbackKind> {
    of(NAMES, |names| words.contain_any(names))
        .or_else(|| of(VERBS, |verbs| words.contain_any(verbs)))
        .or_else(|| {
            words
                .contain_any(REACTION_NAMES)
                .then_some(TapbackKind::Like)
        })
}

fn denied(words: &Words<'_>, kind: TapbackKind) -> TapbackKind {
    let is_liking = matches!(kind, TapbackKind::Like | TapbackKind::Love);
    if is_liking && words.contain_negation() {
        TapbackKind::Dislike
    } else {
        kind
    }
}

fn of(table: &[(TapbackKind, Stems)], is_it: impl Fn(Stems) -> bool) -> Option<TapbackKind> {
    table
        .iter()
        .find(|(_, stems)| is_it(*stems))
        .map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests;
