//! Normalises addresses.
//!
//! Messages writes the same address as `+1…`, `tel:+1…`, `P:+1…`, `E:mail` or `mailto:mail`, in capitals or
//! not, and with invisible marks for the direction of writing. [`Address::parse`] gives all of them the same
//! form. An address that is neither a phone number with its country nor an e-mail address stays as it is: a
//! short code, `urn:biz:…`, `56249(smsfp)`, a name, a number without its country. The country is never
//! guessed: `13800138000` is a number in China, and `+13800138000` one in America.

use std::borrow::{Borrow, Cow};

use crate::MAX_SENDER_CHARS;

/// Prefixes before addresses in columns of Messages and in links. They count in any capitals.
const PREFIXES: [&str; 4] = ["tel:", "mailto:", "p:", "e:"];

/// A normalised address: 1 to [`MAX_SENDER_CHARS`] characters, without control characters and invisible ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// Normalises `text`; `None` if nothing is left.
    pub fn parse(text: &str) -> Option<Self> {
        if is_phone(text) {
            return Some(Self(text.to_owned()));
        }
        let visible: String = text
            .chars()
            .filter(|c| !c.is_control() && !is_invisible(*c))
            // The address itself has at most `MAX_SENDER_CHARS`; the other half is for prefixes.
            .take(2 * MAX_SENDER_CHARS)
            .collect();
        let bare = clip(without_prefixes(&visible));
        let address = if bare.contains('@') {
            let dense: String = bare.chars().filter(|c| !c.is_whitespace()).collect();
            let lower = dense.to_lowercase();
            clip(without_prefixes(&lower)).to_owned()
        } else if bare.chars().all(is_part_of_a_number) {
            normalise_number(bare)
        } else {
            bare.to_owned()
        };
        (!address.is_empty()).then_some(Self(address))
    }

    /// The normalised address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised address as text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether the address is a phone number with its country.
    pub fn is_phone(&self) -> bool {
        is_phone(&self.0)
    }

    /// Whether the address can belong to an account of Messages: a phone number with its country, or an e-mail
    /// address.
    pub fn is_of_an_account(&self) -> bool {
        let is_email = || {
            self.0
                .split_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        };
        self.is_phone() || is_email()
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// `text` without invisible characters.
pub fn without_invisible_characters(text: &str) -> Cow<'_, str> {
    if text.contains(is_invisible) {
        Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether `text` is `+` and 7 to 15 digits, the form of phone numbers that the backend accepts.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Removes spaces from a number, and from a number with its country also punctuation. `(0)` is a digit that is
/// dialled only within the country, so a number with `(0)` keeps its punctuation: without the brackets it
/// would be another number.
fn normalise_number(text: &str) -> String {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let plain: String = dense.chars().filter(|c| !is_punctuation(*c)).collect();
    if is_phone(&plain) && !dense.contains("(0)") {
        plain
    } else {
        dense
    }
}

/// `text` without surrounding space and without any number of [`PREFIXES`] at its beginning.
fn without_prefixes(text: &str) -> &str {
    let mut rest = text.trim();
    loop {
        let bare = PREFIXES.iter().find_map(|prefix| {
            let (start, bare) = rest.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(bare)
        });
        match bare {
            Some(bare) => rest = bare.trim_start(),
            None => return rest,
        }
    }
}

/// The first [`MAX_SENDER_CHARS`] characters of `text`.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(MAX_SENDER_CHARS) {
        Some((end, _)) => text[..end].trim_end(),
        None => text,
    }
}

fn is_part_of_a_number(c: char) -> bool {
    c.is_ascii_digit() || c == '+' || c.is_whitespace() || is_punctuation(c)
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

/// Whether `c` is a mark of the writing direction, a joiner, a soft hyphen or a byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'
            ..='\u{200f}' | '\u{202a}'
            ..='\u{202e}' | '\u{2060}'
            ..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Address::parse(text).map(Address::into_string)
    }

    #[test]
    fn all_spellings_of_a_number_are_normalised_to_one() {
        for text in [
            "+15550100001",
            "tel:+15550100001",
            "TEL:+1-555-010-0001",
            "P:+15550100001",
            "p:P:tel:+15550100001",
            " P: +1 (555) 010-0001 ",
            "\u{202a}+15550100001\u{202c}",
            "\u{2066}+1\u{a0}555\u{202f}010\u{2011}0001\u{2069}",
            "\u{feff}+1555\u{200b}0100001\u{200f}",
            "+1.555.010.0001",
            "+1\u{ad}555\u{2060}0100001\n",
        ] {
            assert_eq!(parsed(text).as_deref(), Some("+15550100001"), "{text:?}");
        }
    }

    #[test]
    fn all_spellings_of_an_e_mail_address_are_normalised_to_one() {
        for text in [
            "sam@example.com",
            "E:Sam@Example.com",
            "e:sam@EXAMPLE.COM",
            "mailto:sam@example.com",
            "E: mailto:Sam@example.com ",
            "\u{2068}sam@example.com\u{2069}",
            "e:E:sam@exam\u{200b}ple.com",
            "E :sam@ example.com",
        ] {
            assert_eq!(parsed(text).as_deref(), Some("sam@example.com"), "{text:?}");
        }
        assert_eq!(
            parsed("ÄDA@Example.com").as_deref(),
            Some("äda@example.com")
        );
    }

    #[test]
    fn other_addresses_stay_as_they_are() {
        for text in [
            "30300",
            "15550100001",
            "(555)010-0001",
            "56249(smsfp)",
            "56249(smsft_fi)",
            "urn:biz:00000000-0000-4000-8000-000000000001",
            "MY BANK",
            "O-Ring",
            "+44(0)2079460018",
            "+1555",
            "Parcel",
            "e",
        ] {
            assert_eq!(parsed(text).as_deref(), Some(text));
        }
        assert_eq!(parsed(" (555) 010-0001").as_deref(), Some("(555)010-0001"));
        assert_eq!(parsed("\u{200e}MY BANK ").as_deref(), Some("MY BANK"));
        for nothing in ["", "  ", "P:", "e: ", "tel:", "\u{202a}\u{202c}", "\u{0}\n"] {
            assert_eq!(parsed(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_numbers_with_their_country_and_e_mail_addresses_can_belong_to_an_account() {
        for (text, expected) in [
            ("+15550100001", true),
            ("sam@example.com", true),
            ("15550100001", false),
            ("30300", false),
            ("@example.com", false),
            ("sam@", false),
            ("me", false),
        ] {
            let address = Address::parse(text).expect("not empty");
            assert_eq!(address.is_of_an_account(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_address_is_clean_and_parses_to_itself(
            text in prop_oneof![
                any::<String>(),
                "[ +0-9()@A-Ea-e:.\u{200b}\u{202a}-]{0,24}",
                "(P:|e:|tel:|[ \u{a0}]){0,4}[+a-z0-9@ ]{300,340}",
            ]
        ) {
            let Some(address) = Address::parse(&text) else { return Ok(()) };
            let form = address.as_str();
            prop_assert!(!form.is_empty() && form.chars().count() <= MAX_SENDER_CHARS);
            prop_assert!(!form.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(Address::parse(form), Some(address.clone()));
        }
    }
}
