//! Decides whether a secret can be guessed. Length alone does not make a secret strong.
//!
//! The decision estimates the entropy from the characters that do not follow from earlier ones. Characters that repeat,
//! continue a sequence such as `abc`, or copy an earlier part do not count. A secret that contains a word which is
//! common in example configurations, such as `changeme`, can always be guessed.

use super::Reader;
use super::settings::SETTINGS;

/// The fewest estimated bits that a key may have. The estimate for 24 random hexadecimal digits is about 85 bits, and
/// seldom below 70.
const MIN_KEY_BITS: f64 = 60.0;
/// The fewest estimated bits that a token may have if it gives no access to people's data.
const MIN_TOKEN_BITS: f64 = 32.0;
/// The shortest secret that is compared with those of other settings, in bytes. A shorter secret that an operator makes
/// is refused for its length, and providers issue longer ones.
const MIN_COMPARED_LEN: usize = 16;
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
const GUESSABLE: &str = "can be guessed: it is short, repeats itself, goes on in steps, or holds a word of \
                       examples; make one with `openssl rand -hex 32`";
/// How far apart in the text the neighbours of a sequence may be. In `a1b2c3` they are 2 characters apart.
const MAX_PERIOD: usize = 4;
/// How far apart in Unicode the neighbours of a sequence may be. In `aceg` they are 2 apart.
const MAX_STEP: i64 = 2;
/// The shortest repeated part that counts as a copy.
const MIN_COPY_LEN: usize = 3;

/// Finds the entries of the list in setting `key` that can be guessed. Production refuses them, and development
/// warns about them.
pub(super) fn check_keys<'k>(
    key: &'static str,
    entries: impl Iterator<Item = &'k str>,
    reader: &mut Reader,
) {
    for (number, entry) in (1..).zip(entries) {
        if can_be_guessed(entry, MIN_KEY_BITS) {
            reader.refuse_in_production(key, format!("entry {number} {GUESSABLE}"));
        }
    }
}

/// Refuses the token in setting `key` if it can be guessed.
pub(super) fn check_token(key: &'static str, token: &str, reader: &mut Reader) {
    if can_be_guessed(token, MIN_TOKEN_BITS) {
        reader.refuse(key, GUESSABLE);
    }
}

/// Finds each secret that two settings share: if one of the settings leaked, the other would be known, too. Production
/// refuses such a secret, and development warns about it.
pub(super) fn check_shared(reader: &mut Reader) {
    let mut earlier: Vec<(&str, &str)> = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret) {
        // A setting may repeat its own secret, so only the entries of earlier settings are compared.
        let of_earlier_settings = earlier.len();
        for entry in reader.list(setting.key) {
            // A relay's name may stand before the secret, with a colon between them.
            let secret = entry.rsplit(':').next().unwrap_or(entry);
            if secret.len() < MIN_COMPARED_LEN {
                continue;
            }
            let same = earlier[..of_earlier_settings]
                .iter()
                .find(|(_, earlier_secret)| *earlier_secret == secret);
            if let Some((other_key, _)) = same {
                let message = format!("is also in {other_key}; each needs one of its own");
                reader.refuse_in_production(setting.key, message);
            }
            earlier.push((setting.key, secret));
        }
    }
}

/// Whether the secret contains a known word, or its estimated entropy is below `min_bits`.
fn can_be_guessed(secret: &str, min_bits: f64) -> bool {
    let lower = secret.to_lowercase();
    KNOWN_WORDS.iter().any(|word| lower.contains(word)) || estimated_bits(secret) < min_bits
}

/// The estimated entropy of a secret, in bits.
fn estimated_bits(secret: &str) -> f64 {
    let text: Vec<u32> = secret.chars().map(u32::from).collect();
    let mut distinct = text.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut unpredictable = 0_u32;
    let mut position = 0;
    while position < text.len() {
        let copied = longest_copy(&text, position);
        if copied >= MIN_COPY_LEN {
            position += copied;
        } else {
            unpredictable += u32::from(!continues_sequence(&text, position));
            position += 1;
        }
    }
    let choices = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    f64::from(unpredictable) * f64::from(choices.max(1)).log2()
}

/// Whether the character at `position` continues a sequence such as `aaa`, `abc` or `001122`.
fn continues_sequence(text: &[u32], position: usize) -> bool {
    (1..=MAX_PERIOD).any(|period| {
        position >= 2 * period && {
            let step = |later: usize| i64::from(text[later]) - i64::from(text[later - period]);
            step(position) == step(position - period) && step(position).abs() <= MAX_STEP
        }
    })
}

/// The length of the longest part that begins at `position` and also occurs at an earlier position.
fn longest_copy(text: &[u32], position: usize) -> usize {
    (0..position)
        .map(|from| {
            let earlier = &text[from..];
            let same = earlier.iter().zip(&text[position..]);
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
            assert!(
                can_be_guessed(&weak, MIN_KEY_BITS),
                "{weak}: {}",
                estimated_bits(&weak)
            );
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
                !can_be_guessed(strong, MIN_KEY_BITS),
                "{strong}: {}",
                estimated_bits(strong)
            );
        }
    }

    proptest! {
        #[test]
        fn thirty_two_random_bytes_in_hexadecimal_are_accepted(bytes in any::<[u8; 32]>()) {
            let text = hex::encode(bytes);
            // Proptest also tries bytes that repeat, which 32 random bytes do not do so often.
            prop_assume!(bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 20);
            prop_assert!(!can_be_guessed(&text, MIN_KEY_BITS), "{}", estimated_bits(&text));
        }

        #[test]
        fn no_text_makes_the_estimate_panic(text in "\\PC{0,200}") {
            let _ = can_be_guessed(&text, MIN_KEY_BITS);
        }
    }
}
