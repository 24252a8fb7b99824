//! Access tokens that the identity provider has to check, because the backend cannot verify their signature and they
//! are not among the last two tokens that were issued to their session.
//!
//! After an answer, the provider is not asked about the same session for thirty seconds, because a stranger who knows
//! a session's id could forge any number of tokens for it. Until then the answer is reused: the accepted token is
//! valid, every other token is not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::session_locks::SessionLocks;
use super::{Session, SessionError};
use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::keyring::digest;

/// How long an answer is reused.
const ANSWER_TTL: Duration = Duration::from_secs(30);
/// How long the provider is not asked again after it did not answer.
const OUTAGE_TTL: Duration = Duration::from_secs(5);
/// The number of sessions whose last check is kept.
const CAPACITY: usize = 10_000;
/// When a client may try again if its token could not be checked.
const RETRY_AFTER_SECS: u32 = 5;

/// The last check of each session.
#[derive(Default)]
pub(super) struct TokenChecks {
    last: Mutex<HashMap<Uuid, TokenCheck>>,
    locks: SessionLocks,
}

#[derive(Clone, Copy)]
struct TokenCheck {
    at: Timestamp,
    /// The digest of the checked token.
    token_digest: [u8; 32],
    answer: ProviderAnswer,
}

#[derive(Clone, Copy)]
enum ProviderAnswer {
    Accepted,
    Rejected,
    Unavailable,
}

impl TokenCheck {
    fn is_current(&self, now: Timestamp) -> bool {
        let ttl = match self.answer {
            ProviderAnswer::Accepted | ProviderAnswer::Rejected => ANSWER_TTL,
            ProviderAnswer::Unavailable => OUTAGE_TTL,
        };
        now < self.at.plus(ttl)
    }

    /// `Ok` if the provider accepted the token with this digest.
    fn result_for(&self, token_digest: &[u8; 32]) -> Result<(), SessionError> {
        match self.answer {
            ProviderAnswer::Accepted if self.token_digest == *token_digest => Ok(()),
            ProviderAnswer::Accepted | ProviderAnswer::Rejected => Err(SessionError::SignedOut),
            ProviderAnswer::Unavailable => Err(SessionError::Unavailable {
                retry_after: RETRY_AFTER_SECS,
            }),
        }
    }
}

impl TokenChecks {
    /// Checks that the provider accepts the token and that it belongs to the session's person.
    pub(super) async fn check(
        &self,
        identity: &Identity,
        session: &Session,
        token: &str,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let token_digest = digest(token.as_bytes());
        // Simultaneous requests use the answer of the first.
        let _guard = self.locks.lock(session.id).await;
        if let Some(check) = self.current_check(session.id, now)? {
            return check.result_for(&token_digest);
        }
        let answered = identity.ask_user(token, now).await;
        let answered = answered.map_err(SessionError::from);
        let answer = match &answered {
            Ok(claims) if claims.subject == session.subject => ProviderAnswer::Accepted,
            Err(SessionError::Unavailable { .. }) => ProviderAnswer::Unavailable,
            Ok(_) | Err(_) => ProviderAnswer::Rejected,
        };
        let check = TokenCheck {
            at: now,
            token_digest,
            answer,
        };
        self.lock().insert(session.id, check);
        answered.and_then(|_| check.result_for(&token_digest))
    }

    /// The session's last check, if its answer can be reused. An error if it cannot, and there is no room for another
    /// check: then the provider is not asked.
    fn current_check(
        &self,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Option<TokenCheck>, SessionError> {
        let mut last = self.lock();
        if let Some(check) = last.get(&session_id)
            && check.is_current(now)
        {
            return Ok(Some(*check));
        }
        if last.len() >= CAPACITY {
            last.retain(|_, check| check.is_current(now));
            if last.len() >= CAPACITY {
                return Err(SessionError::Unavailable {
                    retry_after: RETRY_AFTER_SECS,
                });
            }
        }
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, TokenCheck>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
