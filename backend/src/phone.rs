//! Phone numbers in E.164 form, which identify people as senders and at sign-in.
//!
//! A [`Phone`] matches `^\+[1-9]\d{6,14}$`. The handle of a sender is a phone only if the relay sends it in this
//! form: with a guessed country code, the handle could become another person's number. A typed number may contain
//! separators but must have its country code, and the `phonenumber` library must parse it to the same digits.

use std::fmt;

use crate::phone_region::{Regions, is_paid};

/// A number in E.164 form. Its `Debug` and its masked form show only the first digit and the last two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// Why a typed number cannot be used for sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    #[error("write the number in international form, such as +15551234567")]
    Form,
    #[error("no number of this country has this many digits")]
    Impossible,
    #[error("numbers of this region are not served here")]
    Region,
    #[error("premium-rate, shared-cost and toll-free numbers get no codes")]
    Paid,
}

impl Phone {
    /// Parses a handle of a relay, which must be E.164 already.
    pub fn parse(handle: &str) -> Option<Self> {
        let digits = handle.strip_prefix('+')?;
        let fits = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        fits.then(|| Self(handle.to_owned()))
    }

    /// Parses a typed number with separators. Checks only the form.
    pub fn parse_separated(text: &str) -> Option<Self> {
        let compact: String = text.trim().chars().filter(|c| !is_separator(*c)).collect();
        Self::parse(&compact)
    }

    /// Parses a typed number, which must be possible in its country and belong to a served region.
    pub fn parse_typed(text: &str, served: &Regions) -> Result<Self, InvalidPhone> {
        let phone = Self::parse_separated(text).ok_or(InvalidPhone::Form)?;
        let number = phonenumber::parse(None, phone.as_str()).map_err(|_| InvalidPhone::Form)?;
        let formatted = number.format().mode(phonenumber::Mode::E164).to_string();
        if formatted != phone.as_str() {
            return Err(InvalidPhone::Form);
        }
        if is_paid(&number) {
            return Err(InvalidPhone::Paid);
        }
        if !served.contain(&number) {
            return Err(InvalidPhone::Region);
        }
        if is_possible(&phone, number.country().code()) {
            Ok(phone)
        } else {
            Err(InvalidPhone::Impossible)
        }
    }

    /// The number with its plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// The number without its plus sign. Supabase Auth stores numbers in this form.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// The number without its last four digits: a block of ten thousand numbers. SMS-pumping fraud uses whole
    /// blocks.
    pub fn prefix(&self) -> &str {
        &self.0[..self.0.len() - 4]
    }

    /// The calling code and, if the number determines it, the region: `1US`, `49DE`, `1`. Empty if the number
    /// has no known calling code.
    pub fn country(&self) -> String {
        phonenumber::parse(None, self.as_str()).map_or_else(
            |_| String::new(),
            |number| {
                let country = number.country();
                let region = country.id().map(|id| format!("{id:?}"));
                format!("{}{}", country.code(), region.unwrap_or_default())
            },
        )
    }

    /// The form for logs and lists: `+1…67`.
    pub fn masked(&self) -> String {
        format!("{}…{}", &self.0[..2], &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Characters that people type between digits.
fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2013}' | '\u{202f}'
    )
}

/// Whether a region of the calling code has mobile, fixed-line, internet or personal numbers of this length.
fn is_possible(phone: &Phone, calling_code: u16) -> bool {
    use phonenumber::Type::{FixedLine, Mobile, PersonalNumber, Voip};
    use phonenumber::metadata::Descriptor;
    let national_len = phone.digits().len() - calling_code.to_string().len();
    let regions = phonenumber::metadata::DATABASE.by_code(&calling_code);
    regions.into_iter().flatten().any(|region| {
        let descriptors = region.descriptors();
        [Mobile, FixedLine, Voip, PersonalNumber]
            .into_iter()
            .filter_map(|kind| descriptors.get(kind))
            .flat_map(Descriptor::possible_length)
            .any(|length| usize::from(*length) == national_len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_handle_in_e164_form_is_a_phone() {
        for good in [
            "+15551234567",
            "+4915112345678",
            "+1234567",
            "+123456789012345",
        ] {
            assert!(Phone::parse(good).is_some(), "{good}");
        }
        for other in [
            "15550100003",
            "+05550100003",
            "+123456",
            "+1234567890123456",
            "+1 555 010 0003",
            "+1555０100003",
            "ada@example.com",
            "56249(smsfp)",
            "urn:biz:0000",
            "262966",
            "+",
            "",
        ] {
            assert!(Phone::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_typed_number_is_accepted_or_refused_with_a_reason() {
        use InvalidPhone::{Form, Impossible, Region};
        let world = Regions::parse("US, DE,GB").expect("a list");
        let typed = |text: &str| Phone::parse_typed(text, &world).map(Phone::into_string);
        for (text, number) in [
            ("+15551234567", "+15551234567"),
            (" +1 (555) 123-4567 ", "+15551234567"),
            ("+1.555.123.4567", "+15551234567"),
            ("+4915112345678", "+4915112345678"),
            ("+49 151\u{a0}1234\u{2011}5678", "+4915112345678"),
        ] {
            assert_eq!(typed(text).as_deref(), Ok(number), "{text}");
        }
        for (text, fault) in [
            ("5551234567", Form),
            ("15551234567", Form),
            ("0015551234567", Form),
            ("tel:+15551234567", Form),
            ("+1555123456７", Form),
            ("+15551234567x5", Form),
            ("+15551234567;ext=5", Form),
            ("56249(smsfp)", Form),
            ("++15551234567", Form),
            ("", Form),
            ("+1555123456", Impossible),
            ("+155512345678", Impossible),
            ("+33612345678", Region),
        ] {
            assert_eq!(typed(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn prefix_digits_country_and_debug() {
        let phone = Phone::parse("+15551234567").expect("a phone");
        assert_eq!(phone.prefix(), "+1555123");
        assert_eq!(phone.digits(), "15551234567");
        assert_eq!(format!("{phone:?}"), "+1…67");
        let german = Phone::parse("+4915112345678").expect("a phone");
        assert_eq!(german.country(), "49DE");
        assert!(phone.country().starts_with('1'));
    }

    proptest::proptest! {
        #[test]
        fn an_accepted_number_parses_to_itself(text in "\\PC{0,40}") {
            if let Ok(phone) = Phone::parse_typed(&text, &Regions::default()) {
                proptest::prop_assert_eq!(Phone::parse(phone.as_str()), Some(phone.clone()));
                proptest::prop_assert_eq!(
                    Phone::parse_typed(phone.as_str(), &Regions::default()), Ok(phone)
                );
            }
        }
    }
}
