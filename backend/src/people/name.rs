//! What a person wants to be called: any script, one line, nothing invisible that could make it look
//! like something else.

/// A name, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(String);

/// Not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Empty, or too long.
    #[error("must have 1 to {} characters", PersonName::MAX_CHARS)]
    Length,
    /// It holds what cannot be seen.
    #[error("must not contain control characters")]
    Control,
}

impl PersonName {
    /// Longest name, in characters.
    pub const MAX_CHARS: usize = 255;

    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if name.chars().any(is_control) {
            return Err(InvalidName::Control);
        }
        if !(1..=Self::MAX_CHARS).contains(&name.chars().count()) {
            return Err(InvalidName::Length);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line separators, and what turns the direction of everything after it.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        ] {
            assert_eq!(PersonName::parse(text), Err(fault), "{text:?}");
        }
    }
}
