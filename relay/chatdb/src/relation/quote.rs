//! Splits a text into a quotation and the words around it, and compares quotations with texts.

/// The longest text that is searched for quotations.
const MAX_BYTES: usize = 48 * 1024;
/// Most places that are tried as the beginning, or as the end, of a quotation, and most ways to split a text.
const MAX_READINGS: usize = 12;
/// Most bytes of the words before, or after, a quotation.
const MAX_WORDS_BYTES: usize = 160;

/// The opening and closing marks of quotations. Some languages close with a mark that opens in others.
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

/// A text split into the words before the quotation (`lead`), the quoted text, and the words after it (`tail`).
/// Words on either side may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quotation<'t> {
    pub(super) lead: &'t str,
    pub(super) quoted: &'t str,
    pub(super) tail: &'t str,
    /// Whether the marks are typographic, as phones generate them, and not straight ones, as persons type them.
    pub(super) is_typographic: bool,
    /// Whether the closing mark belongs to the opening one. The first and the last mark of `“one” or “two”` do not
    /// belong together.
    pub(super) marks_belong_together: bool,
}

impl<'t> Quotation<'t> {
    /// The ways to split `text` into a quotation with a few words before it, after it, or on both sides.
    pub(super) fn readings(text: &'t str) -> Vec<Self> {
        let text = text.trim_matches(is_blank);
        let mut readings = Vec::new();
        if text.len() > MAX_BYTES {
            return readings;
        }
        let openings = openings(text);
        let closings = closings(text);
        for &(start, opening) in &openings {
            // The last closing mark is tried first, since a quoted text may quote itself.
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
                    marks_belong_together: marks_belong_together(quoted, opening, closing),
                };
                readings.push(reading);
                if readings.len() == MAX_READINGS {
                    return readings;
                }
            }
        }
        readings
    }

    /// The words before the first opening mark and the text after it, as if a network had cut the text before the
    /// closing mark. `None` if there are no words or no text, or if that mark is a straight one.
    pub(super) fn without_closing_mark(text: &'t str) -> Option<(&'t str, &'t str)> {
        let text = text.trim_matches(is_blank);
        let &(start, opening) = openings(text).first()?;
        let lead = text[..start].trim_matches(is_blank);
        let quoted = text[start + opening.len_utf8()..].trim_matches(is_blank);
        let is_open = is_typographic(opening) && !quoted.is_empty();
        (is_open && !lead.is_empty()).then_some((lead, quoted))
    }
}

/// Whether `text` has an opening mark anywhere: a quick test whether [`Quotation::readings`] may find a quotation.
pub(super) fn has_opening_mark(text: &str) -> bool {
    // Nearly every character of nearly every text is a letter or a space.
    text.contains(|c: char| !c.is_ascii_alphanumeric() && c != ' ' && opens(c))
}

fn opens(c: char) -> bool {
    PAIRS.iter().any(|(opening, _)| *opening == c)
}

/// The first places at which a quotation may begin, each with its opening mark.
fn openings(text: &str) -> Vec<(usize, char)> {
    let mut before = None;
    let mut openings = Vec::new();
    for (at, c) in text.char_indices() {
        if at > MAX_WORDS_BYTES || openings.len() == MAX_READINGS {
            break;
        }
        // A mark that can also close, or that occurs within words, opens only where a word may begin.
        let is_ambiguous = matches!(
            c,
            '"' | '\'' | '’' | '”' | '»' | '›' | '‘' | '＂' | '״' | '〟'
        );
        if opens(c) && (!is_ambiguous || before.is_none_or(is_blank)) {
            openings.push((at, c));
        }
        before = Some(c);
    }
    openings
}

/// The last places at which a quotation may end, each with its closing mark.
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

/// Whether `closing`, right after `quoted`, ends the quotation that `opening`, right before it, begins.
fn marks_belong_together(quoted: &str, opening: char, closing: char) -> bool {
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
    // If the opening and the closing mark are the same character, the first one inside ends the quotation.
    opening != closing || open == 1
}

/// A text in the form in which quotations are compared. White space is a single space, invisible characters are
/// left out, and quotation marks, dashes and ellipses have one form, since networks change them.
pub(super) fn comparable(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !form.is_empty();
            continue;
        }
        // Some networks lose the joiner (U+200D) and the style selectors (U+FE0E, U+FE0F) within an emoji.
        // U+FFFC and U+FFFD are the placeholders of attachments and of the content of apps.
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

/// Minimum length in characters of a quotation that is not a whole text but its beginning. An ellipsis shows that
/// the text was cut, so fewer characters are enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct MinWhenCut {
    /// If the quotation ends with an ellipsis.
    pub(super) with_ellipsis: usize,
    /// If the quotation ends without one.
    pub(super) without_ellipsis: usize,
}

/// Whether `quoted` is the whole of `text`, or a beginning of it that is long enough for `min_when_cut`. Both are in
/// the form of [`comparable`].
pub(super) fn quotes(quoted: &str, text: &str, min_when_cut: MinWhenCut) -> bool {
    if quoted.is_empty() || text.is_empty() {
        return false;
    }
    if quoted == text {
        return true;
    }
    let (beginning, least) = match quoted.strip_suffix("...") {
        Some(beginning) => (beginning.trim_end(), min_when_cut.with_ellipsis),
        None => (quoted, min_when_cut.without_ellipsis),
    };
    text.starts_with(beginning) && beginning.chars().nth(least.saturating_sub(1)).is_some()
}

/// Direction marks, zero-width spaces, word joiners, soft hyphens and byte order marks. The joiner
/// U+200D is not one of them, since emoji are made with it.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// White space and the characters of [`is_invisible`].
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}
