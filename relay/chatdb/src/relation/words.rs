//! The words before or after a quotation, and whether the software of a phone generated them, as it does for a
//! reaction, or a person wrote them.

use std::ops::Range;

use super::emoji;
use super::quote::is_blank;
use super::wording::{
    EDIT_PARTS, NEGATIONS, REMOVAL_VERBS, SPEECH_PARTS, Stems, WORDS_AFTER_VERB, WORDS_BEFORE_VERB,
    contains_any_part, is_european, is_first_word_of_persons, is_word_of_persons,
};

/// Most words that may count as generated if they are not a known wording.
const MAX_WORDS: usize = 4;
/// [`MAX_WORDS`] with a verb that says that a reaction was removed: such words also name the reaction.
const MAX_WORDS_OF_REMOVAL: usize = 6;
/// Most characters that may count as generated if they are not a known wording.
const MAX_CHARS: usize = 40;
/// Letters beside `a` to `z` of the western languages whose verbs of reactions are listed.
const WESTERN_LETTERS: &str = "äöüßàáâãåæçèéêëìíîïñòóôõøùúûýÿœ";
/// Most characters of a word between a verb and the quotation: phones generate only articles, pronouns and
/// prepositions there. [`WORDS_AFTER_VERB`] lists the longer ones.
const MAX_CHARS_AFTER_VERB: usize = 3;

/// The words before or after a quotation.
pub(super) struct Words<'t> {
    raw: &'t str,
    emoji: Vec<Range<usize>>,
    /// See [`Self::normal_form`].
    normal_form: String,
}

