//! The name that a person chooses: one visible line in any script, without control characters.

/// A validated name without surrounding white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must have 1 to {} characters", PersonName::MAX_CHARS)]
    Length,
    #[error("must not contain control characters")]
    Control,
    #[error("must have a character that can be seen")]
    Invisible,
}

impl PersonName {
    pub const MAX_CHARS: usize = 255;

    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if name.chars().any(is_control) {
            return Err(InvalidName::Control);
        }
        if !(1..=Self::MAX_CHARS).contains(&name.chars().count()) {
            return Err(InvalidName::Length);
        }
        if name.chars().all(is_invisible) {
            return Err(InvalidName::Invisible);
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line separators and characters that change the direction of the text after them.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that show nothing by themselves: spaces, direction marks, joiners, fillers, variation selectors and
/// tags. These characters are allowed beside visible characters, where scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_line() {
        let longest = "ä".repeat(PersonName::MAX_CHARS);
        for name in [
            "Ada",
            "Ada Lovelace",
            "阿达",
            "O'Brien-Šmíd",
            "👩‍💻",
            "می‌خواهم",
            "❤\u{fe0f}",
            &longest,
        ] {
            assert_eq!(PersonName::parse(name).expect(name).as_str(), name);
        }
        assert_eq!(PersonName::parse("  Ada ").expect("a name").as_str(), "Ada");
        for (text, fault) in [
            ("", InvalidName::Length),
            (" \u{a0}", InvalidName::Length),
            (&format!("{longest}x"), InvalidName::Length),
            ("A\0da", InvalidName::Control),
            ("A\nda", InvalidName::Control),
            ("A\u{7f}da", InvalidName::Control),
            ("A\u{85}da", InvalidName::Control),
            ("A\u{202e}da", InvalidName::Control),
            ("\u{200b}", InvalidName::Invisible),
            ("\u{200e}\u{200f}\u{61c}", InvalidName::Invisible),
            ("\u{feff} \u{2060}", InvalidName::Invisible),
            ("\u{2800}\u{3164}\u{ffa0}", InvalidName::Invisible),
            ("\u{ad}\u{180e}\u{fe0f}\u{e0020}", InvalidName::Invisible),
        ] {
            assert_eq!(PersonName::parse(text), Err(fault), "{text:?}");
        }
    }
}
