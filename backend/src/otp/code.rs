//! A one-time code as a person types it.

use std::fmt;

use zeroize::Zeroizing;

/// Four to ten digits. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 4 to 10 digits of the code")]
pub struct InvalidCode;

impl Code {
    /// Parses a typed code. Separators such as spaces, dashes and dots are dropped; the rest must be ASCII digits.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        // Ten digits with separators are far shorter.
        if text.len() > 64 {
            return Err(InvalidCode);
        }
        let digits: String = text.chars().filter(|c| !is_separator(*c)).collect();
        let is_code =
            (4..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let code = Self(Zeroizing::new(digits));
        is_code.then_some(code).ok_or(InvalidCode)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '\u{2010}'..='\u{2013}' | '\u{200b}' | '\u{2060}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_dropped_from_four_to_ten_digits() {
        for typed in ["123456", " 123 456 ", "123-456", "12\u{a0}34\u{2011}56\n"] {
            let code = Code::parse(typed);
            assert_eq!(code.as_ref().map(Code::as_str), Ok("123456"), "{typed}");
        }
        assert!(Code::parse("0000").is_ok());
        assert!(Code::parse("0123456789").is_ok());
    }

    #[test]
    fn texts_that_are_not_four_to_ten_ascii_digits_are_refused() {
        for typed in [
            "",
            "123",
            "01234567890",
            "12345a",
            "１２３４５６",
            "12345６",
            "+12345",
        ] {
            assert_eq!(Code::parse(typed), Err(InvalidCode), "{typed}");
        }
        assert_eq!(Code::parse(&" ".repeat(100)), Err(InvalidCode));
    }

    #[test]
    fn debug_hides_the_digits() {
        assert_eq!(format!("{:?}", Code::parse("123456").unwrap()), "Code(…)");
    }
}
