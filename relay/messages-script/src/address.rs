//! Addresses as scripts and columns write them.

/// Whether a character around an address says only how to write it: zero width, direction, isolation.
pub fn is_mark(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
