//! The few words before or behind a quotation, and whose they may be.

use std::ops::Range;

use super::emoji;
use super::quote::is_blank;
use super::wording::{
    BEFORE_VERBS, BEHIND_VERBS, DENIALS, EDIT_STEMS, REMOVALS, SPEECH_STEMS, Stems, begins_speech,
    contain, is_european, is_talk,
};

/// Words of a system that are not known are few; those that take a reaction off name it besides.
const MAX_WORDS: usize = 4;
const MAX_WORDS_OF_REMOVAL: usize = 6;
const MAX_CHARS: usize = 40;
/// Letters of the western languages whose verbs are known.
const COMMON_LETTERS: &str = "äöüßàáâãåæçèéêëìíîïñòóôõøùúûýÿœ";
/// A word that leads from a verb to the quotation has at most so many characters.
const MAX_LEADING_OVER: usize = 3;

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
                '"' | '“' | '”' | '„' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』'
                | '〝' | '〞' | '〟' | '״' => {}
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

    /// Whether one of these words occurs.
    pub(super) fn have(&self, stems: Stems) -> bool {
        stems.occur(&self.form)
    }

    /// Whether one of these verbs is the first, but for small words that may stand before it. In front of
    /// the quotation another first word is a person's of whom a person tells: `Oma liebt „…“`.
    pub(super) fn begin_with(&self, verbs: Stems) -> bool {
        self.places_of_verb().any(|words| verbs.begin(words))
    }

    /// Whether one of these verbs is the first, and nothing follows but what leads over to the quotation:
    /// not in `Mag sein „…“`.
    pub(super) fn are_just(&self, verbs: Stems) -> bool {
        let lead_over = |words: &str| {
            words.split_whitespace().all(|word| {
                let is_short = word.chars().nth(MAX_LEADING_OVER).is_none();
                is_short || DENIALS.begin(word) || BEHIND_VERBS.begin(word)
            })
        };
        self.places_of_verb()
            .any(|words| verbs.behind(words).any(lead_over))
    }

    /// The words from each place on at which a verb may stand.
    fn places_of_verb(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.form.as_str()), |words| {
            let (word, behind) = words.split_once(' ')?;
            (word == "{}" || BEFORE_VERBS.begin(word)).then_some(behind)
        })
    }

    /// Whether one of them denies.
    pub(super) fn deny(&self) -> bool {
        self.each().any(|word| DENIALS.begin(word))
    }

    /// Whether they tell of an edit.
    pub(super) fn tell_of_an_edit(&self) -> bool {
        contain(&self.form, EDIT_STEMS)
    }

    /// Whether one of them is a person's, in a language whose wordings are known well.
    pub(super) fn are_talk(&self) -> bool {
        self.each().any(is_talk)
    }

    /// Whether no word is longer.
    pub(super) fn are_at_most(&self, chars: usize) -> bool {
        self.each().all(|word| word.chars().nth(chars).is_none())
    }

    /// Whether the emoji comes first.
    pub(super) fn begin_with_emoji(&self) -> bool {
        self.form.starts_with("{}")
    }

    /// Whether they begin as systems do, with a capital where the script has any, or with an emoji.
    pub(super) fn begin_like_a_system(&self) -> bool {
        let first_letter = self.raw.chars().find(|c| c.is_alphabetic());
        self.begin_with_emoji() || first_letter.is_none_or(|letter| !letter.is_lowercase())
    }

    /// How many there are, without emoji.
    pub(super) fn count(&self) -> usize {
        self.each().count()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &str> {
        let words = self.form.split(' ');
        words.filter(|word| !matches!(*word, "" | "{}"))
    }

    /// Whether a letter among them is not one of English.
    pub(super) fn are_foreign(&self) -> bool {
        self.form
            .chars()
            .any(|c| c.is_alphabetic() && !c.is_ascii())
    }

    /// Whether all letters are Latin, Greek or Cyrillic.
    pub(super) fn are_european(&self) -> bool {
        let mut letters = self.form.chars().filter(|c| c.is_alphabetic());
        letters.all(is_european)
    }

    /// Whether a Latin letter among them is outside of the languages that most people write.
    pub(super) fn are_rare(&self) -> bool {
        let is_common = |c: char| {
            c.is_ascii() || COMMON_LETTERS.contains(c) || ('\u{370}'..'\u{1e00}').contains(&c)
        };
        !self
            .form
            .chars()
            .filter(|c| c.is_alphabetic())
            .all(is_common)
    }

    /// Whether a letter is of a script that writes neither spaces nor capitals, so that nothing tells where
    /// words end: Han, Kana, Hangul.
    pub(super) fn are_ideographic(&self) -> bool {
        self.form.contains(
            |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'),
        )
    }

    /// Whether a colon leads over to the quotation.
    pub(super) fn end_with_colon(&self) -> bool {
        self.raw.ends_with([':', '：'])
    }

    /// Whether they may be a system's though they are not known: few, without a mark that ends a phrase,
    /// and not those with which a person begins to speak about a quotation. In front of the quotation they
    /// must also [begin like a system's](Self::begin_like_a_system).
    pub(super) fn may_be_a_systems(&self) -> bool {
        let most = if self.have(REMOVALS) {
            MAX_WORDS_OF_REMOVAL
        } else {
            MAX_WORDS
        };
        let is_short = self.count() <= most && self.form.chars().count() <= MAX_CHARS;
        let is_phrase = !self.raw.trim_end_matches([':', '：']).contains([
            '.', ',', ';', ':', '!', '?', '…', '。', '，', '、', '：', '？', '！', '\n',
        ]);
        let is_spoken = self.each().next().is_some_and(begins_speech);
        let is_spoken = is_spoken || contain(&self.form, SPEECH_STEMS);
        is_short && is_phrase && !is_spoken
    }
}
