//! Cuts texts to the lengths that the backend accepts.

use shared_protocol::{MAX_NAME_CHARS, MAX_TEXT_CHARS, MAX_TRANSCRIPT_CHARS};

/// The text of a message, cut to [`MAX_TEXT_CHARS`] characters, and whether anything was cut off.
pub(super) fn clipped(mut text: String) -> (String, bool) {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => {
            text.truncate(end);
            (text, true)
        }
        None => (text, false),
    }
}

/// A name, file name or identifier, cut to [`MAX_NAME_CHARS`] characters.
pub(super) fn clipped_name(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).collect()
}

/// The transcript of a voice message, cut to [`MAX_TRANSCRIPT_CHARS`] characters.
pub(super) fn clipped_transcript(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TRANSCRIPT_CHARS) {
        text.truncate(end);
    }
    text
}
