//! What words say that are not known, around a text that was said in the chat. A person quotes too, so
//! everything that is not told by a verb of a reaction, or by an emoji alone, stays a message.

use shared_protocol::{TapbackAction, TapbackKind};

use super::TextReaction;
use crate::relation::emoji;
use crate::relation::wording::{
    NAMES, PARTICLES, REACTION_NAMES, REACTIONS, REACTIONS_BEHIND, REMOVALS, REMOVALS_BEHIND,
    Stems, VERBS, VERBS_BEHIND, is_talk,
};
use crate::relation::words::Words;

/// In a language that is not known, a quotation must hold so many characters: a shorter one is what a
/// person repeats.
const LEAST_IF_UNKNOWN: usize = 12;
/// So many words may stand in front of the quotation if the verb stands behind it.
const MAX_BEFORE: usize = 2;
/// A word that leads from an emoji to the quotation is at most so long, in characters.
const MAX_PARTICLE: usize = 4;

/// Between words that a system marks so, at most so many stand beside the emoji.
const MAX_BESIDE_MARKED: usize = 2;
/// Systems put an emoji between two of these marks if they add it.
const ADDED: char = '\u{200b}';
/// And between two of these if they take it off.
const REMOVED: char = '\u{200c}';

/// What the first emoji of `text` says by the marks around it, which no keyboard has.
pub(super) fn marked(text: &str) -> Option<TapbackAction> {
    if !text.contains([ADDED, REMOVED]) {
        return None;
    }
    let place = emoji::places(text).into_iter().next()?;
    let before = text[..place.start].chars().next_back()?;
    let behind = text[place.end..].chars().next()?;
    match (before, behind) {
        (ADDED, ADDED) => Some(TapbackAction::Added),
        (REMOVED, REMOVED) => Some(TapbackAction::Removed),
        _ => None,
    }
}

/// A reaction in any language, told by the [marks](marked) around its emoji.
pub(super) fn by_marks(
    lead: &Words<'_>,
    tail: &Words<'_>,
    quoted: &str,
    action: TapbackAction,
) -> Option<TextReaction> {
    let emoji = match (lead.emoji(), tail.emoji()) {
        (Some(emoji), None) => emoji,
        (None, Some(emoji)) if emoji::places(quoted).is_empty() => emoji,
        _ => return None,
    };
    let is_short = lead.count() + tail.count() <= MAX_BESIDE_MARKED;
    let is_one = !lead.has_several_emoji() && !tail.has_several_emoji();
    (is_short && is_one).then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

/// What the words around `quoted` say, if they may be a system's.
pub(super) fn guessed(lead: &Words<'_>, tail: &Words<'_>, quoted: &str) -> Option<TextReaction> {
    let is_odd = |words: &Words<'_>| {
        words.has_several_emoji() || words.tell_of_an_edit() || !words.may_be_a_systems()
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
        if let Some(kind) = of(VERBS, |verbs| lead.are_just(verbs)) {
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
    if tail.have(REMOVALS_BEHIND) {
        return said(TapbackAction::Removed, named(tail)?);
    }
    let kind = of(VERBS_BEHIND, |verbs| tail.have(verbs))?;
    said(TapbackAction::Added, denied(tail, kind))
}

/// Whether words may be those of a language that is not known. In the languages of Europe whose verbs are
/// known, and everywhere in Europe where a word stands alone, it is rather a name or a greeting; Han, Kana
/// and Hangul do not tell where words end.
fn may_be_unknown(lead: &Words<'_>) -> bool {
    let is_foreign = lead.are_foreign() && !lead.are_ideographic() && !lead.are_talk();
    let is_known = of(VERBS, |verbs| lead.begin_with(verbs)).is_some();
    is_foreign && !is_known && (!lead.are_european() || (lead.count() > 1 && lead.are_rare()))
}

fn by_emoji(lead: &Words<'_>, tail: &Words<'_>, emoji: &str) -> Option<TextReaction> {
    let is_removal = lead.begin_with(REMOVALS) || tail.have(REMOVALS_BEHIND);
    let verb_leads = lead.begin_with(REACTIONS) && tail.count() <= 1;
    let verb_follows =
        tail.have(REACTIONS_BEHIND) && lead.count() <= MAX_BEFORE && !lead.are_talk();
    // All that systems write of it in English is known: `Removed my 😂 from “…”` is a person's.
    let is_english = lead.begin_with(ENGLISH_REMOVAL) && !lead.have(REACTION_NAMES);
    let is_removal_of_it = is_removal && !is_english && (tail.is_empty() || lead.is_empty());
    let is_told =
        verb_leads || verb_follows || is_removal_of_it || (tail.is_empty() && is_emoji_alone(lead));
    let action = if is_removal {
        TapbackAction::Removed
    } else {
        TapbackAction::Added
    };
    is_told.then(|| TextReaction::new(action, TapbackKind::Emoji, Some(emoji)))
}

const ENGLISH_REMOVAL: Stems = Stems::of("removed");

/// Whether nothing stands beside an emoji but what leads over to the quotation: `👍 “…”`, `👍 ke “…”`, or
/// `Nẹ 👍 si “…”` in a language that is not known.
fn is_emoji_alone(lead: &Words<'_>) -> bool {
    let mut words = lead.each();
    let (first, second) = (words.next(), words.next());
    let is_short = words.next().is_none() && lead.are_at_most(MAX_PARTICLE);
    match (first, second) {
        (None, _) => true,
        (Some(particle), None) if lead.begin_with_emoji() => {
            is_short && (PARTICLES.begin(particle) || (lead.are_foreign() && !lead.are_talk()))
        }
        (Some(verb), _) => {
            is_short && !verb.is_ascii() && !lead.are_ideographic() && !is_talk(verb)
        }
    }
}

/// What a removal says that it takes off.
fn named(words: &Words<'_>) -> Option<TapbackKind> {
    of(NAMES, |names| words.have(names))
        .or_else(|| of(VERBS, |verbs| words.have(verbs)))
        .or_else(|| words.have(REACTION_NAMES).then_some(TapbackKind::Like))
}

fn denied(words: &Words<'_>, kind: TapbackKind) -> TapbackKind {
    let is_liking = matches!(kind, TapbackKind::Like | TapbackKind::Love);
    if is_liking && words.deny() {
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
