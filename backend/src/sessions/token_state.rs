//! The state of a refresh token: newest, superseded by a newer one, reused, or unknown.
//!
//! The answer with a new token may be lost, and requests in flight may still carry the old token. So an old token is
//! valid until thirty seconds after the first use of its successor. If it comes later, a thief may have a copy: either
//! the thief or the owner has used the successor. The backend cannot know which, so the session ends.

use std::time::Duration;

use super::refresh_token::RefreshToken;
use crate::clock::Timestamp;
use crate::keyring::Keyring;
use crate::store::sessions::TokenRow;

/// How long an old token is valid after the first use of its successor.
pub const GRACE: Duration = Duration::from_secs(30);

/// The state of a token that a client presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    /// The newest token of the session.
    Newest { counter: i64 },
    /// An older token that is still valid. `newest` is the counter of the newest token.
    Superseded { newest: i64 },
    /// An older token that is no longer valid.
    Reused,
    /// No token of this session, or one whose key was removed.
    Unknown,
}

/// The state of `token`. `stored` has the last tokens of its session, newest first.
pub(super) fn token_state(
    token: &RefreshToken,
    stored: &[TokenRow],
    keyring: &Keyring,
    now: Timestamp,
) -> TokenState {
    let Some(newest) = stored.first() else {
        return TokenState::Unknown;
    };
    let Some(index) = stored.iter().position(|row| row.counter == token.counter) else {
        let is_older = token.counter < newest.counter;
        return if is_older && token.is_genuine(keyring) {
            TokenState::Reused
        } else {
            TokenState::Unknown
        };
    };
    // A token with the stored digest can have an invalid MAC: the operator may have removed its key from
    // `SESSION_SECRET`, perhaps because the key leaked.
    if !token.has_digest(&stored[index].token_hash) || !token.is_genuine(keyring) {
        return TokenState::Unknown;
    }
    let Some(successor) = index.checked_sub(1).map(|index| &stored[index]) else {
        return TokenState::Newest {
            counter: newest.counter,
        };
    };
    let is_valid = successor
        .first_used_at
        .is_none_or(|used| now <= used.plus(GRACE));
    if is_valid {
        TokenState::Superseded {
            newest: newest.counter,
        }
    } else {
        TokenState::Reused
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    const SESSION: Uuid = Uuid::from_u128(7);
    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn ring() -> Keyring {
        Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key")
    }

    fn token(counter: i64) -> RefreshToken {
        let text = RefreshToken::mint(&ring(), SESSION, counter).text;
        RefreshToken::parse(text.expose_secret()).expect("a token")
    }

    fn row(counter: i64, first_used_at: Option<Timestamp>) -> TokenRow {
        let stored = RefreshToken::mint(&ring(), SESSION, counter).stored;
        TokenRow {
            counter,
            token_hash: stored.digest.to_vec(),
            key_id: stored.key_id,
            first_used_at,
        }
    }

    #[test]
    fn a_predecessor_works_until_thirty_seconds_after_its_successors_first_use() {
        let state =
            |stored: &[TokenRow], counter| token_state(&token(counter), stored, &ring(), NOW);
        let newest = TokenState::Newest { counter: 3 };
        let long_ago = Some(NOW.minus(GRACE * 100));
        let unused = [row(3, None), row(2, long_ago), row(1, long_ago)];
        assert_eq!(state(&unused, 3), newest);
        assert_eq!(state(&unused, 2), TokenState::Superseded { newest: 3 });
        assert_eq!(state(&unused, 1), TokenState::Reused);
        let at_limit = Some(NOW.minus(GRACE));
        let in_time = [row(3, at_limit), row(2, at_limit), row(1, at_limit)];
        assert_eq!(state(&in_time, 2), TokenState::Superseded { newest: 3 });
        assert_eq!(state(&in_time, 1), TokenState::Superseded { newest: 3 });
        let past_limit = Some(NOW.minus(GRACE + Duration::from_micros(1)));
        let late = [row(3, past_limit), row(2, past_limit)];
        assert_eq!(state(&late, 2), TokenState::Reused);
        assert_eq!(
            state(&late, 3),
            newest,
            "the newest token is valid however long ago it was first used"
        );
        assert_eq!(
            state(&late, 1),
            TokenState::Reused,
            "the row of this token is deleted"
        );
    }

    #[test]
    fn a_forged_token_is_unknown() {
        let stored = [row(3, None), row(2, None)];
        let other = Keyring::parse("another key of thirty-two characters").expect("a key");
        for counter in [1, 2, 3, 4] {
            let text = RefreshToken::mint(&other, SESSION, counter).text;
            let forged = RefreshToken::parse(text.expose_secret()).expect("well-formed");
            assert_eq!(
                token_state(&forged, &stored, &ring(), NOW),
                TokenState::Unknown
            );
        }
        assert_eq!(
            token_state(&token(9), &stored, &ring(), NOW),
            TokenState::Unknown
        );
        assert_eq!(
            token_state(&token(1), &[], &ring(), NOW),
            TokenState::Unknown
        );
    }

    #[test]
    fn a_token_is_unknown_after_its_key_was_removed() {
        let stored = [row(3, None), row(2, None)];
        let newer = Keyring::parse("another key of thirty-two characters").expect("a key");
        for counter in [2, 3] {
            let state = token_state(&token(counter), &stored, &newer, NOW);
            assert_eq!(state, TokenState::Unknown);
        }
    }
}
