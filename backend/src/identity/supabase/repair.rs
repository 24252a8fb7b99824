//! The repair of an account whose password was changed, that was deleted, or whose number another account has.
//!
//! A new password ends every session of the account. So each repair runs under a lease, which one replica has at a
//! time, and checks first whether another replica has done the repair. A repair may be interrupted at any point: a
//! new subject is stored before the account is changed, so the next sign-in continues with the same account.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::SupabaseIdentity;
use super::account::{AdoptionDecision, UserRecord};
use super::call_error::Conflict;
use super::sign_in::{SignInAttempt, TRY_AGAIN};
use crate::clock::Timestamp;
use crate::identity::failure::SignInError;
use crate::identity::grant::Grant;
use crate::ids::random_id;
use crate::store::{Account, SubjectChange};

/// The longest duration of a repair.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(45);
/// The duration of a lease. Another replica may take the lease afterwards.
const LEASE_DURATION: Duration = Duration::from_mins(1);
/// How long a sign-in waits for the lease.
const LEASE_WAIT: Duration = Duration::from_secs(5);
/// Time between two attempts of a sign-in to take the lease.
const LEASE_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The search for the account that has a number looks at 250 pages of 200 users: the newest 50,000.
const PER_PAGE: usize = 200;
const MAX_PAGES: usize = 250;

