//! Short hashes by which the relay recognises a row that changed, attachments that changed, and a copy of a message.

use sha2::{Digest as _, Sha256};

/// The first 128 bits of a SHA-256 over parts of bytes, each after its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of `parts`. The same bytes in other parts have another digest.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        Self(short)
    }
}

/// The hash that copies of one message share: iCloud inserts old messages again under new ROWIDs and new guids,
/// with the original date. `lane` is the chat guid without its service, `sent_at` is in microseconds since 1970, and
/// `content` is the text, or a string that the caller makes of the text and of what else distinguishes messages.
pub fn twin_hash(lane: &str, sender: &str, sent_at: i64, content: &str) -> Digest {
    Digest::of([
        b"twin".as_slice(),
        lane.as_bytes(),
        sender.as_bytes(),
        &sent_at.to_le_bytes(),
        content.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_one_message_have_the_same_twin_hash() {
        let original = twin_hash(
            "-;+15550100001",
            "+15550100001",
            1_790_000_000_000_000,
            "hi",
        );
        let copy = twin_hash(
            "-;+15550100001",
            "+15550100001",
            1_790_000_000_000_000,
            "hi",
        );
        assert_eq!(original, copy);
        for other in [
            twin_hash("+;chat1", "+15550100001", 1_790_000_000_000_000, "hi"),
            twin_hash(
                "-;+15550100001",
                "+15550100002",
                1_790_000_000_000_000,
                "hi",
            ),
            twin_hash(
                "-;+15550100001",
                "+15550100001",
                1_790_000_000_000_001,
                "hi",
            ),
            twin_hash(
                "-;+15550100001",
                "+15550100001",
                1_790_000_000_000_000,
                "hi ",
            ),
        ] {
            assert_ne!(other, original);
        }
    }

    #[test]
    fn parts_are_hashed_with_their_lengths() {
        assert_ne!(twin_hash("a", "bc", 0, ""), twin_hash("ab", "c", 0, ""));
        assert_ne!(twin_hash("", "", 0, "a"), twin_hash("a", "", 0, ""));
        assert_ne!(
            Digest::of([b"a".as_slice(), b""]),
            Digest::of([b"a".as_slice()])
        );
    }
}
