//! Opens sessions: one transaction uses the approval of a code and writes everything that belongs to the session.

use uuid::Uuid;

use super::MARK_STEP_UP;
use super::ending::{END_ONE, EndedSession, enqueue_log_outs};
use super::tokens::{INSERT_TOKEN, NextToken};
use super::upstream::NewUpstream;
use crate::clock::Timestamp;
use crate::store::audit::{NewEvent, RECORD_EVENT};
use crate::store::execute::Execute;
use crate::store::jobs::NewJob;
use crate::store::otp::consume_approval;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    INSERT_SESSION {
        both: "insert into sessions (
                 id, user_id, transport, issuer, remember, created_at, last_seen_at,
                 idle_expires_at, expires_at, step_up_at, step_up_is_test, device, token_counter,
                 upstream_session_id, access_hash, access_expires_at, upstream_tokens,
                 upstream_version)
               values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $6, $9, $10, $11, $12, $13, $14, $15, 1)",
    }
    /// A name that the person has already stays, since only a change of the profile may replace it.
    NOTE_SIGN_IN {
        both: "update users set last_sign_in_at = $2, name = coalesce(name, $3), updated_at = $2
               where id = $1 and archived_at is null",
    }
}

/// A code that was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedCode {
    /// The challenge with the approval.
    pub challenge_id: Uuid,
    /// Whether the code is that of a test number.
    pub is_test: bool,
}

/// A session that is to be opened.
pub struct NewSession {
    pub id: Uuid,
    pub user_id: Uuid,
    /// `cookie` or `bearer`.
    pub transport: &'static str,
    pub issuer: String,
    /// Whether the person asked to stay signed in.
    pub remember: bool,
    /// When the session ends unless it is used.
    pub idle_expires_at: Timestamp,
    /// When the session ends even if it is used.
    pub expires_at: Timestamp,
    /// Whether the session was opened with the code of a test number.
    pub is_test: bool,
    /// For example `Safari on iPhone`.
    pub device: Option<String>,
    pub token: NextToken,
    /// The session at the identity provider, if it has sessions.
    pub upstream: Option<NewUpstream>,
    /// The person's name, as given at this sign-in.
    pub name: Option<String>,
    /// The session of the same browser that this one replaces.
    pub replaces: Option<Uuid>,
}

impl Store {
    /// Uses the approval of a code and opens a session. Writes nothing and returns `false` if the approval was used or
    /// has expired, or if the person was deleted or archived. `log_out` makes the job for the replaced session, if one
    /// is needed.
    pub async fn open_session(
        &self,
        session: &NewSession,
        code: &ConfirmedCode,
        event: &NewEvent,
        log_out: impl Fn(&EndedSession) -> Option<NewJob>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        if !consume_approval(&mut tx, code.challenge_id, session.id, now).await? {
            return Ok(false);
        }
        let params = (session.user_id, now, session.name.as_deref());
        // The person was deleted or archived since they were looked up.
        if tx.execute(NOTE_SIGN_IN, params).await? == 0 {
            return Ok(false);
        }
        if let Some(replaced) = session.replaces {
            let ended: Vec<EndedSession> = tx.all(END_ONE, (replaced, now, "replaced")).await?;
            enqueue_log_outs(&mut tx, &ended, log_out, now).await?;
        }
        let (token, upstream) = (&session.token, session.upstream.as_ref());
        let params = (
            session.id,
            session.user_id,
            session.transport,
            &session.issuer,
            session.remember,
            now,
            session.idle_expires_at,
            session.expires_at,
            session.is_test,
            session.device.as_deref(),
            token.counter,
            upstream.map(|upstream| upstream.session_id.as_str()),
            upstream.map(|upstream| &upstream.access_hash[..]),
            upstream.map(|upstream| upstream.access_expires_at),
            upstream.map(|upstream| &upstream.sealed_tokens[..]),
        );
        tx.execute(INSERT_SESSION, params).await?;
        tx.execute(INSERT_TOKEN, token.params(session.id, now))
            .await?;
        tx.execute(RECORD_EVENT, event.params(now)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses the approval of a code and records the step-up in the session in which the code was confirmed. Returns
    /// `false` if the approval was used or has expired, or if the session has ended.
    pub async fn step_up_session(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        code: &ConfirmedCode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        if !consume_approval(&mut tx, code.challenge_id, session_id, now).await? {
            return Ok(false);
        }
        let params = (user_id, session_id, now, code.is_test);
        if tx.execute(MARK_STEP_UP, params).await? == 0 {
            return Ok(false);
        }
        // The person has proved the number again, which counts as a contact: a silence is counted from here on.
        let new_name: Option<&str> = None;
        let params = (user_id, now, new_name);
        tx.execute(NOTE_SIGN_IN, params).await?;
        tx.commit().await?;
        Ok(true)
    }
}
