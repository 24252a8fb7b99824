//! An account that is not as we left it: its password was changed, it was deleted, or another account
//! holds the person's number.
//!
//! Repairing sets a password, which ends every session of the account; so one replica alone repairs,
//! under a lease that others wait for, and it begins by looking whether that is still necessary. It may
//! be stopped anywhere: the subject is decided in our own store first, and the next sign-in comes to
//! the same account again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::SupabaseIdentity;
use super::account::{Adoption, UserRecord};
use super::call_error::{CallError, Conflict};
use super::sign_in::SignInAttempt;
use crate::clock::Timestamp;
use crate::identity::failure::SignInError;
use crate::identity::grant::Grant;
use crate::ids::random_id;
use crate::store::{Account, Moved, Store};

/// How long a repair may take, and when another replica may take it for dead.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(45);
const LEASE: Duration = Duration::from_mins(1);
/// How long a sign-in waits for another's repair, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Users a page, and pages at most: 50,000 users, newest first.
const PER_PAGE: usize = 200;
const MAX_PAGES: usize = 250;

impl SupabaseIdentity {
    pub(super) async fn repair(
        &self,
        attempt: &SignInAttempt<'_>,
        conflict: Option<Conflict>,
    ) -> Result<Grant, SignInError> {
        let lease = self.take_lease(attempt).await?;
        let repaired = tokio::time::timeout(REPAIR_TIMEOUT, self.repair_alone(attempt, conflict));
        let repaired = repaired.await;
        lease.release().await;
        repaired.unwrap_or_else(|_| Err(CallError::LOST.into()))
    }

