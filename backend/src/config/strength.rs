//! Whether a secret can be guessed. Length alone does not make a secret strong.
//!
//! The estimate counts the characters that do not follow from earlier ones. Characters that repeat, continue a
//! sequence such as `abc`, or copy an earlier part count nothing. A secret that contains a word which is common in
//! example configurations, such as `changeme`, is always refused.

use super::Reader;
use super::settings::SETTINGS;

/// The least estimated bits of a key. 24 random hexadecimal digits have about 85, seldom fewer than 70.
const KEY_BITS: f64 = 60.0;
/// The least estimated bits of a token that gives no access to people's data.
const TOKEN_BITS: f64 = 32.0;
/// Shorter secrets are not compared between settings: another check refuses them for their length.
const LEAST_COMPARED: usize = 16;
/// Words that are common in examples and passwords, in lower case. A random secret contains one of them with a chance
/// far below one in a million.
const KNOWN_WORDS: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "changeme",
    "change-me",
    "change_me",
    "example",
    "replace",
    "placeholder",
    "default",
    "insert",
    "qwerty",
];
const GUESSED: &str = "can be guessed: it is short, repeats itself, goes on in steps, or holds a word of \
                       examples; make one with `openssl rand -hex 32`";
/// The greatest distance between two characters of a sequence: 2 for `0`, `0` and `1` in `001122`.
const MAX_PERIOD: usize = 4;
/// The shortest repeated part that counts as a copy.
const LEAST_COPY: usize = 3;

/// Names the entries of the list in setting `key` that can be guessed: refused in production, warned about in
/// development.
pub(super) fn check_keys<'k>(
    key: &'static str,
    entries: impl Iterator<Item = &'k str>,
    reader: &mut Reader,
) {
    for (number, entry) in (1..).zip(entries) {
        if can_be_guessed(entry, KEY_BITS) {
            reader.refuse_in_production(key, format!("entry {number} {GUESSED}"));
        }
    }
}

/// Refuses a token that can be guessed.
pub(super) fn check_token(key: &'static str, token: &str, reader: &mut Reader) {
    if can_be_guessed(token, TOKEN_BITS) {
        reader.refuse(key, GUESSED);
    }
}

/// Names each secret that two settings share: a leak of one setting would give away the other.
pub(super) fn check_shared(reader: &mut Reader) {
    let mut earlier: Vec<(&str, &str)> = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret) {
        let before = earlier.len();
        for entry in reader.list(setting.key) {
            let secret = entry.rsplit(':').next().unwrap_or(entry);
            if secret.len() < LEAST_COMPARED {
                continue;
            }
            let other = earlier[..before].iter().find(|(_, other)| *other == secret);
            if let Some((other, _)) = other {
                let message = format!("is also in {other}; each needs one of its own");
                reader.refuse_in_production(setting.key, message);
            }
            earlier.push((setting.key, secret));
        }
    }
}

fn can_be_guessed(secret: &str, least_bits: f64) -> bool {
    let lower = secret.to_lowercase();
    KNOWN_WORDS.iter().any(|word| lower.contains(word)) || bits(secret) < least_bits
}

/// The estimated entropy of a secret.
fn bits(secret: &str) -> f64 {
    let text: Vec<u32> = secret.chars().map(u32::from).collect();
    let mut distinct = text.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut surprising = 0_u32;
    let mut at = 0;
    while at < text.len() {
        let copied = longest_copy(&text, at);
        if copied >= LEAST_COPY {
            at += copied;
        } else {
            surprising += u32::from(!continues_sequence(&text, at));
            at += 1;
        }
    }
    let choices = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    f64::from(surprising) * f64::from(choices.max(1)).log2()
}

/// Whether the character at `at` continues a sequence such as `aaa`, `abc` or `001122`.
fn continues_sequence(text: &[u32], at: usize) -> bool {
    (1..=MAX_PERIOD).any(|period| {
        at >= 2 * period && {
            let step = |later: usize| i64::from(text[later]) - i64::from(text[later - period]);
            step(at) == step(at - period) && step(at).abs() <= 2
        }
    })
}

/// The length of the longest part that begins at `at` and also occurs at an earlier position.
fn longest_copy(text: &[u32], at: usize) -> usize {
    (0..at)
        .map(|from| {
            let earlier = &text[from..];
            let same = earlier.iter().zip(&text[at..]);
            same.take_while(|(one, other)| one == other).count()
        })
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repetitive_secrets_can_be_guessed() {
        for weak in [
            "a".repeat(32),
            "ab".repeat(32),
            "0123456789abcdef".repeat(4),
            "00112233445566778899aabbccddeeff".repeat(2),
            "abcdefghijklmnopqrstuvwxyz0123456789".to_owned(),
            "9876543210zyxwvutsrqponmlkjihgfedcba".to_owned(),
            "passw0rdpassw0rdpassw0rdpassw0rd".to_owned(),
            "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6".to_owned(),
            "your-session-secret-goes-here-please".to_owned(),
            "please-change-me-before-you-deploy-it".to_owned(),
            "correct correct correct correct correct".to_owned(),
            "1".repeat(1_000),
            "2024202420242024202420242024202420".to_owned(),
            "00000000-0000-0000-0000-000000000000".to_owned(),
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
            "ääääääääääääääääääääääääääääääääää".to_owned(),
            String::new(),
        ] {
            assert!(can_be_guessed(&weak, KEY_BITS), "{weak}: {}", bits(&weak));
        }
    }

    #[test]
    fn random_secrets_are_accepted() {
        for strong in [
            "9f3c61a07bd2e84815cfa06d37e2b94c",
            "51c8e0f7a92b46d3807fbe15c4a93d62e7018f5bca36d94e20b7f1c863a5d09e",
            "whsec_p9Zk2VfQ7xLr0TnYb4HsWc8eGmJuAo1d",
            "kX9vQ2mRt7LpZc4WnYb8HsJd6FgUe3Ao",
            "b7e1c40d92fa685317de04b9",
            "maple orbit candle vigor trench lunar pickle",
            "6f1d2c9e-83b7-4a50-9c1e-d27f08ab45c3",
        ] {
            assert!(
                !can_be_guessed(strong, KEY_BITS),
                "{strong}: {}",
                bits(strong)
            );
        }
    }

    proptest! {
        #[test]
        fn thirty_two_random_bytes_in_hexadecimal_are_accepted(bytes in any::<[u8; 32]>()) {
            let text = hex::encode(bytes);
            // Shrinking makes repetitive digits, which chance does not.
            prop_assume!(bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 20);
            prop_assert!(!can_be_guessed(&text, KEY_BITS), "{}", bits(&text));
        }

        #[test]
        fn no_text_makes_the_estimate_panic(text in "\\PC{0,200}") {
            let _ = can_be_guessed(&text, KEY_BITS);
        }
    }
}
