//! The wordings that the software of phones generates for reactions over SMS and RCS: `reactions.txt`.

use std::sync::LazyLock;

use shared_protocol::TapbackAction::{self, Added, Removed};
use shared_protocol::TapbackKind::{
    self, Dislike, Emoji, Emphasize, Laugh, Like, Love, Question, Sticker,
};

const TABLE: &str = include_str!("reactions.txt");

/// The words before the quoted text (`lead`) and after it (`tail`), and the reaction that they mean.
pub(in crate::relation) struct Wording {
    pub(in crate::relation) lead: &'static str,
    pub(in crate::relation) tail: &'static str,
    pub(in crate::relation) kind: TapbackKind,
    pub(in crate::relation) action: TapbackAction,
}

/// Every known wording.
pub(in crate::relation) static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| is_entry(line));
    lines.filter_map(parse_line).flatten().collect()
});

/// Whether a line of the table is neither empty nor a comment.
fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// The wordings of a line; `None` if the line is malformed, which a test rules out.
fn parse_line(line: &'static str) -> Option<impl Iterator<Item = Wording>> {
    let (reaction, wordings) = line.split_once(": ")?;
    let (kind, action) = reaction.split_once(' ')?;
    let kind = match kind {
        "love" => Love,
        "like" => Like,
        "dislike" => Dislike,
        "laugh" => Laugh,
        "emphasize" => Emphasize,
        "question" => Question,
        "emoji" => Emoji,
        "sticker" => Sticker,
        _ => return None,
    };
    let action = match action {
        "added" => Added,
        "removed" => Removed,
        _ => return None,
    };
    let wordings = wordings.split(" | ").filter_map(move |wording| {
        let (lead, tail) = wording.split_once('…')?;
        Some(Wording {
            lead: lead.trim_end(),
            tail: tail.trim_start(),
            kind,
            action,
        })
    });
    Some(wordings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_whole() {
        for line in TABLE.lines().filter(|line| is_entry(line)) {
            let read = parse_line(line).map(Iterator::count);
            assert_eq!(read, Some(line.split(" | ").count()), "{line}");
        }
    }

    #[test]
    fn every_wording_is_in_the_form_in_which_words_are_compared() {
        for Wording {
            lead, tail, kind, ..
        } in WORDINGS.iter()
        {
            assert!(!lead.is_empty() || !tail.is_empty());
            for words in [lead, tail] {
                assert_eq!(*words, words.to_lowercase());
                assert!(!words.contains(['…', '|', '“', '”', '’', '"']), "{words}");
                // An emoji is a word of its own even in a language without spaces.
                let with_spaces = words.replace("{}", " {} ");
                assert!(
                    words.split_whitespace().eq(with_spaces.split_whitespace()),
                    "{words}"
                );
                let spaced = words.split_whitespace().collect::<Vec<_>>().join(" ");
                assert_eq!(*words, spaced);
            }
            let has_emoji = lead.contains("{}") || tail.contains("{}");
            assert_eq!(has_emoji, *kind == Emoji, "{lead} {tail}");
        }
    }
}
