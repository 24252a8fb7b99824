//! Texts that quote: where a quotation begins and ends, and whether two texts say the same.

/// Longer texts quote nothing that is looked for.
const MAX_BYTES: usize = 48 * 1024;
/// So many places at which a quotation may begin are looked at.
const MAX_READINGS: usize = 12;
/// The words before or after a quotation are at most so many bytes.
const MAX_WORDS_BYTES: usize = 160;

/// What opens a quotation and what closes it. Some languages close with what others open with.
const PAIRS: [(char, char); 24] = [
    ('“', '”'),
    ('„', '“'),
    ('„', '”'),
    ('”', '”'),
    ('«', '»'),
    ('»', '«'),
    ('»', '»'),
    ('‹', '›'),
    ('›', '‹'),
    ('‘', '’'),
    ('‚', '‘'),
    ('‚', '’'),
    ('’', '’'),
    ('「', '」'),
    ('『', '』'),
    ('《', '》'),
    ('〈', '〉'),
    ('〝', '〞'),
    ('〝', '〟'),
    ('〟', '〝'),
    ('״', '״'),
    ('"', '"'),
    ('\'', '\''),
    ('＂', '＂'),
];

/// A text taken apart: some words, a quotation, some words. Either of the words may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quotation<'t> {
    pub(super) lead: &'t str,
    pub(super) quoted: &'t str,
    pub(super) tail: &'t str,
    /// Whether its marks are such as a system sets, and not those that a keyboard has.
    pub(super) is_typographic: bool,
    /// Whether the mark that closes it is the one that goes with the first: not in `“one” or “two”`.
    pub(super) is_one: bool,
}

impl<'t> Quotation<'t> {
    /// The ways in which `text` ends with a quotation after a few words, or begins with one before a
    /// few words, or stands around one.
    pub(super) fn readings(text: &'t str) -> Vec<Self> {
        let text = text.trim_matches(is_blank);
        let mut readings = Vec::new();
        if text.len() > MAX_BYTES {
            return readings;
        }
        let openings = openings(text);
        let closings = closings(text);
        for &(start, opening) in &openings {
            // The farthest end first: what is quoted may quote.
            for &(end, closing) in closings.iter().rev() {
                let inner = start + opening.len_utf8();
                if end < inner || !PAIRS.contains(&(opening, closing)) {
                    continue;
                }
                let quoted = &text[inner..end];
                let reading = Self {
                    lead: text[..start].trim_matches(is_blank),
                    quoted: quoted.trim_matches(is_blank),
                    tail: text[end + closing.len_utf8()..].trim_matches(is_blank),
                    is_typographic: is_typographic(opening),
                    is_one: is_one(quoted, opening, closing),
                };
                readings.push(reading);
                if readings.len() == MAX_READINGS {
                    return readings;
                }
            }
        }
        readings
    }

    /// What stands behind a mark that opens a quotation which a cut has left without its end.
    pub(super) fn without_end(text: &'t str) -> Option<(&'t str, &'t str)> {
        let text = text.trim_matches(is_blank);
        let &(start, opening) = openings(text).first()?;
        let lead = text[..start].trim_matches(is_blank);
        let quoted = text[start + opening.len_utf8()..].trim_matches(is_blank);
        let is_open = is_typographic(opening) && !quoted.is_empty();
        (is_open && !lead.is_empty()).then_some((lead, quoted))
    }
}

/// Whether `text` may quote anything, told without taking it apart.
pub(super) fn has_marks(text: &str) -> bool {
    // Nearly every character of nearly every text is a letter or a space.
    text.contains(|c: char| !c.is_ascii_alphanumeric() && c != ' ' && opens(c))
}

fn opens(c: char) -> bool {
    PAIRS.iter().any(|(opening, _)| *opening == c)
}

/// The first places at which a quotation may begin.
fn openings(text: &str) -> Vec<(usize, char)> {
    let mut before = None;
    let mut openings = Vec::new();
    for (at, c) in text.char_indices() {
        if at > MAX_WORDS_BYTES || openings.len() == MAX_READINGS {
            break;
        }
        // Marks that also close, or stand in words, open only where a word may begin.
        let stands_in_words = matches!(
            c,
            '"' | '\'' | '’' | '”' | '»' | '›' | '‘' | '＂' | '״' | '〟'
        );
        if opens(c) && (!stands_in_words || before.is_none_or(is_blank)) {
            openings.push((at, c));
        }
        before = Some(c);
    }
    openings
}

/// The last places at which a quotation may end.
fn closings(text: &str) -> Vec<(usize, char)> {
    let from = text.len().saturating_sub(MAX_WORDS_BYTES);
    let closings = text.char_indices().rev();
    let mut closings: Vec<_> = closings
        .take_while(|(at, _)| *at >= from)
        .filter(|(_, c)| PAIRS.iter().any(|(_, closing)| closing == c))
        .take(MAX_READINGS)
        .collect();
    closings.reverse();
    closings
}

fn is_typographic(opening: char) -> bool {
    !matches!(opening, '"' | '\'')
}

fn is_one(quoted: &str, opening: char, closing: char) -> bool {
    let mut open = 1_u32;
    let mut before = Some(opening);
    for c in quoted.chars() {
        let opens = c == opening && (opening != closing || before.is_none_or(is_blank));
        if opens && open == 0 {
            return false;
        }
        if opens {
            open += 1;
        } else if c == closing {
            open = open.saturating_sub(1);
        }
        before = Some(c);
    }
    // Marks that look alike on both sides: the first one inside ends the quotation.
    opening != closing || open == 1
}

/// A text in the form in which quotations are compared: white space is a single space, marks that no one
/// sees are left out, and quotation marks, dashes and ellipses have one form, as networks change them.
pub(super) fn comparable(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !form.is_empty();
            continue;
        }
        // The joiner and the selectors within an emoji get lost on some networks.
        if is_invisible(c)
            || matches!(
                c,
                '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{fffc}' | '\u{fffd}'
            )
        {
            continue;
        }
        if space {
            form.push(' ');
            space = false;
        }
        match c {
            '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '＂' | '״' | '〝' | '〞' | '〟' =>
            {
                form.push('"');
            }
            '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | '׳' => form.push('\''),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => form.push('-'),
            '…' => form.push_str("..."),
            _ => form.push(c),
        }
    }
    form
}

/// How much of a text a quotation must hold to count as the beginning of it, in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutAfter {
    /// If it ends with an ellipsis.
    pub(super) with_ellipsis: usize,
    /// If it just ends.
    pub(super) without: usize,
}

/// Whether `quoted` quotes `text`, the whole of it or its beginning. Both are [`comparable`].
pub(super) fn quotes(quoted: &str, text: &str, cut_after: CutAfter) -> bool {
    if quoted.is_empty() || text.is_empty() {
        return false;
    }
    if quoted == text {
        return true;
    }
    let (beginning, least) = match quoted.strip_suffix("...") {
        Some(beginning) => (beginning.trim_end(), cut_after.with_ellipsis),
        None => (quoted, cut_after.without),
    };
    text.starts_with(beginning) && beginning.chars().nth(least.saturating_sub(1)).is_some()
}

/// Marks of direction, zero-width spaces, word joiners, soft hyphens, byte order marks. The joiner
/// U+200D is not one of them: emoji are made with it.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// White space, and marks that no one sees.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}
