//! Which of a session's refresh tokens are good: the newest, and for a moment the ones before it.
//!
//! An answer that carries a new token may be lost, and requests in flight still carry the old one. So
//! a token works until its successor is first used, and thirty seconds more. A client that shows it after
//! that has a copy that another client has gone on with: the family ends, for it cannot be told which of
//! the two is the thief.

use std::time::Duration;

use super::refresh_token::RefreshToken;
use crate::clock::Timestamp;
use crate::keyring::Keyring;
use crate::store::sessions::TokenRow;

/// How long a token still works after its successor was first used.
pub const GRACE: Duration = Duration::from_secs(30);

/// What a token that was shown is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
    /// The newest; its place.
    Newest(i64),
    /// An older one that still works; the place of the newest.
    Superseded { newest: i64 },
    /// A genuine one that was gone on from.
    Reused,
    /// Not one of this session's.
    Unknown,
}

/// Judges `shown` by the kept tokens of its session, newest first.
pub(super) fn judge(
    shown: &RefreshToken,
    kept: &[TokenRow],
    keyring: &Keyring,
    now: Timestamp,
) -> TokenState {
    let Some(newest) = kept.first() else {
        return TokenState::Unknown;
    };
    let Some(index) = kept.iter().position(|row| row.counter == shown.counter) else {
        let is_older = shown.counter < newest.counter;
        return if is_older && shown.is_genuine(keyring) {
            TokenState::Reused
        } else {
            TokenState::Unknown
        };
    };
    // The digest alone would let a token outlive its key. What was made with a key that the owner has taken
    // out of the list must be worth nothing, above all if that key has leaked.
    if !shown.is(&kept[index].token_hash) || !shown.is_genuine(keyring) {
        return TokenState::Unknown;
    }
    let Some(successor) = index.checked_sub(1).map(|index| &kept[index]) else {
        return TokenState::Newest(newest.counter);
    };
    let still_works = successor
        .first_used_at
        .is_none_or(|used| now <= used.plus(GRACE));
    if still_works {
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
        let kept = RefreshToken::mint(&ring(), SESSION, counter).kept;
        TokenRow {
            counter,
            token_hash: kept.hash.to_vec(),
            key_id: kept.key_id,
            first_used_at,
        }
    }

    #[test]
    fn a_predecessor_works_until_thirty_seconds_after_its_successors_first_use() {
        let judged = |kept: &[TokenRow], counter| judge(&token(counter), kept, &ring(), NOW);
        let long_ago = Some(NOW.minus(GRACE * 100));
        let unused = [row(3, None), row(2, long_ago), row(1, long_ago)];
        assert_eq!(judged(&unused, 3), TokenState::Newest(3));
        assert_eq!(judged(&unused, 2), TokenState::Superseded { newest: 3 });
        assert_eq!(judged(&unused, 1), TokenState::Reused);
        let edge = Some(NOW.minus(GRACE));
        let just = [row(3, edge), row(2, edge), row(1, edge)];
        assert_eq!(judged(&just, 2), TokenState::Superseded { newest: 3 });
        assert_eq!(judged(&just, 1), TokenState::Superseded { newest: 3 });
        let over = Some(NOW.minus(GRACE + Duration::from_micros(1)));
        let late = [row(3, over), row(2, over)];
        assert_eq!(judged(&late, 2), TokenState::Reused);
        assert_eq!(
            judged(&late, 3),
            TokenState::Newest(3),
            "however long it was used"
        );
        assert_eq!(
            judged(&late, 1),
            TokenState::Reused,
            "a place that is not kept any more"
        );
    }

    #[test]
    fn a_made_up_token_ends_nothing() {
        let kept = [row(3, None), row(2, None)];
        let other = Keyring::parse("another key of thirty-two characters").expect("a key");
        for counter in [1, 2, 3, 4] {
            let text = RefreshToken::mint(&other, SESSION, counter).text;
            let made_up = RefreshToken::parse(text.expose_secret()).expect("of its form");
            assert_eq!(judge(&made_up, &kept, &ring(), NOW), TokenState::Unknown);
        }
        assert_eq!(judge(&token(9), &kept, &ring(), NOW), TokenState::Unknown);
        assert_eq!(judge(&token(1), &[], &ring(), NOW), TokenState::Unknown);
    }

    #[test]
    fn a_token_is_worth_nothing_without_its_key() {
        let kept = [row(3, None), row(2, None)];
        let newer = Keyring::parse("another key of thirty-two characters").expect("a key");
        for counter in [2, 3] {
            let judged = judge(&token(counter), &kept, &newer, NOW);
            assert_eq!(judged, TokenState::Unknown);
        }
    }
}
