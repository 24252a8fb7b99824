//! A session begins: the approval of a code is used up, and everything is written, or nothing.

use uuid::Uuid;

use super::MARK_STEP_UP;
use super::tokens::{INSERT_TOKEN, NextToken};
use super::upstream::NewUpstream;
use crate::clock::Timestamp;
use crate::store::audit::{NewEvent, RECORD_EVENT};
use crate::store::connection::Conn;
use crate::store::jobs::NewJob;
use crate::store::otp::{Consumed, consume_approval};
use crate::store::sessions::ending::{END_ONE, Ended, leave};
use crate::store::statements::statements;
use crate::store::transaction::in_transaction;
use crate::store::{Store, StoreError};

statements! {
    INSERT_SESSION {
        both: "insert into sessions ( \
                 id, user_id, transport, issuer, remember, created_at, last_seen_at, \
                 idle_expires_at, expires_at, step_up_at, step_up_is_test, device, token_counter, \
                 upstream_session_id, access_hash, access_expires_at, upstream_tokens, \
                 upstream_version) \
               values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $6, $9, $10, $11, $12, $13, $14, $15, 1)",
    }
    /// A name that was given before stays; the profile is the place to change it.
    NOTE_SIGN_IN {
        both: "update users set last_sign_in_at = $2, name = coalesce(name, $3), updated_at = $2 \
               where id = $1 and archived_at is null",
    }
}

/// A code that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedCode {
    /// The challenge that it was confirmed for.
    pub challenge_id: Uuid,
    /// Whether it was a test number's.
    pub is_test: bool,
}

/// A session as it is written when it begins.
pub struct NewSession {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// `cookie` or `bearer`.
    pub transport: &'static str,
    /// Who issued its access token.
    pub issuer: String,
    /// Whether the person asked to be remembered.
    pub remember: bool,
    /// When it ends if nobody uses it.
    pub idle_expires_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Whether the code was a test number's.
    pub is_test: bool,
    /// `Safari on iPhone`.
    pub device: Option<String>,
    /// Its first refresh token.
    pub token: NextToken,
    /// The provider's tokens, if it has a session of its own.
    pub upstream: Option<NewUpstream>,
    /// The person's name, if they told one.
    pub name: Option<String>,
    /// The session of the same browser that this one takes the place of.
    pub replaces: Option<Uuid>,
}

impl Store {
    /// Uses up the approval of a code and begins a session, or finds that it was used up before:
    /// `false`, and nothing is written. `log_out` tells the job that is left to do for the session that
    /// it takes the place of, if any.
    pub async fn open_session(
        &self,
        session: &NewSession,
        code: &ConfirmedCode,
        event: &NewEvent,
        log_out: impl Fn(&Ended) -> Option<NewJob>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done: Result<(), NotOpened> = in_transaction!(self.pools, |tx, dialect| {
            let conn = &mut Conn::from(&mut *tx);
            if consume_approval(conn, code.challenge_id, session.id, now).await? == Consumed::No {
                return Err(NotOpened::UsedUp);
            }
            let noted = sqlx::query(NOTE_SIGN_IN.on(dialect))
                .bind(session.user_id)
                .bind(now)
                .bind(session.name.as_deref())
                .execute(&mut *tx)
                .await?;
            // Deleted or archived since it was looked up.
            if noted.rows_affected() == 0 {
                return Err(NotOpened::UsedUp);
            }
            if let Some(replaced) = session.replaces {
                let ended: Option<Ended> = sqlx::query_as(END_ONE.on(dialect))
                    .bind(replaced)
                    .bind(now)
                    .bind("replaced")
                    .fetch_optional(&mut *tx)
                    .await?;
                if let Some(ended) = &ended {
                    leave(&mut Conn::from(&mut *tx), ended, &log_out, now).await?;
                }
            }
            let upstream = session.upstream.as_ref();
            sqlx::query(INSERT_SESSION.on(dialect))
                .bind(session.id)
                .bind(session.user_id)
                .bind(session.transport)
                .bind(&session.issuer)
                .bind(session.remember)
                .bind(now)
                .bind(session.idle_expires_at)
                .bind(session.expires_at)
                .bind(session.is_test)
                .bind(session.device.as_deref())
                .bind(session.token.counter)
                .bind(upstream.map(|upstream| upstream.session_id.as_str()))
                .bind(upstream.map(|upstream| &upstream.access_hash[..]))
                .bind(upstream.map(|upstream| upstream.access_expires_at))
                .bind(upstream.map(|upstream| &upstream.sealed_tokens[..]))
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_TOKEN.on(dialect))
                .bind(session.id)
                .bind(session.token.counter)
                .bind(&session.token.hash[..])
                .bind(&session.token.key_id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(RECORD_EVENT.on(dialect))
                .bind(event.id)
                .bind(now)
                .bind(event.kind)
                .bind(event.outcome)
                .bind(event.user_id)
                .bind(event.session_id)
                .bind(event.request_id.as_deref())
                .execute(&mut *tx)
                .await?;
            Ok(())
        });
        settle(done)
    }

    /// Uses up the approval of a code and marks the session in which it was confirmed, or finds that
    /// it was used up before.
    pub async fn step_up_session(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        code: &ConfirmedCode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done: Result<(), NotOpened> = in_transaction!(self.pools, |tx, dialect| {
            let conn = &mut Conn::from(&mut *tx);
            if consume_approval(conn, code.challenge_id, session_id, now).await? == Consumed::No {
                return Err(NotOpened::UsedUp);
            }
            let marked = sqlx::query(MARK_STEP_UP.on(dialect))
                .bind(user_id)
                .bind(session_id)
                .bind(now)
                .bind(code.is_test)
                .execute(&mut *tx)
                .await?;
            if marked.rows_affected() == 0 {
                return Err(NotOpened::UsedUp);
            }
            // The number was proved again: its silence begins anew.
            sqlx::query(NOTE_SIGN_IN.on(dialect))
                .bind(user_id)
                .bind(now)
                .bind(None::<&str>)
                .execute(&mut *tx)
                .await?;
            Ok(())
        });
        settle(done)
    }
}

fn settle(done: Result<(), NotOpened>) -> Result<bool, StoreError> {
    match done {
        Ok(()) => Ok(true),
        Err(NotOpened::UsedUp) => Ok(false),
        Err(NotOpened::Store(error)) => Err(error),
    }
}

/// Why the transaction was given up.
enum NotOpened {
    UsedUp,
    Store(StoreError),
}

impl From<sqlx::Error> for NotOpened {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
