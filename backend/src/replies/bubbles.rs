//! Makes bubbles of what a responder says: plain texts of bounded length, each with the pause before it.
//!
//! The same reply always becomes the same bubbles: the pauses vary by the command's id, not by chance, so a reply that
//! is made again after a crash is the same command.

use sha2::{Digest, Sha256};
use shared_protocol::{
    Bubble, MAX_BUBBLE_CHARS, MAX_BUBBLES, is_sendable, without_invisible_characters,
};
use unicode_segmentation::UnicodeSegmentation;

/// The most bubbles that a responder may ask for. What is beyond is joined to the last one.
const MAX_OF_REPLY: usize = 10;
const SHORTEST_PAUSE_MS: u32 = 600;
const LONGEST_PAUSE_MS: u32 = 4_000;
/// How long a person types a character.
const MS_A_CHAR: u32 = 25;
/// How far a pause may be from that of its length, in percent.
const VARIATION_PERCENT: u32 = 20;

/// The bubbles of a reply. Empty if the reply has no text.
pub(super) fn bubbles(texts: &[String], command_id: &str) -> Vec<Bubble> {
    let mut clean: Vec<String> = texts.iter().map(|text| cleaned(text)).collect();
    clean.retain(|text| is_visible(text));
    if clean.len() > MAX_OF_REPLY {
        let rest = clean.split_off(MAX_OF_REPLY - 1);
        clean.push(rest.join("\n"));
    }
    let mut parts: Vec<&str> = clean.iter().flat_map(|text| split(text)).collect();
    parts.retain(|part| is_visible(part));
    if parts.len() > MAX_BUBBLES {
        tracing::warn!(
            bubbles = parts.len(),
            sent = MAX_BUBBLES,
            "a reply is longer than what a command holds; its end is not sent"
        );
        parts.truncate(MAX_BUBBLES);
    }
    let pauses = (0_u32..).zip(&parts);
    let pauses: Vec<u32> = pauses
        .map(|(n, text)| pause_ms(n, text, command_id))
        .collect();
    let bubbles = parts.into_iter().zip(pauses);
    bubbles
        .map(|(text, pause_ms)| Bubble {
            text: text.to_owned(),
            pause_ms,
        })
        .collect()
}

/// Whether a reader sees something of the text. U+FFFC and U+FFFD are placeholders that Messages puts into texts.
fn is_visible(text: &str) -> bool {
    let seen = without_invisible_characters(text);
    !seen
        .chars()
        .all(|c| c.is_whitespace() || matches!(c, '\u{fffc}' | '\u{fffd}'))
}

/// The text without characters that Messages does not send, and without space around it.
fn cleaned(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text: String = text.chars().filter(|c| is_sendable(*c)).collect();
    text.trim().to_owned()
}

