//! Access tokens whose signature only the identity provider can check, and that are not one of the last
//! two that were issued to their session.
//!
//! The provider is asked once in half a minute about each session, for a stranger who knows a session's name
//! could make up tokens for it without end. Its answer counts until then: the token that it accepted works,
//! others don't.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::single_flight::Flights;
use super::{Session, SessionError};
use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::keyring::digest;

/// How long an answer counts.
const EVERY: Duration = Duration::from_secs(30);
/// How long it counts that there was none.
const AWAY_FOR: Duration = Duration::from_secs(5);
const CAPACITY: usize = 10_000;

/// What the provider was asked lately, by session.
#[derive(Default)]
pub(super) struct UserChecks {
    last: Mutex<HashMap<Uuid, Asked>>,
    flights: Flights,
}

#[derive(Clone, Copy)]
struct Asked {
    at: Timestamp,
    token: [u8; 32],
    answer: UserAnswer,
}

#[derive(Clone, Copy)]
enum UserAnswer {
    Yes,
    No,
    /// The provider did not answer.
    Missing,
}

impl Asked {
    fn counts(&self, now: Timestamp) -> bool {
        let span = match self.answer {
            UserAnswer::Yes | UserAnswer::No => EVERY,
            UserAnswer::Missing => AWAY_FOR,
        };
        now < self.at.plus(span)
    }

    fn about(&self, token: &[u8; 32]) -> Result<(), SessionError> {
        match self.answer {
            UserAnswer::Yes if self.token == *token => Ok(()),
            UserAnswer::Yes | UserAnswer::No => Err(SessionError::SignedOut),
            UserAnswer::Missing => Err(SessionError::Unavailable { retry_after: 5 }),
        }
    }
}

impl UserChecks {
    /// Whether the provider accepts the token, as the person's of this session.
    pub(super) async fn check(
        &self,
        identity: &Identity,
        session: &Session,
        token: &str,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let shown = digest(token.as_bytes());
        // Requests of the same moment get the answer of the first.
        let _turn = self.flights.turn(session.id).await;
        if let Some(asked) = self.last(session.id, now)? {
            return asked.about(&shown);
        }
        let answered = identity.ask_user(token, now).await;
        let answered = answered.map_err(SessionError::from);
        let answer = match &answered {
            Ok(claims) if claims.subject == session.subject => UserAnswer::Yes,
            Err(SessionError::Unavailable { .. }) => UserAnswer::Missing,
            Ok(_) | Err(_) => UserAnswer::No,
        };
        let asked = Asked {
            at: now,
            token: shown,
            answer,
        };
        self.lock().insert(session.id, asked);
        answered.and_then(|_| asked.about(&shown))
    }

    /// The answer that counts, if there is one. With no room for another the provider is not asked.
    fn last(&self, session_id: Uuid, now: Timestamp) -> Result<Option<Asked>, SessionError> {
        let mut last = self.lock();
        if let Some(asked) = last.get(&session_id)
            && asked.counts(now)
        {
            return Ok(Some(*asked));
        }
        if last.len() >= CAPACITY {
            last.retain(|_, asked| asked.counts(now));
            if last.len() >= CAPACITY {
                return Err(SessionError::Unavailable { retry_after: 5 });
            }
        }
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Asked>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
