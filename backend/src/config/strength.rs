//! Whether a secret can be guessed: long ones can be, too.
//!
//! What counts is how much of it does not follow from what stands before. Characters that repeat, go on
//! in steps or copy an earlier part add nothing, and words that stand in every example are known to all.

use super::{Environment, Problems, Variables};

/// Bits that a key must hold. By this measure 24 random hexadecimal digits hold some 85, seldom under 70.
const KEYS_BITS: f64 = 60.0;
/// Bits that a token must hold if it gives no access to people's data.
const TOKENS_BITS: f64 = 32.0;
/// Every setting that is a secret.
const SECRETS: [&str; 8] = [
    "RELAY_WEBHOOK_SECRET",
    "METRICS_TOKEN",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_KEY",
    "SUPABASE_PASSWORD_KEYS",
    "SESSION_SECRET",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SECRET",
];
/// Shorter ones are no secrets, and are named for that.
const LEAST_COMPARED: usize = 16;
/// Words of examples and of habit, in lower case. Random text has one of them once in many millions.
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
/// Steps between characters are looked for over so many of them.
const MAX_PERIOD: usize = 4;
/// A copy of so many characters is one.
const LEAST_COPY: usize = 3;

/// Names the entries of `key` that can be guessed: refused in production, warned about elsewhere.
pub(super) fn check_keys<'k>(
    key: &'static str,
    entries: impl Iterator<Item = &'k str>,
    environment: Environment,
    found: &mut Problems,
    warnings: &mut Problems,
) {
    let list = match environment {
        Environment::Production => found,
        Environment::Development => warnings,
    };
    for (number, entry) in (1..).zip(entries) {
        if can_be_guessed(entry, KEYS_BITS) {
            list.push(key, format!("entry {number} {GUESSED}"));
        }
    }
}

/// The same for a token.
pub(super) fn check_token(key: &'static str, token: &str, found: &mut Problems) {
    if can_be_guessed(token, TOKENS_BITS) {
        found.push(key, GUESSED);
    }
}

/// Names each secret that serves for a second purpose: who learns it by one of them has the other.
pub(super) fn check_shared(
    variables: &Variables,
    environment: Environment,
    found: &mut Problems,
    warnings: &mut Problems,
) {
    let list = match environment {
        Environment::Production => found,
        Environment::Development => warnings,
    };
    let mut earlier: Vec<(&str, &str)> = Vec::new();
    for key in SECRETS {
        let before = earlier.len();
        for entry in variables.list(key) {
            let secret = entry.rsplit(':').next().unwrap_or(entry);
            if secret.len() < LEAST_COMPARED {
                continue;
            }
            let other = earlier[..before].iter().find(|(_, other)| *other == secret);
            if let Some((other, _)) = other {
                list.push(
                    key,
                    format!("is also in {other}; each needs one of its own"),
                );
            }
            earlier.push((key, secret));
        }
    }
}

fn can_be_guessed(secret: &str, least_bits: f64) -> bool {
    let lower = secret.to_lowercase();
    KNOWN_WORDS.iter().any(|word| lower.contains(word)) || bits(secret) < least_bits
}

/// How much a secret holds, estimated in bits.
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
            surprising += u32::from(!goes_on_in_steps(&text, at));
            at += 1;
        }
    }
    let choices = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    f64::from(surprising) * f64::from(choices.max(1)).log2()
}

/// Whether the character follows from those one or several periods before, as in `aaa`, `abc` or `001122`.
fn goes_on_in_steps(text: &[u32], at: usize) -> bool {
    (1..=MAX_PERIOD).any(|period| {
        at >= 2 * period && {
            let step = |later: usize| i64::from(text[later]) - i64::from(text[later - period]);
            step(at) == step(at - period) && step(at).abs() <= 2
        }
    })
}

/// The longest part from `at` on that stands earlier too.
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
    fn what_follows_from_itself_can_be_guessed() {
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
            assert!(can_be_guessed(&weak, KEYS_BITS), "{weak}: {}", bits(&weak));
        }
    }

    #[test]
    fn what_was_made_by_chance_is_taken() {
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
                !can_be_guessed(strong, KEYS_BITS),
                "{strong}: {}",
                bits(strong)
            );
        }
    }

    proptest! {
        #[test]
        fn thirty_two_random_hexadecimal_digits_always_do(bytes in any::<[u8; 32]>()) {
            use std::fmt::Write;
            let mut text = String::new();
            for byte in bytes {
                write!(text, "{byte:02x}").expect("written");
            }
            // Chance makes no sixty-four digits that hold less; shrinking would.
            prop_assume!(bytes.iter().collect::<std::collections::BTreeSet<_>>().len() > 20);
            prop_assert!(!can_be_guessed(&text, KEYS_BITS), "{}", bits(&text));
        }

        #[test]
        fn any_text_is_judged(text in "\\PC{0,200}") {
            let _ = can_be_guessed(&text, KEYS_BITS);
        }
    }
}
