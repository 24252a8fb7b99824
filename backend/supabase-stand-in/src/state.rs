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
    /// The number of activities of sessions so far.
    activities: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) created_at: OffsetDateTime,
    /// How the user signed in: `password` or `otp`.
    pub(crate) method: &'static str,
    /// The session's start or last refresh, including a refresh with a reused token.
    pub(crate) last_active: Activity,
    /// Number of refreshes so far; only used with the newer kind of refresh token.
    pub(crate) counter: u64,
    /// Signs the newer kind of refresh token; `None` with the older kind.
    pub(crate) signer: Option<Signer>,
    /// Set by a test: the session counts as having lasted longer than sessions may.
    pub(crate) expired: bool,
}

/// The start or a refresh of a session. A later activity compares as greater, also at the same time.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Activity {
    pub(crate) at: OffsetDateTime,
    number: u64,
}

/// A stored refresh token of the older kind.
#[derive(Debug, Clone)]
pub(crate) struct RefreshRow {
    pub(crate) token: String,
    pub(crate) session: Uuid,
    /// The token that was exchanged for this one; `None` for a session's first token.
    pub(crate) parent: Option<String>,
    pub(crate) revoked: bool,
    /// When the token was issued or, later, revoked.
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

    /// The activity of a session that is active now.
    pub(crate) fn record_activity(&mut self, now: OffsetDateTime) -> Activity {
        self.activities += 1;
        Activity {
            at: now,
            number: self.activities,
        }
    }

    pub(crate) fn open_session(
        &mut self,
        user: Uuid,
        method: &'static str,
        tokens: RefreshTokens,
        now: OffsetDateTime,
    ) -> Uuid {
        let id = random::uuid();
        let last_active = self.record_activity(now);
        self.sessions.push(Session {
            id,
            user,
            created_at: now,
            method,
            last_active,
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
