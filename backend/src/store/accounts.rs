//! The accounts of people at issuers: at identity providers, or at this backend itself.
//!
//! An account has a subject, the person's id in the issuer's tokens. The row is stored before the provider is asked to
//! create the account, so that simultaneous first sign-ins on several replicas use one subject. A subject changes only
//! by compare-and-swap. The new subject is unconfirmed until the provider has issued tokens for it. Module `identity`
//! decides what the answers of a provider mean.

use uuid::Uuid;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    READ_ACCOUNT {
        both: "select subject, confirmed_at from accounts where user_id = $1 and issuer = $2",
    }
    /// Inserts nothing if the person has an account or if another person has this subject.
    CREATE_ACCOUNT {
        both: "insert into accounts (user_id, issuer, subject, created_at) values ($1, $2, $3, $4)
               on conflict do nothing",
    }
    CONFIRM_ACCOUNT {
        both: "update accounts set confirmed_at = $4
               where user_id = $1 and issuer = $2 and subject = $3 and confirmed_at is null",
    }
    CREATE_CONFIRMED_ACCOUNT {
        both: "insert into accounts (user_id, issuer, subject, created_at, confirmed_at)
               values ($1, $2, $3, $4, $4) on conflict do nothing",
    }
    CHANGE_SUBJECT {
        both: "update accounts set subject = $4, confirmed_at = null
               where user_id = $1 and issuer = $2 and subject = $3
                 and not exists (select 1 from accounts where issuer = $2 and subject = $4)",
    }
    TAKE_REPAIR_LEASE {
        both: "update accounts set repair_until = $4
               where user_id = $1 and issuer = $2 and (repair_until is null or repair_until <= $3)",
    }
    /// If the lease has expired and another replica has taken a new one, the new lease stays.
    RELEASE_REPAIR_LEASE {
        both: "update accounts set repair_until = null
               where user_id = $1 and issuer = $2 and repair_until = $3",
    }
}

/// A person's account at an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The person's id at the issuer.
    pub subject: Uuid,
    /// Whether the issuer has ever issued tokens for the subject.
    pub is_confirmed: bool,
    /// Whether the call that returned this account has created its row.
    pub is_new: bool,
}

/// The result of [`Store::change_subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectChange {
    Done,
    /// Another request has changed the subject first, or another person has the new subject.
    Refused,
}

impl Store {
    /// Returns the account of `user_id` at `issuer`. If the person has none, creates one with the subject `proposed`.
    /// Returns `None` if another person has that subject.
    pub async fn find_or_create_account(
        &self,
        user_id: Uuid,
        issuer: &str,
        proposed: Uuid,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        if let Some(account) = self.read_account(user_id, issuer).await? {
            return Ok(Some(account));
        }
        let params = (user_id, issuer, proposed, now);
        let created = self.pools.writes().execute(CREATE_ACCOUNT, params).await?;
        if created == 1 {
            return Ok(Some(Account {
                subject: proposed,
                is_confirmed: false,
                is_new: true,
            }));
        }
        self.read_account(user_id, issuer).await
    }

    /// The account of `user_id` at `issuer`, if there is one.
    pub async fn read_account(
        &self,
        user_id: Uuid,
        issuer: &str,
    ) -> Result<Option<Account>, StoreError> {
        let row: Option<(Uuid, Option<Timestamp>)> = self
            .pools
            .reads()
            .optional(READ_ACCOUNT, (user_id, issuer))
            .await?;
        Ok(row.map(|(subject, confirmed_at)| Account {
            subject,
            is_confirmed: confirmed_at.is_some(),
            is_new: false,
        }))
    }

    /// Records that the issuer has issued tokens for this subject.
    pub async fn confirm_account(
        &self,
        user_id: Uuid,
        issuer: &str,
        subject: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (user_id, issuer, subject, now);
        self.pools.writes().execute(CONFIRM_ACCOUNT, params).await?;
        Ok(())
    }

    /// Creates an account whose issuer is this backend. Such an account needs no confirmation.
    pub async fn create_confirmed_account(
        &self,
        user_id: Uuid,
        issuer: &str,
        subject: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (user_id, issuer, subject, now);
        self.pools
            .writes()
            .execute(CREATE_CONFIRMED_ACCOUNT, params)
            .await?;
        Ok(())
    }

    /// Changes the subject from `from` to `to`. The account becomes unconfirmed.
    pub async fn change_subject(
        &self,
        user_id: Uuid,
        issuer: &str,
        from: Uuid,
        to: Uuid,
    ) -> Result<SubjectChange, StoreError> {
        let params = (user_id, issuer, from, to);
        match self.pools.writes().execute(CHANGE_SUBJECT, params).await {
            Ok(1) => Ok(SubjectChange::Done),
            Ok(_) => Ok(SubjectChange::Refused),
            // Another person got the same subject at the same moment.
            Err(error) if error.is_unique_violation() => Ok(SubjectChange::Refused),
            Err(error) => Err(error),
        }
    }

    /// Takes a lease that ends at `until`. Only its holder may repair the account at the provider. Returns
    /// `false` if another request has the lease.
    pub async fn take_repair_lease(
        &self,
        user_id: Uuid,
        issuer: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (user_id, issuer, now, until);
        let taken = self
            .pools
            .writes()
            .execute(TAKE_REPAIR_LEASE, params)
            .await?;
        Ok(taken == 1)
    }

    /// Releases the lease to repair the account that ends at `until`.
    pub async fn release_repair_lease(
        &self,
        user_id: Uuid,
        issuer: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (user_id, issuer, until);
        self.pools
            .writes()
            .execute(RELEASE_REPAIR_LEASE, params)
            .await?;
        Ok(())
    }
}