    async fn take_lease(&self, attempt: &SignInAttempt<'_>) -> Result<Lease, SignInError> {
        let begun = Instant::now();
        loop {
            let now = attempt.now.plus(begun.elapsed());
            let until = now.plus(LEASE);
            let user_id = attempt.person.user_id;
            let taken = self
                .store
                .take_repair(user_id, &self.issuer, now, until)
                .await?;
            if taken {
                return Ok(Lease {
                    store: self.store.clone(),
                    issuer: self.issuer.clone(),
                    user_id,
                    until: Some(until),
                });
            }
            if begun.elapsed() >= PATIENCE {
                return Err(CallError::LOST.into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn repair_alone(
        &self,
        attempt: &SignInAttempt<'_>,
        conflict: Option<Conflict>,
    ) -> Result<Grant, SignInError> {
        let phone = attempt.person.phone;
        let user_id = attempt.person.user_id;
        let account = self.store.read_account(user_id, &self.issuer).await?;
        // Deleted meanwhile, as the whole person was.
        let account = account.ok_or(SignInError::from(CallError::LOST))?;
        // The replica that had the lease before may have mended it.
        let password = self.password(account.subject);
        if let Some(grant) = self.try_grant(attempt, account.subject, &password).await? {
            return self.finish(attempt, &account, grant).await;
        }
        match self.client.get_user(account.subject).await? {
            Some(found) if found.has(phone) && account.is_confirmed => {
                self.reset_password(attempt, account, "repaired").await
            }
            Some(found) if found.has(phone) => self.take_over(attempt, account, &found).await,
            // The id is another person's, or the account holds another number by now.
            Some(_) => {
                let account = self.move_to(attempt, account, random_id()).await?;
                self.note(attempt, "repaired").await;
                match self.create(attempt, account.subject).await? {
                    None => self.grant_once(attempt, &account).await,
                    Some(Conflict::Phone) => self.take_over_holder(attempt, account).await,
                    Some(Conflict::Id | Conflict::Unclear) => Err(CallError::LOST.into()),
                }
            }
            None if conflict == Some(Conflict::Phone) => {
                self.take_over_holder(attempt, account).await
            }
            None => Err(CallError::LOST.into()),
        }
    }

    /// Finds the account that holds the number, and takes it over if it may be.
    async fn take_over_holder(
        &self,
        attempt: &SignInAttempt<'_>,
        account: Account,
    ) -> Result<Grant, SignInError> {
        let Some(holder) = self.find_holder(attempt).await? else {
            super::count_alert("holder_not_found");
            tracing::error!(
                "a person cannot sign in: a Supabase account holds the number, and is not among the users that are listed"
            );
            return Err(CallError::LOST.into());
        };
        // Pages leave out factors; and time has passed.
        let Some(found) = self.client.get_user(holder).await? else {
            return Err(CallError::LOST.into());
        };
        if !found.has(attempt.person.phone) {
            return Err(CallError::LOST.into());
        }
        self.take_over(attempt, account, &found).await
    }

    async fn take_over(
        &self,
        attempt: &SignInAttempt<'_>,
        account: Account,
        found: &UserRecord,
    ) -> Result<Grant, SignInError> {
        match found.adoption(attempt.person.phone) {
            Adoption::Adopt => {
                let account = self.move_to(attempt, account, found.id).await?;
                self.reset_password(attempt, account, "adopted").await
            }
            Adoption::Replace => {
                self.record(attempt, "replaced", found.id).await;
                self.client.delete_user(found.id).await?;
                match self.create(attempt, account.subject).await? {
                    None => self.grant_once(attempt, &account).await,
                    Some(_) => Err(CallError::LOST.into()),
                }
            }
            Adoption::Refuse => Err(self
                .not_adoptable(attempt, "it has another way in", found.id)
                .await),
        }
    }

    async fn reset_password(
        &self,
        attempt: &SignInAttempt<'_>,
        account: Account,
        what: &'static str,
    ) -> Result<Grant, SignInError> {
        self.record(attempt, what, account.subject).await;
        let password = self.password(account.subject);
        let changed = self.client.set_password(account.subject, &password).await?;
        if !changed.has(attempt.person.phone) {
            return Err(self
                .not_adoptable(attempt, "its number has just changed", account.subject)
                .await);
        }
        self.grant_once(attempt, &account).await
    }

    async fn grant_once(
        &self,
        attempt: &SignInAttempt<'_>,
        account: &Account,
    ) -> Result<Grant, SignInError> {
        let password = self.password(account.subject);
        match self.try_grant(attempt, account.subject, &password).await? {
            Some(grant) => self.finish(attempt, account, grant).await,
            None => Err(CallError::LOST.into()),
        }
    }

    /// Makes `subject` the person's, before the provider hears of it.
    async fn move_to(
        &self,
        attempt: &SignInAttempt<'_>,
        account: Account,
        subject: Uuid,
    ) -> Result<Account, SignInError> {
        if account.subject == subject {
            return Ok(account);
        }
        let user_id = attempt.person.user_id;
        let moved = self
            .store
            .move_account(user_id, &self.issuer, account.subject, subject)
            .await?;
        match moved {
            Moved::Done => Ok(Account {
                subject,
                is_confirmed: false,
                is_new: false,
            }),
            Moved::Not => Err(self
                .not_adoptable(attempt, "it is another person's here", subject)
                .await),
        }
    }

    /// The account that holds the number. Pages are asked for until one brings no new account: the server may
    /// give less than a page, or the same one for ever.
    async fn find_holder(&self, attempt: &SignInAttempt<'_>) -> Result<Option<Uuid>, SignInError> {
        let mut seen = HashSet::new();
        for page in 1..=MAX_PAGES {
            let users = self.client.list_users(page, PER_PAGE).await?;
            let holder = users.iter().find(|user| user.has(attempt.person.phone));
            if let Some(holder) = holder {
                return Ok(Some(holder.id));
            }
            let before = seen.len();
            seen.extend(users.iter().map(|user| user.id));
            if seen.len() == before {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// What is done to an account that is not ours from the start. Written down before it is done: it
    /// may take effect although no answer comes.
    async fn record(&self, attempt: &SignInAttempt<'_>, what: &'static str, account: Uuid) {
        metrics::counter!("identity_repairs_total", "kind" => what).increment(1);
        tracing::warn!(%account, what, "an account at Supabase is repaired; its sessions end");
        self.note(attempt, what).await;
    }
}

/// The right to repair an account. A person who goes away in the middle of it gives it back, too.
struct Lease {
    store: Store,
    issuer: String,
    user_id: Uuid,
    /// `None` once it is given back.
    until: Option<Timestamp>,
}

impl Lease {
    async fn release(mut self) {
        if let Some(until) = self.until.take() {
            give_back(&self.store, &self.issuer, self.user_id, until).await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(until) = self.until.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, issuer) = (self.store.clone(), std::mem::take(&mut self.issuer));
            let user_id = self.user_id;
            runtime.spawn(async move { give_back(&store, &issuer, user_id, until).await });
        }
    }
}

async fn give_back(store: &Store, issuer: &str, user_id: Uuid, until: Timestamp) {
    if let Err(error) = store.release_repair(user_id, issuer, until).await {
        tracing::warn!(error = %error, "a repair's lease is left to run out");
    }
}
