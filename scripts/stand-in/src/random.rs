//! Random ids, codes and strings for tests. They are not meant to be secure.

use uuid::Uuid;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a stand-in draws random numbers"
)]
pub fn uuid() -> Uuid {
    Uuid::new_v4()
}

pub fn digits(length: usize) -> String {
    string(length, b"0123456789")
}

/// Random characters of `alphabet`, which must be ASCII.
pub fn string(length: usize, alphabet: &[u8]) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes 6 to 8 of a UUID hold its version and variant, so they are not random.
        let bytes = uuid().into_bytes();
        for byte in bytes[..6].iter().chain(&bytes[9..]) {
            if text.len() < length {
                text.push(char::from(alphabet[usize::from(*byte) % alphabet.len()]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_have_their_length_and_differ() {
        let (one, other) = (super::digits(40), super::digits(40));
        assert_eq!(one.len(), 40);
        assert_ne!(one, other);
    }
}
