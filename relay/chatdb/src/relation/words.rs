//! The few words before or behind a quotation, and whose they may be.

use std::ops::Range;

use super::emoji;
use super::quote::is_blank;
use super::wording::{REMOVAL_STEMS, SPEECH_STEMS, begins_speech, occur};

/// Words of a system that are not known are few; those that take a reaction off name it besides.
const MAX_WORDS: usize = 4;
const MAX_WORDS_OF_REMOVAL: usize = 6;
const MAX_CHARS: usize = 40;

/// Words before or behind a quotation.
pub(super) struct Words<'t> {
    raw: &'t str,
    emoji: Vec<Range<usize>>,
    /// In lower case, without quotation marks, with `{}` for the only emoji.
    form: String,
}

impl<'t> Words<'t> {
    pub(super) fn of(raw: &'t str) -> Self {
        let emoji = emoji::places(raw);
        let mut text = raw.to_owned();
        if let [only] = emoji.as_slice() {
            text.replace_range(only.clone(), " {} ");
        }
        let mut form = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                _ if is_blank(c) => form.push(' '),
                '’' | '‘' | '\'' => form.push('\''),
                '"' | '“' | '”' | '„' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』' =>
                    {}
                _ => form.extend(c.to_lowercase()),
            }
        }
        let form = form.split_whitespace().collect::<Vec<_>>().join(" ");
        let form = form.trim_end_matches(':').trim_end().to_owned();
        Self { raw, emoji, form }
    }

    pub(super) fn form(&self) -> &str {
        &self.form
    }

    pub(super) fn is_empty(&self) -> bool {
        self.form.is_empty()
    }

    /// The emoji among them, if there is one place with emoji.
    pub(super) fn emoji(&self) -> Option<&'t str> {
        match self.emoji.as_slice() {
            [only] => Some(&self.raw[only.clone()]),
            _ => None,
        }
    }

    pub(super) fn has_several_emoji(&self) -> bool {
        self.emoji.len() > 1
    }

    /// Whether one of these parts of words occurs.
    pub(super) fn have(&self, stems: &str) -> bool {
        occur(&self.form, stems)
    }

    /// Whether they begin as systems do, with a capital where the script has any, or with an emoji.
    pub(super) fn begin_like_a_system(&self) -> bool {
        let first_letter = self.raw.chars().find(|c| c.is_alphabetic());
        self.form.starts_with("{}") || first_letter.is_none_or(|letter| !letter.is_lowercase())
    }

    /// How many there are, without emoji.
    pub(super) fn count(&self) -> usize {
        self.each().count()
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        let words = self.form.split(' ');
        words.filter(|word| !matches!(*word, "" | "{}"))
    }

    /// Whether a letter among them is not one of English.
    pub(super) fn are_foreign(&self) -> bool {
        self.form
            .chars()
            .any(|c| c.is_alphabetic() && !c.is_ascii())
    }

    /// Whether a colon leads over to the quotation.
    pub(super) fn end_with_colon(&self) -> bool {
        self.raw.ends_with([':', '：'])
    }

    /// Whether they may be a system's though they are not known: few, without a mark that ends a phrase,
    /// and not those with which a person begins to speak about a quotation. In front of the quotation they
    /// must also [begin like a system's](Self::begin_like_a_system).
    pub(super) fn may_be_a_systems(&self) -> bool {
        let most = if self.have(REMOVAL_STEMS) {
            MAX_WORDS_OF_REMOVAL
        } else {
            MAX_WORDS
        };
        let is_short = self.count() <= most && self.form.chars().count() <= MAX_CHARS;
        let is_phrase = !self.raw.trim_end_matches([':', '：']).contains([
            '.', ',', ';', ':', '!', '?', '…', '。', '，', '、', '：', '？', '！', '\n',
        ]);
        let is_spoken = self.each().next().is_some_and(begins_speech);
        let is_spoken = is_spoken || self.have(SPEECH_STEMS);
        is_short && is_phrase && !is_spoken
    }
}
