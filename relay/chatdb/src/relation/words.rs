//! The words before or after a quotation, and whether a system or a person wrote them.

use std::ops::Range;

use super::emoji;
use super::quote::is_blank;
use super::wording::{
    BEFORE_VERBS, BEHIND_VERBS, DENIALS, EDIT_STEMS, REMOVALS, SPEECH_STEMS, Stems, begins_speech,
    contain, is_european, is_personal,
};

/// Most words of an unknown wording. The removal of a reaction may have more words, as it names the
/// reaction.
const MAX_WORDS: usize = 4;
const MAX_WORDS_OF_REMOVAL: usize = 6;
const MAX_CHARS: usize = 40;
/// Letters of the western languages whose verbs are known.
const COMMON_LETTERS: &str = "äöüßàáâãåæçèéêëìíîïñòóôõøùúûýÿœ";
/// Most characters of a word between a verb and the quotation.
const MAX_LEADING_OVER: usize = 3;

/// The words before or after a quotation.
pub(super) struct Words<'t> {
    raw: &'t str,
    emoji: Vec<Range<usize>>,
    /// The words in lower case, without quotation marks, and with `{}` for the only emoji.
    form: String,
}

impl<'t> Words<'t> {
    pub(super) fn of(raw: &'t str) -> Self {
        let emoji = emoji::ranges(raw);
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

    /// The emoji among the words, if there is exactly one range of emoji.
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
    pub(super) fn contain_any(&self, stems: Stems) -> bool {
        stems.occur(&self.form)
    }

    /// Whether one of these verbs comes first, apart from small words before it. With another word before
    /// the verb, a person writes about another person: `Oma liebt „…“`.
    pub(super) fn begin_with(&self, verbs: Stems) -> bool {
        self.at_each_verb_position().any(|words| verbs.begin(words))
    }

    /// Whether one of these verbs comes first, with nothing after it but small words before the
    /// quotation. `Mag sein „…“` is a counterexample.
    pub(super) fn are_only(&self, verbs: Stems) -> bool {
        let leads_to_quotation = |words: &str| {
            words.split_whitespace().all(|word| {
                let is_short = word.chars().nth(MAX_LEADING_OVER).is_none();
                is_short || DENIALS.begin(word) || BEHIND_VERBS.begin(word)
            })
        };
        self.at_each_verb_position()
            .any(|words| verbs.behind(words).any(leads_to_quotation))
    }

    /// The words from each place at which a verb may be.
    fn at_each_verb_position(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.form.as_str()), |words| {
            let (word, behind) = words.split_once(' ')?;
            (word == "{}" || BEFORE_VERBS.begin(word)).then_some(behind)
        })
    }

    /// Whether a negation occurs.
    pub(super) fn contain_negation(&self) -> bool {
        self.each().any(|word| DENIALS.begin(word))
    }

    /// Whether a word of edit notices occurs.
    pub(super) fn contain_edit_words(&self) -> bool {
        contain(&self.form, EDIT_STEMS)
    }

    /// Whether a word occurs that only persons write, in a language whose wordings are known well.
    pub(super) fn contain_personal_words(&self) -> bool {
        self.each().any(is_personal)
    }

    /// Whether each word has at most `chars` characters.
    pub(super) fn are_no_longer_than(&self, chars: usize) -> bool {
        self.each().all(|word| word.chars().nth(chars).is_none())
    }

    /// Whether an emoji comes first.
    pub(super) fn begin_with_emoji(&self) -> bool {
        self.form.starts_with("{}")
    }

    /// Whether the words begin as those of systems do: with a capital if the script has capitals, or
    /// with an emoji.
    pub(super) fn begin_like_a_system(&self) -> bool {
        let first_letter = self.raw.chars().find(|c| c.is_alphabetic());
        self.begin_with_emoji() || first_letter.is_none_or(|letter| !letter.is_lowercase())
    }

    /// The number of words, emoji excluded.
    pub(super) fn count(&self) -> usize {
        self.each().count()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &str> {
        let words = self.form.split(' ');
        words.filter(|word| !matches!(*word, "" | "{}"))
    }

    /// Whether a letter occurs that English does not have.
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

    /// Whether a Latin letter occurs that the western languages do not have.
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

    /// Whether a letter of Han, Kana or Hangul occurs. These scripts have neither spaces nor capitals,
    /// so that the ends of words are unknown.
    pub(super) fn are_ideographic(&self) -> bool {
        self.form.contains(
            |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'),
        )
    }

    /// Whether the words end with a colon.
    pub(super) fn end_with_colon(&self) -> bool {
        self.raw.ends_with([':', '：'])
    }

    /// Whether the words may be an unknown wording of a system: they are few, have no mark that ends a
    /// phrase, and don't begin as a person begins to speak about a quotation. Words before the
    /// quotation must also [begin like a system's](Self::begin_like_a_system).
    pub(super) fn may_be_of_a_system(&self) -> bool {
        let most = if self.contain_any(REMOVALS) {
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
