//! Reactions that came as texts: over SMS and RCS a reaction is a text that quotes what it is about.
//!
//! The quotation tells it: a few words, and then a text that was said in the chat not long ago, with
//! nothing behind it. Words alone tell it only where they are a system's own ([`super::wording`]). A text
//! that merely has a quotation in it, or answers one, stays a message: a reaction has no text, so what is
//! taken for one is not told.

use shared_protocol::{TapbackAction, TapbackKind};

use super::quote::{CutAfter, Quotation, comparable, has_marks, is_blank, quotes};
use super::wording::{Media, WORDINGS};
use super::words::Words;
use guess::{by_marks, guessed, marked};

mod guess;

/// A reaction whose wording is known quotes a text by so much of it.
const CUT_IF_KNOWN: CutAfter = CutAfter {
    with_ellipsis: 3,
    without: 12,
};
/// One whose wording is not known must quote more.
const CUT_IF_GUESSED: CutAfter = CutAfter {
    with_ellipsis: 12,
    without: 20,
};
/// A quotation without its end must hold so many characters: it was cut because it is long.
const LEAST_WITHOUT_END: usize = 40;
/// The longest wording that tells of an edit.
const MAX_WORDS_OF_EDIT: usize = 8;
/// The longest wording of a reaction to media.
const MAX_MEDIA_BYTES: usize = 160;

/// A reaction that came as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextReaction {
    /// Put on or taken off.
    pub action: TapbackAction,
    /// Which one.
    pub kind: TapbackKind,
    /// The emoji of [`TapbackKind::Emoji`].
    pub emoji: Option<String>,
    /// `message.guid` of what it is about, if that is known.
    pub target: Option<String>,
}

/// How a text came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// A channel without reactions of its own: SMS, or RCS with some of its devices.
    Texts,
    /// iMessage, where a reaction is a row of its own kind. A text that says the same is a person's, or
    /// a device's that is too old: words and quotation must both be right.
    Reactions,
}

impl Channel {
    pub(crate) fn of(service: Option<&str>) -> Self {
        let service = service.unwrap_or_default().to_ascii_uppercase();
        if ["SMS", "MMS", "RCS"]
            .iter()
            .any(|texts| service.contains(texts))
        {
            Self::Texts
        } else {
            Self::Reactions
        }
    }
}

/// A text that may be a reaction, and what it would be one to.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    readings: Vec<Reading>,
    media: Option<(TextReaction, Media)>,
}

/// One way to read a text as a reaction.
#[derive(Clone, Debug)]
struct Reading {
    /// Without its target.
    said: TextReaction,
    /// What it quotes, [`comparable`].
    quoted: String,
    cut_after: CutAfter,
    /// Whether its words tell it without a text that it quotes.
    stands_alone: bool,
}

impl Suspect {
    /// What `text` may be a reaction to; `None` for nearly every text.
    pub(crate) fn of(text: &str, channel: Channel) -> Option<Self> {
        let quotations = if has_marks(text) {
            Quotation::readings(text)
        } else {
            Vec::new()
        };
        let readings = readings(text, &quotations, channel);
        let media = match channel {
            Channel::Texts if text.len() <= MAX_MEDIA_BYTES => {
                media(text).or_else(|| quoted_media(text, &quotations))
            }
            _ => None,
        };
        (!readings.is_empty() || media.is_some()).then_some(Self { readings, media })
    }

    /// Which media it is about.
    pub(crate) fn media(&self) -> Option<Media> {
        self.media.as_ref().map(|(_, media)| *media)
    }

    /// The reaction, if it is one to the message `guid` that says `text`.
    pub(crate) fn to_text(&self, guid: &str, text: &str) -> Option<TextReaction> {
        let text = comparable(text);
        let reading = self
            .readings
            .iter()
            .find(|reading| quotes(&reading.quoted, &text, reading.cut_after))?;
        Some(reading.said.clone().about(guid))
    }

    /// The reaction to media of the message `guid`.
    pub(crate) fn to_media(&self, guid: &str) -> Option<TextReaction> {
        let (said, _) = self.media.as_ref()?;
        Some(said.clone().about(guid))
    }

