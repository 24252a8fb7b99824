//! Rules that fields of a pull share.

use shared_protocol::Violation;

/// Whether `text` has at most `max_chars` characters and no control characters.
pub(super) fn is_plain(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

pub(super) fn violation(field: &str, message: impl Into<String>) -> Violation {
    Violation {
        field: field.to_owned(),
        message: message.into(),
    }
}
