//! Durable work: logging out and deleting accounts at the identity provider, finishing the deletion of a
//! person or of a handle here.
//!
//! Each job is written in the transaction that makes it necessary and done at least once; all kinds
//! bear being done twice. One that keeps failing is tried for days, more and more rarely, then given up
//! and counted, and stays to be looked at. The deletion of an account at a provider that the database was
//! bound to before is set aside: it waits for that provider's credentials (`former_accounts`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared_protocol::Address;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::former_accounts;
use crate::identity::{Identity, LogoutScope, UpstreamTokens};
use crate::ids::row_id;
use crate::keyring::Keyring;
use crate::people;
use crate::sessions;
use crate::store::jobs::{ClaimedJob, DELETE_FORMER_ACCOUNT, GENERAL_QUEUE, NewJob, PutBack};
use crate::store::{Pepper, Store, StoreError};

const LOG_OUT: &str = "log_out";
pub(crate) const DELETE_ACCOUNT: &str = "delete_account";
const DELETE_PERSON: &str = "delete_person";
const DELETE_HANDLE: &str = "delete_handle";
/// The kinds that a worker of this version does.
const KINDS: [&str; 4] = [LOG_OUT, DELETE_ACCOUNT, DELETE_PERSON, DELETE_HANDLE];
/// Where sealed payloads belong.
const PLACE: &str = "job";
/// With the pauses below, about ten days.
const MAX_ATTEMPTS: i32 = 50;
const LEASE: Duration = Duration::from_mins(2);
const MAX_PAUSE: Duration = Duration::from_hours(6);