    /// The reaction, if its words alone prove one: what it is about was not found.
    pub(crate) fn without_target(&self) -> Option<TextReaction> {
        let reading = self.readings.iter().find(|reading| reading.stands_alone);
        let said = reading.map(|reading| &reading.said);
        said.or(self.media.as_ref().map(|(said, _)| said)).cloned()
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

fn readings(text: &str, quotations: &[Quotation<'_>], channel: Channel) -> Vec<Reading> {
    let marked = marked(text);
    let mut readings: Vec<Reading> = quotations
        .iter()
        .filter_map(|quotation| reading(quotation, channel, marked))
        .collect();
    if let Some((lead, quoted)) = Quotation::without_end(text)
        && let Some(said) = known(&Words::of(lead), &Words::of(""))
    {
        let quoted = comparable(quoted);
        if quoted.chars().nth(LEAST_WITHOUT_END - 1).is_some() {
            readings.push(Reading {
                said,
                quoted,
                cut_after: CUT_IF_KNOWN,
                stands_alone: false,
            });
        }
    }
    readings
}

fn reading(
    quotation: &Quotation<'_>,
    channel: Channel,
    marked: Option<TapbackAction>,
) -> Option<Reading> {
    if quotation.quoted.is_empty() {
        return None;
    }
    let (lead, tail) = (Words::of(quotation.lead), Words::of(quotation.tail));
    let is_typographic = quotation.is_typographic;
    let over_texts = channel == Channel::Texts;
    let quoted = comparable(quotation.quoted);
    let reading = |said, cut_after, stands_alone| Reading {
        said,
        quoted: quoted.clone(),
        cut_after,
        stands_alone,
    };
    let by_marks = || by_marks(&lead, &tail, quotation.quoted, marked?);
    let by_marks = over_texts.then(by_marks).flatten();
    if let Some(said) = known(&lead, &tail) {
        let ends_it = quotation.tail.is_empty() && quotation.is_one;
        let is_clear = is_typographic || is_unmistakable(&said, &lead);
        let by_system = ends_it && is_clear && lead.begin_like_a_system();
        let stands_alone = by_system || (by_marks.is_some() && quotation.is_one);
        return (over_texts || is_typographic)
            .then(|| reading(said, CUT_IF_KNOWN, stands_alone && over_texts));
    }
    if let Some(said) = by_marks {
        return Some(reading(said, CUT_IF_KNOWN, quotation.is_one));
    }
    let said = (over_texts && is_typographic)
        .then(|| guessed(&lead, &tail, &quoted))
        .flatten()?;
    Some(reading(said, CUT_IF_GUESSED, false))
}

/// Whether words are a system's also around the straight marks that a network of seven bits makes of the
/// others. A person who writes `Liked "Dune"` tells of a film.
fn is_unmistakable(said: &TextReaction, lead: &Words<'_>) -> bool {
    said.emoji.is_some() || said.action == TapbackAction::Removed || lead.form() == "laughed at"
}

/// What a system's own words say.
fn known(lead: &Words<'_>, tail: &Words<'_>) -> Option<TextReaction> {
    if lead.has_several_emoji() || tail.has_several_emoji() {
        return None;
    }
    let wording = WORDINGS
        .iter()
        .find(|wording| lead.form() == wording.before && tail.form() == wording.behind)?;
    let emoji = lead.emoji().or(tail.emoji());
    Some(TextReaction::new(wording.action, wording.kind, emoji))
}

/// A reaction in a system's own words to what has no words: `Loved an image`.
fn media(text: &str) -> Option<(TextReaction, Media)> {
    let words = Words::of(text.trim_matches(is_blank));
    if words.has_several_emoji() || !words.begin_like_a_system() {
        return None;
    }
    let form = words.form();
    let (wording, media) = WORDINGS.iter().find_map(|wording| {
        let rest = form.strip_prefix(wording.before)?;
        let rest = without_number(rest.strip_suffix(wording.behind)?.trim());
        Some((wording, Media::named(rest)?))
    })?;
    let said = TextReaction::new(wording.action, wording.kind, words.emoji());
    Some((said, media))
}

/// `2 images` without the number.
fn without_number(words: &str) -> &str {
    match words.split_once(' ') {
        Some((number, rest)) if number.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => words,
    }
}

/// A reaction that quotes nothing but the placeholder of a file, which is left out of the text.
fn quoted_media(text: &str, quotations: &[Quotation<'_>]) -> Option<(TextReaction, Media)> {
    let empty = quotations
        .iter()
        .find(|quotation| quotation.quoted.is_empty() && quotation.is_typographic)?;
    let (lead, tail) = (Words::of(empty.lead), Words::of(empty.tail));
    let said = known(&lead, &tail).or_else(|| by_marks(&lead, &tail, "", marked(text)?))?;
    Some((said, Media::Any))
}

/// Whether the words around a quotation may be those of a row that tells of an edit.
pub(super) fn may_tell_of_an_edit(quotation: &Quotation<'_>) -> bool {
    let (lead, tail) = (Words::of(quotation.lead), Words::of(quotation.tail));
    let tells = lead.tell_of_an_edit() || tail.tell_of_an_edit();
    if tells && lead.count() + tail.count() <= MAX_WORDS_OF_EDIT {
        return lead.is_empty() || lead.begin_like_a_system();
    }
    let is_quoted = quotation.is_typographic && quotation.is_one;
    is_quoted
        && match (lead.is_empty(), tail.is_empty()) {
            (false, true) => lead.begin_like_a_system() && lead.may_be_a_systems(),
            (true, false) => tail.may_be_a_systems(),
            _ => false,
        }
}

#[cfg(test)]
mod tests;
