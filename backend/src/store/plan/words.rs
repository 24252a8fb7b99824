//! A statement as words: enough to tell what it does, far from a parser.

use super::split::{is_blank, is_word, token};

/// A word or a symbol in lower case; strings are left out. Names lose their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// In how many parentheses it stands.
    pub(super) depth: usize,
}

pub(super) fn words(body: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let length = token(rest);
        let text = &rest[..length];
        at += length;
        match text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if is_blank(text) || text.starts_with(['\'', '$']) {
            continue;
        }
        words.push(Word {
            text: text.trim_matches('"').to_lowercase(),
            depth,
        });
    }
    words
}

/// A cursor that reads a statement from left to right.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(pub(super) &'a [Word]);

impl<'a> Words<'a> {
    pub(super) fn peek(&self) -> &'a str {
        self.0.first().map_or("", |word| &word.text)
    }

    pub(super) fn next(&mut self) -> &'a str {
        let text = self.peek();
        self.0 = self.0.get(1..).unwrap_or_default();
        text
    }

    /// Goes past `phrase` if it comes next.
    pub(super) fn skip(&mut self, phrase: &str) -> bool {
        let mut ahead = *self;
        if phrase.split(' ').all(|word| ahead.next() == word) {
            *self = ahead;
            return true;
        }
        false
    }

    /// The name that comes next, without its schema.
    pub(super) fn name(&mut self) -> &'a str {
        let mut name = self.next();
        while self.skip(".") {
            name = self.next();
        }
        name
    }

    pub(super) fn has(&self, phrase: &str) -> bool {
        (0..self.0.len()).any(|at| Words(&self.0[at..]).skip(phrase))
    }

    /// Up to each comma outside of parentheses, or inside of `depth` of them.
    pub(super) fn items(&self, depth: usize) -> impl Iterator<Item = Words<'a>> + use<'a> {
        self.0
            .split(move |word| word.text == "," && word.depth == depth)
            .map(Words)
    }

    /// What follows each time that `word` occurs.
    pub(super) fn after<'w>(&self, word: &'w str) -> impl Iterator<Item = Words<'a>> + use<'a, 'w> {
        let all = self.0;
        (0..all.len())
            .filter(move |at| all[*at].text == word)
            .map(move |at| Words(&all[at + 1..]))
    }

    /// Every word that could be a table's name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let is_name = |word: &&Word| word.text.starts_with(is_word);
        self.0.iter().filter(is_name).map(|word| word.text.as_str())
    }
}
