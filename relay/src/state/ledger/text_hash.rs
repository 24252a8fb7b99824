//! The hash by which the row of a bubble is recognised after the bubble's text is gone.

use sha2::{Digest, Sha256};

/// Hash of a bubble's text. It also covers the command and the bubble's number, so that equal texts of different
/// bubbles have different hashes, and a table of the hashes of common words is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextHash([u8; 16]);

impl TextHash {
    /// White space at the ends does not count, because Messages may cut it. U+FFFC and U+FFFD do not count either: in
    /// a row they stand for attachments, and the decoded text has none.
    pub fn of(command_id: &str, bubble: u32, text: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update("archety.bubble.v1");
        hash.update((command_id.len() as u64).to_be_bytes());
        hash.update(command_id);
        hash.update(bubble.to_be_bytes());
        let visible: String = text
            .chars()
            .filter(|c| !matches!(c, '\u{fffc}' | '\u{fffd}'))
            .collect();
        hash.update(visible.trim());
        let digest = hash.finalize();
        Self(std::array::from_fn(|index| digest[index]))
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
