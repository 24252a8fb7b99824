//! Phone numbers as the server stores them: digits, without a plus.

use crate::error::AuthError;

/// Removes one leading plus and all spaces. The result is not checked: the password grant looks it up
/// even if it is no number.
pub(crate) fn strip(phone: &str) -> String {
    phone
        .strip_prefix('+')
        .unwrap_or(phone)
        .chars()
        .filter(|c| *c != ' ')
        .collect()
}

/// Strips the number, then requires 2 to 15 digits of which the first is not zero.
pub(crate) fn parse(phone: &str) -> Result<String, AuthError> {
    let digits = strip(phone);
    let is_well_formed = (2..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if !is_well_formed {
        return Err(AuthError::validation(
            "Invalid phone number format (E.164 required)",
        ));
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_spaces_and_one_plus_are_removed() {
        assert_eq!(
            parse("+1 555 010 9001").ok().as_deref(),
            Some("15550109001")
        );
        assert_eq!(parse("5550").ok().as_deref(), Some("5550"));
        for refused in ["+1-555-010-9002", "001555010903", "++15550100100", "", "1"] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
