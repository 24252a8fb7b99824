//! The wordings of reactions that systems write: `reactions.txt`.

use std::sync::LazyLock;

use shared_protocol::TapbackAction::{self, Added, Removed};
use shared_protocol::TapbackKind::{
    self, Dislike, Emoji, Emphasize, Laugh, Like, Love, Question, Sticker,
};

const TABLE: &str = include_str!("reactions.txt");

/// The words before and after the quoted text, and the reaction that they mean.
pub(in crate::relation) struct Wording {
    pub(in crate::relation) before: &'static str,
    pub(in crate::relation) behind: &'static str,
    pub(in crate::relation) kind: TapbackKind,
    pub(in crate::relation) action: TapbackAction,
}

/// Every known wording.
pub(in crate::relation) static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| is_entry(line));
    lines.filter_map(entry).flatten().collect()
});

/// Whether a line of the table is neither empty nor a comment.
fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// The wordings of a line; `None` if the line is malformed, which a test rules out.
fn entry(line: &'static str) -> Option<impl Iterator<Item = Wording>> {
    let (says, wordings) = line.split_once(": ")?;
    let (kind, action) = says.split_once(' ')?;
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
        let (before, behind) = wording.split_once('…')?;
        Some(Wording {
            before: before.trim_end(),
            behind: behind.trim_start(),
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
            let read = entry(line).map(Iterator::count);
            assert_eq!(read, Some(line.split(" | ").count()), "{line}");
        }
    }

    #[test]
    fn every_wording_is_written_in_its_compared_form() {
        for Wording {
            before,
            behind,
            kind,
            ..
        } in WORDINGS.iter()
        {
            assert!(!before.is_empty() || !behind.is_empty());
            for words in [before, behind] {
                assert_eq!(*words, words.to_lowercase());
                assert!(!words.contains(['…', '|', '“', '”', '’', '"']), "{words}");
                // An emoji is a word of its own even in a language without spaces.
                let apart = words.replace("{}", " {} ");
                assert!(
                    words.split_whitespace().eq(apart.split_whitespace()),
                    "{words}"
                );
                let spaced = words.split_whitespace().collect::<Vec<_>>().join(" ");
                assert_eq!(*words, spaced);
            }
            let has_emoji = before.contains("{}") || behind.contains("{}");
            assert_eq!(has_emoji, *kind == Emoji, "{before} {behind}");
        }
    }
}
