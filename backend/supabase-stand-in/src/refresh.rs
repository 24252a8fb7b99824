//! `POST /token?grant_type=refresh_token`: rotation, and the reuse of a refresh token.
//!
//! There are two kinds of refresh tokens. With both, a client whose answer was lost can repeat the
//! request: the token before the current one returns the current token again, at any later time. A
//! still older token is accepted within the reuse interval only, which counts from the time when that token was last
//! accepted or revoked (older kind), or from the session's last refresh (newer kind). After the interval the token is
//! refused, and unless [`Settings::rotation`] is off, the session's refresh tokens are revoked (older kind) or the
//! session is deleted (newer kind).
//!
//! [`Settings::rotation`]: crate::Settings::rotation

use serde::Deserialize;
use stand_in::Request;

use crate::auth::{Auth, read_body};
use crate::error::{AuthError, AuthResult, REFRESH_NOT_FOUND};
use crate::refresh_token::{self, ParsedToken, V1_LENGTH};
use crate::state::{RefreshRow, Session, SessionSet, State};
use crate::tokens::IssuedToken;

/// The body of a refresh.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RefreshRequest {
    refresh_token: Option<String>,
}

impl Auth {
    pub(crate) fn refresh_grant(&self, request: &Request) -> AuthResult {
        let token = read_body::<RefreshRequest>(request)?
            .refresh_token
            .unwrap_or_default();
        let mut state = self.lock();
        let issued = if token.len() == V1_LENGTH {
            self.refresh_v1(&mut state, &token)?
        } else {
            let parsed = refresh_token::parse(&token)
                .ok_or_else(|| AuthError::validation("Refresh token is not valid"))?;
            self.refresh_v2(&mut state, &parsed)?
        };
        let activity = state.record_activity(self.now());
        if let Some(session) = state.session_mut(issued.session) {
            session.last_active = activity;
        }
        Ok(self.session_answer(&state, issued))
    }

    fn refresh_v1(&self, state: &mut State, token: &str) -> Result<IssuedToken, AuthError> {
        let row = state.refresh_rows.iter().find(|row| row.token == token);
        let row = row.cloned().ok_or(REFRESH_NOT_FOUND)?;
        let session = state
            .session(row.session)
            .cloned()
            .ok_or(REFRESH_NOT_FOUND)?;
        self.check_session(state, &session)?;
        if row.revoked {
            let mut newest_first = state.refresh_rows.iter().rev();
            let active = newest_first.find(|row| row.session == session.id && !row.revoked);
            if let Some(active) = active
                && active.parent.as_deref() == Some(token)
            {
                return Ok(IssuedToken::v1(session.id, active.token.clone()));
            }
            if self.now() > row.updated_at + self.settings.reuse_interval {
                if self.settings.rotation {
                    self.revoke(state, |row| row.session == session.id && !row.revoked);
                }
                return Err(already_used(&session));
            }
        }
        self.revoke(state, |other| other.token == row.token);
        let next = self.add_refresh_row(state, session.id, Some(row.token));
        Ok(IssuedToken::v1(session.id, next).with("sb-auth-refresh-token-reuse", "false"))
    }

    /// Revokes the selected rows. The reuse interval counts from the revocation, so the newest token of a
    /// revoked session still works for that long.
    fn revoke(&self, state: &mut State, selected: impl Fn(&RefreshRow) -> bool) {
        let now = self.now();
        for row in state.refresh_rows.iter_mut().filter(|row| selected(row)) {
            row.revoked = true;
            row.updated_at = now;
        }
    }

