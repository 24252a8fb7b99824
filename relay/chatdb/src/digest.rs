//! Short hashes by which a changed row and a copied message are recognised.
//!
//! A [`Digest`] changes whenever an edit, an unsend, a late text or an attachment changes a row. A twin
//! hash is equal for two rows that are copies of one message under different guids.

use sha2::{Digest as _, Sha256};

/// 128 bits of a SHA-256 over length-prefixed parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
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

/// The hash that copies of one message share: over conversation, sender, timestamp in microseconds, and
/// text. iCloud inserts old messages again under new ROWIDs and new guids, with the original date.
pub fn twin_hash(conversation: &str, sender: &str, sent_at: i64, text: &str) -> Digest {
    Digest::of([
        b"twin".as_slice(),
        conversation.as_bytes(),
        sender.as_bytes(),
        &sent_at.to_le_bytes(),
        text.as_bytes(),
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