impl<'t> Words<'t> {
    /// The words of `raw`, a part of a text before or after a quotation.
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
        let normal_form = form.trim_end_matches(':').trim_end().to_owned();
        Self {
            raw,
            emoji,
            normal_form,
        }
    }

    /// The words in lower case, without quotation marks and without a colon at the end, with `{}` for the only
    /// emoji.
    pub(super) fn normal_form(&self) -> &str {
        &self.normal_form
    }

    pub(super) fn is_empty(&self) -> bool {
        self.normal_form.is_empty()
    }

    /// The emoji among the words, if there is exactly one place with emoji. Adjacent emoji count as one.
    pub(super) fn emoji(&self) -> Option<&'t str> {
        match self.emoji.as_slice() {
            [only] => Some(&self.raw[only.clone()]),
            _ => None,
        }
    }

    /// Whether emoji are at several places.
    pub(super) fn has_several_emoji(&self) -> bool {
        self.emoji.len() > 1
    }

    /// Whether an entry of `stems` occurs.
    pub(super) fn contain_any(&self, stems: Stems) -> bool {
        stems.any_occurs_in(&self.normal_form)
    }

    /// Whether one of `verbs` comes first, or only after an emoji and the small words of [`WORDS_BEFORE_VERB`]. With
    /// another word before the verb, a person writes about another person: `Oma liebt „…“`.
    pub(super) fn begin_with_verb(&self, verbs: Stems) -> bool {
        self.at_each_verb_position()
            .any(|words| verbs.any_begins(words))
    }

    /// Whether the words are one of `verbs`, at most small words before it, and at most small words or negations
    /// after it. `Mag sein „…“` has another word.
    pub(super) fn are_verb_and_small_words(&self, verbs: Stems) -> bool {
        let leads_to_quotation = |words: &str| {
            words.split_whitespace().all(|word| {
                let is_short = word.chars().nth(MAX_CHARS_AFTER_VERB).is_none();
                is_short || NEGATIONS.any_begins(word) || WORDS_AFTER_VERB.any_begins(word)
            })
        };
        self.at_each_verb_position()
            .any(|words| verbs.rests_after_match(words).any(leads_to_quotation))
    }

    /// The rest of the words from each place at which a verb may be: the first word, and the word after an emoji or one
    /// of [`WORDS_BEFORE_VERB`].
    fn at_each_verb_position(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.normal_form.as_str()), |words| {
            let (word, rest) = words.split_once(' ')?;
            (word == "{}" || WORDS_BEFORE_VERB.any_begins(word)).then_some(rest)
        })
    }

    /// Whether a negation occurs.
    pub(super) fn contain_negation(&self) -> bool {
        self.each_word().any(|word| NEGATIONS.any_begins(word))
    }

    /// Whether a word of edit notices occurs.
    pub(super) fn contain_edit_words(&self) -> bool {
        contains_any_part(&self.normal_form, EDIT_PARTS)
    }

    /// Whether a word occurs that persons write and phones do not generate, in a language whose verbs are listed.
    pub(super) fn contain_words_of_persons(&self) -> bool {
        self.each_word().any(is_word_of_persons)
    }

    /// Whether each word has at most `chars` characters.
    pub(super) fn are_no_longer_than(&self, chars: usize) -> bool {
        self.each_word()
            .all(|word| word.chars().nth(chars).is_none())
    }

    /// Whether an emoji comes first.
    pub(super) fn begin_with_emoji(&self) -> bool {
        self.normal_form.starts_with("{}")
    }

    /// Whether the words begin as generated words do: with an emoji, or with a letter that is not a small one. Words
    /// without letters count, too.
    pub(super) fn begin_like_generated_words(&self) -> bool {
        let first_letter = self.raw.chars().find(|c| c.is_alphabetic());
        self.begin_with_emoji() || first_letter.is_none_or(|letter| !letter.is_lowercase())
    }

    /// The number of words, emoji excluded.
    pub(super) fn count(&self) -> usize {
        self.each_word().count()
    }

    /// The words in their normal form, emoji excluded.
    pub(super) fn each_word(&self) -> impl Iterator<Item = &str> {
        let words = self.normal_form.split(' ');
        words.filter(|word| !matches!(*word, "" | "{}"))
    }

    /// Whether a letter occurs that English does not have.
    pub(super) fn have_non_english_letters(&self) -> bool {
        self.normal_form
            .chars()
            .any(|c| c.is_alphabetic() && !c.is_ascii())
    }

    /// Whether all letters are Latin, Greek or Cyrillic.
    pub(super) fn are_european(&self) -> bool {
        let mut letters = self.normal_form.chars().filter(|c| c.is_alphabetic());
        letters.all(is_european)
    }

    /// Whether a Latin letter occurs that the western languages whose verbs are listed do not have.
    pub(super) fn have_non_western_latin_letters(&self) -> bool {
        let is_western_or_not_latin = |c: char| {
            c.is_ascii() || WESTERN_LETTERS.contains(c) || ('\u{370}'..'\u{1e00}').contains(&c)
        };
        !self
            .normal_form
            .chars()
            .filter(|c| c.is_alphabetic())
            .all(is_western_or_not_latin)
    }

    /// Whether a letter of Han, Kana or Hangul occurs. These scripts have no capitals, and no or few spaces, so it
    /// does not show where a word ends.
    pub(super) fn have_east_asian_letters(&self) -> bool {
        self.normal_form.contains(
            |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'),
        )
    }

    /// Whether the words end with a colon.
    pub(super) fn end_with_colon(&self) -> bool {
        self.raw.ends_with([':', '：'])
    }

    /// Whether a phone may have generated the words, although they are not a known wording. They are few, have no
    /// punctuation that ends a phrase, do not begin with a word of persons, and do not report what a person
    /// said. For words before the quotation, the caller also checks [`Self::begin_like_generated_words`].
    pub(super) fn may_be_generated(&self) -> bool {
        let most = if self.contain_any(REMOVAL_VERBS) {
            MAX_WORDS_OF_REMOVAL
        } else {
            MAX_WORDS
        };
        let is_short = self.count() <= most && self.normal_form.chars().count() <= MAX_CHARS;
        let is_one_phrase = !self.raw.trim_end_matches([':', '：']).contains([
            '.', ',', ';', ':', '!', '?', '…', '。', '，', '、', '：', '？', '！', '\n',
        ]);
        let begins_like_person = self
            .each_word()
            .next()
            .is_some_and(is_first_word_of_persons);
        let is_of_person = begins_like_person || contains_any_part(&self.normal_form, SPEECH_PARTS);
        is_short && is_one_phrase && !is_of_person
    }
}