#[derive(Serialize, Deserialize)]
struct LogOut {
    issuer: String,
    session_id: Uuid,
    /// Sealed once more, for their session.
    tokens: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteAccount {
    pub(crate) issuer: String,
    pub(crate) subject: Uuid,
}

#[derive(Serialize, Deserialize)]
struct DeletePerson {
    user_id: Uuid,
}

#[derive(Serialize, Deserialize)]
struct DeleteHandle {
    address: String,
    /// Microseconds since 1970.
    hidden_at: i64,
}

/// Logs a session out at the provider; its tokens come as they are kept.
pub(crate) fn log_out(
    keyring: &Keyring,
    issuer: &str,
    session_id: Uuid,
    sealed_tokens: &[u8],
    now: Timestamp,
) -> NewJob {
    let payload = LogOut {
        issuer: issuer.to_owned(),
        session_id,
        tokens: STANDARD.encode(sealed_tokens),
    };
    new_job(keyring, LOG_OUT, &payload, now)
}

/// Deletes a person's account at the provider.
pub(crate) fn delete_account(
    keyring: &Keyring,
    issuer: &str,
    subject: Uuid,
    now: Timestamp,
) -> NewJob {
    let payload = DeleteAccount {
        issuer: issuer.to_owned(),
        subject,
    };
    new_job(keyring, DELETE_ACCOUNT, &payload, now)
}

/// What the payload of a job that deletes an account says; `None` if it cannot be read.
pub(crate) fn read_delete_account(keyring: &Keyring, payload: &[u8]) -> Option<DeleteAccount> {
    let plain = keyring.open(PLACE, payload).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// The payload sealed with the newest key; `None` if it is already, or cannot be opened.
pub(crate) fn resealed(keyring: &Keyring, payload: &[u8]) -> Option<Vec<u8>> {
    if keyring.is_newest(payload) {
        return None;
    }
    let plain = keyring.open(PLACE, payload).ok()?;
    Some(keyring.seal(PLACE, &plain))
}

/// Deletes a person who is hidden.
pub(crate) fn delete_person(keyring: &Keyring, user_id: Uuid, now: Timestamp) -> NewJob {
    new_job(keyring, DELETE_PERSON, &DeletePerson { user_id }, now)
}

/// Deletes what was stored under a handle until `now`, when it is hidden.
pub(crate) fn delete_handle(keyring: &Keyring, address: &Address, now: Timestamp) -> NewJob {
    let payload = DeleteHandle {
        address: address.as_str().to_owned(),
        hidden_at: now.as_micros(),
    };
    new_job(keyring, DELETE_HANDLE, &payload, now)
}

fn new_job(
    keyring: &Keyring,
    kind: &'static str,
    payload: &impl Serialize,
    now: Timestamp,
) -> NewJob {
    let plain = serde_json::to_vec(payload).expect("plain data with string keys");
    NewJob::new(row_id(now), kind, keyring.seal(PLACE, &plain), now)
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was due.
    Idle,
    /// A job was done.
    Done,
    /// A job failed and will be tried again.
    Postponed,
    /// A job was given up.
    Buried,
    /// A deletion at a former provider was set aside, for `identity finish-former`.
    SetAside,
}

/// Does the jobs.
pub struct Jobs {
    store: Store,
    identity: Arc<Identity>,
    keyring: Arc<Keyring>,
    pepper: Pepper,
}

/// A job that did not work out.
enum Trouble {
    /// The provider is away, or would not do it now.
    Later,
    /// It never will.
    Never(&'static str),
    /// Its account is at a former provider, whose credentials are not here.
    Former,
}

impl Jobs {
    /// Does jobs of `store` at `identity`.
    pub fn new(
        store: Store,
        identity: Arc<Identity>,
        keyring: Arc<Keyring>,
        pepper: Pepper,
    ) -> Self {
        Self {
            store,
            identity,
            keyring,
            pepper,
        }
    }

    /// Takes one job that is due and does it.
    pub async fn step(&self, now: Timestamp) -> Result<Outcome, StoreError> {
        let leases = KINDS.into_iter().map(|kind| (kind, LEASE)).collect();
        let claimed = self.store.claim_jobs(GENERAL_QUEUE, &leases, 1, now);
        let Some(job) = claimed.await?.pop() else {
            return Ok(Outcome::Idle);
        };
        let kind = label(&job.kind);
        let outcome = match self.perform(&job, now).await {
            Ok(()) => {
                self.store.finish_job(&job).await?;
                Outcome::Done
            }
            Err(Trouble::Later) if job.attempts < MAX_ATTEMPTS => {
                let run_at = now.plus(pause(job.attempts));
                let back = PutBack {
                    run_at,
                    attempts: job.attempts,
                    dead_at: None,
                };
                self.store.put_job_back(&job, back).await?;
                Outcome::Postponed
            }
            Err(Trouble::Former) => {
                tracing::warn!(
                    job_id = %job.id,
                    "an account at a former identity provider waits to be deleted: `archety-backend identity finish-former`"
                );
                self.store
                    .set_job_aside(&job, DELETE_FORMER_ACCOUNT)
                    .await?;
                Outcome::SetAside
            }
            Err(trouble @ (Trouble::Later | Trouble::Never(_))) => {
                let why = match trouble {
                    Trouble::Never(why) => why,
                    _ => "it failed too often",
                };
                tracing::error!(job_id = %job.id, kind, why, "a job is given up");
                let back = PutBack {
                    run_at: now,
                    attempts: job.attempts,
                    dead_at: Some(now),
                };
                self.store.put_job_back(&job, back).await?;
                Outcome::Buried
            }
        };
        let label = match outcome {
            Outcome::Done => "done",
            Outcome::Postponed => "postponed",
            Outcome::SetAside => "set_aside",
            Outcome::Buried | Outcome::Idle => "buried",
        };
        metrics::counter!("jobs_total", "kind" => kind, "outcome" => label).increment(1);
        Ok(outcome)
    }

    /// After a start, which may be the first since `identity switch`: deletions of accounts at former
    /// providers are set aside, also those that were given up, and those at the provider that is the
    /// database's again are begun anew.
    pub async fn sort_account_deletions(&self, now: Timestamp) -> Result<(), StoreError> {
        former_accounts::sort(&self.store, &self.keyring, self.identity.issuer(), now).await
    }

    async fn perform(&self, job: &ClaimedJob, now: Timestamp) -> Result<(), Trouble> {
        let plain = self
            .keyring
            .open(PLACE, &job.payload)
            .map_err(|_| key_missing(job))?;
        match job.kind.as_str() {
            LOG_OUT => self.perform_log_out(job, &plain).await,
            DELETE_ACCOUNT => self.perform_delete(&plain).await,
            DELETE_PERSON => self.perform_delete_person(&plain, now).await,
            DELETE_HANDLE => self.perform_delete_handle(&plain, now).await,
            // Only jobs of known kinds are taken.
            _ => Err(Trouble::Later),
        }
    }

    async fn perform_log_out(&self, taken: &ClaimedJob, plain: &[u8]) -> Result<(), Trouble> {
        let job: LogOut = read(plain)?;
        self.expect_issuer(&job.issuer)?;
        let sealed = STANDARD.decode(job.tokens).map_err(|_| unreadable())?;
        let place = sessions::upstream_place(job.session_id);
        let tokens = self
            .keyring
            .open(&place, &sealed)
            .map_err(|_| key_missing(taken))?;
        let tokens = UpstreamTokens::from_json(&tokens).map_err(|_| unreadable())?;
        self.identity
            .log_out(&tokens, LogoutScope::Local)
            .await
            .map_err(|_| Trouble::Later)
    }

    /// Tokens of one provider mean nothing to another.
    fn expect_issuer(&self, issuer: &str) -> Result<(), Trouble> {
        if issuer == self.identity.issuer() {
            Ok(())
        } else {
            Err(Trouble::Never("it belongs to another identity provider"))
        }
    }

    async fn perform_delete_person(&self, plain: &[u8], now: Timestamp) -> Result<(), Trouble> {
        let job: DeletePerson = read(plain)?;
        people::delete_hidden(&self.store, &self.pepper, &self.keyring, job.user_id, now)
            .await
            .map_err(|error| {
                tracing::warn!(error = %error, "the deletion of a person is tried again");
                Trouble::Later
            })
    }

    async fn perform_delete_handle(&self, plain: &[u8], now: Timestamp) -> Result<(), Trouble> {
        let job: DeleteHandle = serde_json::from_slice(plain).map_err(|_| DAMAGED)?;
        let address = Address::parse(&job.address).ok_or(DAMAGED)?;
        let hidden_at = Timestamp::from_micros(job.hidden_at);
        people::delete_hidden_handle(&self.store, &self.pepper, &address, hidden_at, now)
            .await
            .map_err(|error| {
                tracing::warn!(error = %error, "the deletion of a handle is tried again");
                Trouble::Later
            })
    }

    async fn perform_delete(&self, plain: &[u8]) -> Result<(), Trouble> {
        let job: DeleteAccount = read(plain)?;
        if job.issuer != self.identity.issuer() {
            // This backend itself keeps no account beside the row, which is gone.
            return if Store::is_own_issuer(&job.issuer) {
                Ok(())
            } else {
                Err(Trouble::Former)
            };
        }
        self.identity
            .delete_account(job.subject)
            .await
            .map_err(|_| Trouble::Later)
    }
}

const DAMAGED: Trouble = Trouble::Never("its content cannot be read");

/// The content of a job. Fields of another form may be those of a newer version, which will do it once the
/// deploy is through.
fn read<T: DeserializeOwned>(plain: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(plain).map_err(|error| {
        if error.is_data() {
            unreadable()
        } else {
            DAMAGED
        }
    })
}

fn unreadable() -> Trouble {
    tracing::warn!("the content of a job cannot be read by this version");
    Trouble::Later
}

/// Its key is not in `SESSION_SECRET` any more, or not yet: while a new key is rolled out, a replica that
/// does not have it must not give up what the others have written down.
fn key_missing(job: &ClaimedJob) -> Trouble {
    tracing::warn!(job_id = %job.id, "a job was sealed with a key that is not in SESSION_SECRET");
    Trouble::Later
}

/// Kinds come from the database; labels from a closed list.
fn label(kind: &str) -> &'static str {
    let known = KINDS.into_iter().find(|known| *known == kind);
    known.unwrap_or("unknown")
}

/// 10 s, 20 s, 40 s … 6 h.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    Duration::from_secs(10 << doublings).min(MAX_PAUSE)
}