    fn refresh_v2(&self, state: &mut State, token: &ParsedToken) -> Result<IssuedToken, AuthError> {
        let session = state.session(token.session).cloned();
        let session = session.ok_or(REFRESH_NOT_FOUND)?;
        let signer = session.signer.as_ref().ok_or(REFRESH_NOT_FOUND)?;
        if !signer.verifies(token) {
            return Err(REFRESH_NOT_FOUND.into());
        }
        self.check_session(state, &session)?;
        match session.counter.checked_sub(token.counter) {
            None => {
                let message = "Invalid Refresh Token: Not Issued By This Server";
                Err(with_ids(AuthError::validation(message), &session))
            }
            Some(0) => {
                let session = state.session_mut(session.id).ok_or(REFRESH_NOT_FOUND)?;
                session.counter += 1;
                let issued = IssuedToken::v2(session).ok_or(REFRESH_NOT_FOUND)?;
                Ok(issued.with("sb-auth-refresh-token-reuse", "false"))
            }
            Some(refreshes_since) => self.reuse_v2(state, &session, refreshes_since),
        }
    }

    /// Answers a token that was used before; the session was refreshed `refreshes_since` times since then. If the
    /// reuse is allowed, the session's current token is returned and the counter stays.
    fn reuse_v2(
        &self,
        state: &mut State,
        session: &Session,
        refreshes_since: u64,
    ) -> Result<IssuedToken, AuthError> {
        let is_within_interval = self.now() < session.last_active.at + self.settings.reuse_interval;
        let causes = [
            is_within_interval.then_some("concurrent-refresh"),
            (refreshes_since == 1).then_some("fail-to-save"),
        ];
        let causes: Vec<&str> = causes.into_iter().flatten().collect();
        if !causes.is_empty() {
            let issued = IssuedToken::v2(session).ok_or(REFRESH_NOT_FOUND)?;
            return Ok(issued.with("sb-auth-refresh-token-reuse-cause", &causes.join(",")));
        }
        let error = already_used(session);
        if !self.settings.rotation {
            return Err(error);
        }
        state.end_sessions(session.user, SessionSet::Only(session.id));
        Err(error.with("sb-auth-refresh-token-rotated", &true))
    }

    /// Fails if the user is banned or the session has expired. Expiry is checked at a refresh only.
    fn check_session(&self, state: &State, session: &Session) -> Result<(), AuthError> {
        let now = self.now();
        let banned = state
            .user(session.user)
            .is_some_and(|user| user.is_banned(now));
        if banned {
            let message = "Invalid Refresh Token: User Banned";
            let error = AuthError::new(400, "user_banned", message);
            return Err(error.with("sb-auth-user-id", &session.user));
        }
        let idle = self
            .settings
            .session_inactivity
            .is_some_and(|limit| now > session.last_active.at + limit);
        let reason = if self.past_timebox(session) {
            "Session Expired"
        } else if idle {
            "Session Expired (Inactivity)"
        } else if self.settings.single_session && self.has_newer_session(state, session) {
            "Session Expired (Revoked by Newer Login)"
        } else {
            return Ok(());
        };
        let message = format!("Invalid Refresh Token: {reason}");
        let error = AuthError::new(400, "session_expired", message);
        Err(with_ids(error, session))
    }

    /// Whether the session has lasted longer than sessions may.
    fn past_timebox(&self, session: &Session) -> bool {
        let now = self.now();
        let timebox = self.settings.session_timebox;
        session.expired || timebox.is_some_and(|limit| now > session.created_at + limit)
    }

    /// Whether the user has a session that was active later and is not over.
    fn has_newer_session(&self, state: &State, session: &Session) -> bool {
        let newer = |other: &Session| {
            other.user == session.user
                && other.last_active > session.last_active
                && !self.past_timebox(other)
        };
        state.sessions.iter().any(newer)
    }
}

/// Adds the headers with the ids of user and session.
fn with_ids(error: AuthError, session: &Session) -> AuthError {
    error
        .with("sb-auth-user-id", &session.user)
        .with("sb-auth-session-id", &session.id)
}

fn already_used(session: &Session) -> AuthError {
    let message = "Invalid Refresh Token: Already Used";
    let error = AuthError::new(400, "refresh_token_already_used", message);
    with_ids(error, session)
}