impl SignInAttempt<'_> {
    /// Repairs the account and signs the person in. `conflict` is the reason why the account could not be created.
    pub(super) async fn repair(&self, conflict: Option<Conflict>) -> Result<Grant, SignInError> {
        let lease = self.take_lease().await?;
        let repair = tokio::time::timeout(REPAIR_TIMEOUT, self.repair_under_lease(conflict));
        let result = repair.await;
        lease.release().await;
        result.unwrap_or(Err(TRY_AGAIN))
    }

    async fn take_lease(&self) -> Result<RepairLease<'_>, SignInError> {
        let SupabaseIdentity { store, issuer, .. } = self.supabase;
        let started_at = Instant::now();
        loop {
            let now = self.now.plus(started_at.elapsed());
            let until = now.plus(LEASE_DURATION);
            let user_id = self.person.user_id;
            let is_taken = store.take_repair_lease(user_id, issuer, now, until).await?;
            if is_taken {
                return Ok(RepairLease {
                    supabase: self.supabase,
                    user_id,
                    until: Some(until),
                });
            }
            if started_at.elapsed() >= LEASE_WAIT {
                return Err(TRY_AGAIN);
            }
            tokio::time::sleep(LEASE_RETRY_INTERVAL).await;
        }
    }

    /// Repairs the account. The caller holds the lease.
    async fn repair_under_lease(&self, conflict: Option<Conflict>) -> Result<Grant, SignInError> {
        let phone = self.person.phone;
        let user_id = self.person.user_id;
        let SupabaseIdentity { store, issuer, .. } = self.supabase;
        let account = store.read_account(user_id, issuer).await?;
        // The account does not exist if the person was deleted meanwhile.
        let account = account.ok_or(TRY_AGAIN)?;
        // The replica that had the lease before may have repaired the account.
        let password = self.password(account.subject);
        if let Some(grant) = self.try_grant(account.subject, &password).await? {
            return self.finish(&account, grant).await;
        }
        match self.supabase.client.get_user(account.subject).await? {
            Some(found) if found.has_phone(phone) && account.is_confirmed => {
                self.reset_password(account, "repaired").await
            }
            Some(found) if found.has_phone(phone) => self.take_over(account, &found).await,
            // The id belongs to another person, or the account has another number now.
            Some(_) => {
                let account = self.change_subject(account, random_id()).await?;
                self.audit_repair("repaired").await;
                match self.create(account.subject).await? {
                    None => self.grant_once(&account).await,
                    Some(Conflict::Phone) => self.take_over_holder(account).await,
                    Some(Conflict::Id | Conflict::Unclear) => Err(TRY_AGAIN),
                }
            }
            None if conflict == Some(Conflict::Phone) => self.take_over_holder(account).await,
            None => Err(TRY_AGAIN),
        }
    }

    /// Finds the account that has the number, and takes it over if that is safe.
    async fn take_over_holder(&self, account: Account) -> Result<Grant, SignInError> {
        let Some(holder) = self.find_holder().await? else {
            super::count_alert("holder_not_found");
            tracing::error!(
                "a person cannot sign in: a Supabase account holds the number, but Supabase's list of users does not show it"
            );
            return Err(TRY_AGAIN);
        };
        // The list does not show the second factors of an account, and the account may have changed since.
        let Some(found) = self.supabase.client.get_user(holder).await? else {
            return Err(TRY_AGAIN);
        };
        if !found.has_phone(self.person.phone) {
            return Err(TRY_AGAIN);
        }
        self.take_over(account, &found).await
    }

    /// Adopts, replaces or refuses the found account.
    async fn take_over(&self, account: Account, found: &UserRecord) -> Result<Grant, SignInError> {
        match found.decide_adoption(self.person.phone) {
            AdoptionDecision::Adopt => {
                let account = self.change_subject(account, found.id).await?;
                self.reset_password(account, "adopted").await
            }
            AdoptionDecision::Replace => {
                self.record_repair("replaced", found.id).await;
                self.supabase.client.delete_user(found.id).await?;
                match self.create(account.subject).await? {
                    None => self.grant_once(&account).await,
                    Some(_) => Err(TRY_AGAIN),
                }
            }
            AdoptionDecision::Refuse => Err(self
                .refuse_account(
                    "it is not a person's, or has another way to sign in",
                    found.id,
                )
                .await),
        }
    }

    /// Sets the derived password of the account and signs the person in. `outcome` is the repair's name in the log.
    async fn reset_password(
        &self,
        account: Account,
        outcome: &'static str,
    ) -> Result<Grant, SignInError> {
        self.record_repair(outcome, account.subject).await;
        let password = self.password(account.subject);
        let client = &self.supabase.client;
        let changed = client.set_password(account.subject, &password).await?;
        if !changed.has_phone(self.person.phone) {
            return Err(self
                .refuse_account("its number has just changed", account.subject)
                .await);
        }
        self.grant_once(&account).await
    }

    /// Signs the person in with the derived password, without another repair if that fails.
    async fn grant_once(&self, account: &Account) -> Result<Grant, SignInError> {
        let password = self.password(account.subject);
        match self.try_grant(account.subject, &password).await? {
            Some(grant) => self.finish(account, grant).await,
            None => Err(TRY_AGAIN),
        }
    }

    /// Stores that the person's account at the provider is `subject`. The caller creates or changes it only afterwards.
    async fn change_subject(
        &self,
        account: Account,
        subject: Uuid,
    ) -> Result<Account, SignInError> {
        if account.subject == subject {
            return Ok(account);
        }
        let user_id = self.person.user_id;
        let SupabaseIdentity { store, issuer, .. } = self.supabase;
        let moved = store
            .change_subject(user_id, issuer, account.subject, subject)
            .await?;
        match moved {
            SubjectChange::Done => Ok(Account {
                subject,
                is_confirmed: false,
                is_new: false,
            }),
            SubjectChange::Refused => Err(self
                .refuse_account("another person of this database has it", subject)
                .await),
        }
    }

    /// The account with the number. Pages are fetched until one has no new account: the server may return shorter
    /// pages, or the same page again and again.
    async fn find_holder(&self) -> Result<Option<Uuid>, SignInError> {
        let mut seen = HashSet::new();
        for page in 1..=MAX_PAGES {
            let users = self.supabase.client.list_users(page, PER_PAGE).await?;
            let holder = users.iter().find(|user| user.has_phone(self.person.phone));
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

    /// Counts, logs and audits a repair. The caller does this before the request, which may take effect even if no
    /// answer comes.
    async fn record_repair(&self, outcome: &'static str, account: Uuid) {
        metrics::counter!("identity_repairs_total", "kind" => outcome).increment(1);
        tracing::warn!(%account, what = outcome, "an account at Supabase is repaired; its sessions end");
        self.audit_repair(outcome).await;
    }
}

/// The lease under which one replica repairs an account. It is also released if the sign-in is dropped.
struct RepairLease<'a> {
    supabase: &'a SupabaseIdentity,
    user_id: Uuid,
    /// `None` after the release.
    until: Option<Timestamp>,
}

impl RepairLease<'_> {
    async fn release(mut self) {
        if let Some(release) = self.take_release() {
            release.await;
        }
    }

    /// A future that releases the lease; `None` after the first call.
    fn take_release(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let until = self.until.take()?;
        let SupabaseIdentity { store, issuer, .. } = self.supabase;
        let (store, issuer, user_id) = (store.clone(), issuer.clone(), self.user_id);
        Some(async move {
            if let Err(error) = store.release_repair_lease(user_id, &issuer, until).await {
                tracing::warn!(error = %error, "the lease of a repair cannot be released; it ends after a minute");
            }
        })
    }
}

impl Drop for RepairLease<'_> {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(release), Ok(runtime)) = (self.take_release(), runtime) {
            runtime.spawn(release);
        }
    }
}
