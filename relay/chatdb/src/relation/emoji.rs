//! Finds emoji in a text, each whole: with its skin tone, its joined parts, or both letters of a flag.

use std::ops::Range;

const JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// The byte ranges of the emoji of `text`, in order. Emoji with nothing between them are one range.
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let len = length(rest).unwrap_or(0);
        if len > 0 {
            match places.last_mut() {
                Some(last) if last.end == at => last.end += len,
                _ => places.push(at..at + len),
            }
        }
        rest = &rest[len.max(c.len_utf8())..];
    }
    places
}

/// The length in bytes of the emoji at the beginning of `text`; `None` if `text` does not begin with one.
fn length(text: &str) -> Option<usize> {
    let mut chars = text.chars().peekable();
    let first = chars.next()?;
    let mut len = first.len_utf8();
    if matches!(first, '0'..='9' | '#' | '*') {
        let style = chars.next_if_eq(&EMOJI_STYLE).map_or(0, char::len_utf8);
        let keycap = chars.next_if_eq(&KEYCAP)?;
        return Some(len + style + keycap.len_utf8());
    }
    if !is_pictograph(first) {
        return None;
    }
    if is_regional(first)
        && let Some(second) = chars.next_if(|c| is_regional(*c))
    {
        len += second.len_utf8();
    }
    while let Some(c) = chars.next() {
        if is_modifier(c) {
            len += c.len_utf8();
        } else if c == JOINER
            && let Some(next) = chars.next_if(|c| is_pictograph(*c))
        {
            len += c.len_utf8() + next.len_utf8();
        } else {
            break;
        }
    }
    Some(len)
}

/// The letters that make up a flag, two by two.
fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Skin tones, styles, keycaps, and the tags that turn a black flag into the flag of a region.
fn is_modifier(c: char) -> bool {
    matches!(c, TEXT_STYLE | EMOJI_STYLE | KEYCAP | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
}

/// Characters that are shown as a picture, or may be shown as one.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2934}' | '\u{2935}'
            | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_found_whole() {
        for emoji in [
            "👍",
            "❤️",
            "❤",
            "👍🏽",
            "👩‍🚀",
            "🏳️‍🌈",
            "🇩🇪",
            "👨‍👩‍👧‍👦",
            "1️⃣",
            "#⃣",
            "‼️",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "🧑🏿‍❤️‍💋‍🧑🏻",
            "🫶",
        ] {
            for (before, after) in [("", ""), ("Reacted ", " to"), ("に", "で")] {
                let text = format!("{before}{emoji}{after}");
                let expected = before.len()..before.len() + emoji.len();
                assert_eq!(ranges(&text), [expected], "{text}");
            }
        }
    }

    #[test]
    fn letters_and_digits_are_no_emoji_and_adjacent_emoji_are_one_range() {
        assert_eq!(ranges("to 4 of #5 * ab"), []);
        assert_eq!(ranges("😂😂 and 😂").len(), 2);
        assert_eq!(ranges("\u{200d}\u{fe0f}"), []);
        assert_eq!(ranges("👍\u{200d}x").first(), Some(&(0..4)));
    }
}