/// Splits a text into parts of at most [`MAX_BUBBLE_CHARS`] characters: between paragraphs, else between sentences, else
/// between words, else between graphemes.
fn split(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some((limit, _)) = text.char_indices().nth(MAX_BUBBLE_CHARS) {
        let cut = cut_before(text, limit);
        parts.push(text[..cut].trim());
        text = text[cut..].trim();
    }
    parts.push(text);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Where to cut a text, at most at the byte `limit`.
fn cut_before(text: &str, limit: usize) -> usize {
    let window = &text[..limit];
    // A cut in the first half would leave a short bubble before a long one.
    let is_late = |cut: &usize| *cut >= limit / 2;
    let sentence = || {
        let ends = window.char_indices().zip(window.chars().skip(1));
        ends.filter(|((_, c), next)| {
            matches!(c, '.' | '!' | '?' | '…') && next.is_whitespace()
                || matches!(c, '。' | '！' | '？')
        })
        .map(|((at, c), _)| at + c.len_utf8())
        .last()
    };
    let whole_graphemes = || {
        let starts = text.grapheme_indices(true).map(|(at, _)| at);
        starts.take_while(|at| *at <= limit).last()
    };
    (window.rfind("\n\n").filter(is_late))
        .or_else(|| window.rfind('\n').filter(is_late))
        .or_else(|| sentence().filter(is_late))
        .or_else(|| window.rfind(char::is_whitespace).filter(|cut| *cut > 0))
        .or_else(|| whole_graphemes().filter(|cut| *cut > 0))
        // A single grapheme that is longer than a bubble.
        .unwrap_or(limit)
}

/// The pause before the bubble of this number: none before the first one.
fn pause_ms(number: u32, text: &str, command_id: &str) -> u32 {
    if number == 0 {
        return 0;
    }
    let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let by_length = SHORTEST_PAUSE_MS.saturating_add(chars.saturating_mul(MS_A_CHAR));
    let by_length = by_length.min(LONGEST_PAUSE_MS);
    let hash = Sha256::digest(format!("{command_id} {number}"));
    let chance = u32::from(hash[0]) * 256 + u32::from(hash[1]);
    let percent = 100 - VARIATION_PERCENT + chance * (2 * VARIATION_PERCENT) / 65_535;
    (by_length * percent / 100).clamp(SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        bubbles(&texts, "cmd_1")
            .into_iter()
            .map(|it| it.text)
            .collect()
    }

    #[test]
    fn characters_that_messages_does_not_send_are_removed() {
        assert_eq!(texts(&["a\0b\u{1b}[1m\u{7f}c\u{85}"]), ["ab[1mc"]);
        assert_eq!(
            texts(&["one\r\ntwo\rthree\tfour"]),
            ["one\ntwo\nthree\tfour"]
        );
        let nothing = [
            "",
            " \n",
            "\0",
            "\u{200b}\u{feff}",
            "\u{a0}\u{2028}",
            "\u{fffc}",
            " \u{200e} ",
        ];
        assert_eq!(texts(&nothing), Vec::<String>::new());
        assert_eq!(texts(&["a", "\u{200b}", "❤\u{fe0f}"]), ["a", "❤\u{fe0f}"]);
        let quotes = "\"; do shell script 'x' & “q” \\ 👩‍👩‍👧";
        assert_eq!(texts(&[quotes]), [quotes], "the rest is sent as it is");
    }

    #[test]
    fn a_reply_has_at_most_ten_bubbles_of_its_own() {
        let numbers: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let bubbles = bubbles(&numbers, "cmd_1");
        assert_eq!(bubbles.len(), 10);
        assert_eq!(bubbles[9].text, "9\n10\n11");
    }

    #[test]
    fn long_texts_are_split_at_paragraphs_sentences_words_and_graphemes() {
        let (a, b) = ("a".repeat(1_500), "b".repeat(1_500));
        for (text, first) in [
            (format!("{a}\n\n{b}"), a.clone()),
            (format!("{a}. {b}"), format!("{a}.")),
            (format!("{a} {b}"), a.clone()),
            (
                format!("{}。{b}", "好".repeat(1_200)),
                format!("{}。", "好".repeat(1_200)),
            ),
        ] {
            let parts = texts(&[&text]);
            assert_eq!(
                parts.len(),
                2,
                "{}",
                &text[1_490..1_510.min(text.len())].len()
            );
            assert_eq!(parts[0], first);
        }
        let family = "👩‍👩‍👧";
        let parts = texts(&[&family.repeat(500)]);
        assert!(
            parts
                .iter()
                .all(|part| part.graphemes(true).all(|it| it == family))
        );
        let zalgo = format!("a{}", "\u{301}".repeat(5_000));
        assert_eq!(texts(&[&zalgo]).concat(), zalgo);
    }

    #[test]
    fn a_very_long_text_keeps_its_words_in_their_order() {
        for sentence in [
            "It is a long story, and I have told it before. ",
            "Straße, naïve, 日本 👩‍👩‍👧 — “so” it goes!\n\n",
            "word ",
        ] {
            let said = sentence.repeat(20_000 / sentence.chars().count());
            let parts = texts(&[&said]);
            assert!((10..=20).contains(&parts.len()), "{}", parts.len());
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&parts.join(" ")), words(&said));
        }
        let endless = "x".repeat(20_000);
        assert_eq!(texts(&[&endless]).concat(), endless);
    }

    #[test]
    fn a_reply_has_no_more_bubbles_than_a_command_holds() {
        let long = "y".repeat(20_000);
        let many: Vec<&str> = std::iter::repeat_n(&*long, 30).collect();
        assert_eq!(texts(&many).len(), MAX_BUBBLES);
    }

    #[test]
    fn pauses_grow_with_the_length_and_are_the_same_each_time() {
        let said: Vec<String> = ["hi", "yes", &"x".repeat(500)].map(str::to_owned).into();
        let first = bubbles(&said, "cmd_1");
        assert_eq!(first, bubbles(&said, "cmd_1"));
        assert_ne!(first, bubbles(&said, "cmd_2"));
        assert_eq!(first[0].pause_ms, 0);
        assert!((600..=810).contains(&first[1].pause_ms), "{first:?}");
        assert!((3_200..=4_000).contains(&first[2].pause_ms), "{first:?}");
    }

    proptest! {
        #[test]
        fn every_bubble_keeps_the_rules_of_the_protocol(
            said in prop::collection::vec("(?s).{0,3}\\PC{0,5000}", 0..14),
        ) {
            for bubble in bubbles(&said, "cmd_1") {
                prop_assert!(bubble.is_valid(), "{bubble:?}");
            }
        }
    }
}
