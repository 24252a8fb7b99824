//! Phone numbers of people.

/// A number in the one form that links a sender to a person: `^\+[1-9]\d{6,14}$`.
///
/// The raw handle must have this form already. Guessing a region would turn one person's number into
/// another's, so whatever else a handle is, it stays opaque and is linked to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// The handle as a phone, if it is one.
    pub fn parse(handle: &str) -> Option<Self> {
        let digits = handle.strip_prefix('+')?;
        let fits = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        fits.then(|| Self(handle.to_owned()))
    }

    /// The number, with its plus sign.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_form_is_a_phone() {
        for good in [
            "+15551234567",
            "+4915112345678",
            "+1234567",
            "+123456789012345",
        ] {
            assert!(Phone::parse(good).is_some(), "{good}");
        }
        for opaque in [
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
            assert!(Phone::parse(opaque).is_none(), "{opaque}");
        }
    }
}
