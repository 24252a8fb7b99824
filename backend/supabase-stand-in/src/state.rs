//! The server's state, kept in memory: users, sessions, refresh tokens and rate limits.

use std::collections::HashSet;

use stand_in::random;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::limits::Buckets;
use crate::refresh_token::Signer;
use crate::settings::RefreshTokens;
use crate::user::User;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) users: Vec<User>,
    pub(crate) sessions: Vec<Session>,
    /// Rows of the older kind of refresh token, oldest first.
    pub(crate) refresh_rows: Vec<RefreshRow>,
    pub(crate) buckets: Buckets,
    /// Counts events, to order events that have the same time.
    events: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) created_at: OffsetDateTime,
    /// How the user signed in: `password` or `otp`.
    pub(crate) method: &'static str,
    /// Time and event number of the session's start or last refresh, including a refresh with a reused token.
    pub(crate) last_active: (OffsetDateTime, u64),
    /// Number of refreshes so far; only used with the newer kind of refresh token.
    pub(crate) counter: u64,
    pub(crate) signer: Option<Signer>,
    /// Set by a test: the session's time box counts as over.
    pub(crate) expired: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RefreshRow {
    pub(crate) token: String,
    pub(crate) session: Uuid,
    pub(crate) parent: Option<String>,
    pub(crate) revoked: bool,
    pub(crate) updated_at: OffsetDateTime,
}

/// A choice among the sessions of one user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SessionSet {
    All,
    Only(Uuid),
    AllBut(Uuid),
}

impl State {
    pub(crate) fn user(&self, id: Uuid) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(crate) fn user_mut(&mut self, id: Uuid) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.id == id)
    }

    /// Finds a user by the digits of the number. An empty number finds no user.
    pub(crate) fn user_by_phone(&self, phone: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| !phone.is_empty() && user.phone == phone)
    }

    pub(crate) fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| !email.is_empty() && user.email.eq_ignore_ascii_case(email))
    }

    pub(crate) fn session(&self, id: Uuid) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    pub(crate) fn session_mut(&mut self, id: Uuid) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    /// A number that is higher than that of every earlier event.
    pub(crate) fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    pub(crate) fn open_session(
        &mut self,
        user: Uuid,
        method: &'static str,
        tokens: RefreshTokens,
        now: OffsetDateTime,
    ) -> Uuid {
        let id = random::uuid();
        let event = self.next_event();
        self.sessions.push(Session {
            id,
            user,
            created_at: now,
            method,
            last_active: (now, event),
            counter: 0,
            signer: (tokens == RefreshTokens::V2).then(Signer::generate),
            expired: false,
        });
        if let Some(user) = self.user_mut(user) {
            user.last_sign_in_at = Some(now);
        }
        id
    }

    pub(crate) fn end_sessions(&mut self, user: Uuid, which: SessionSet) {
        self.sessions.retain(|session| {
            let ends = match which {
                SessionSet::All => true,
                SessionSet::Only(id) => session.id == id,
                SessionSet::AllBut(id) => session.id != id,
            };
            session.user != user || !ends
        });
        let remaining: HashSet<Uuid> = self.sessions.iter().map(|session| session.id).collect();
        self.refresh_rows
            .retain(|row| remaining.contains(&row.session));
    }

    pub(crate) fn delete_user(&mut self, id: Uuid) {
        self.end_sessions(id, SessionSet::All);
        self.users.retain(|user| user.id != id);
    }
}
