//! The usual sign-in at Supabase: a password grant, and before the first grant the creation of an account.
//!
//! The subject is stored before any request to the provider, and the password is derived from it. So simultaneous
//! first sign-ins try to create the same account with the same password; one creates it, and all get a session. A
//! later sign-in takes one call if the password is of the newest key. Older password keys are tried before a reset,
//! because a new password ends every session of the account. A sign-in that fails is not repeated here: the person
//! tries again, with the same code.

use std::net::IpAddr;

use secrecy::SecretString;
use uuid::Uuid;

use super::call_error::{Conflict, DEFAULT_RETRY_AFTER};
use super::{SupabaseIdentity, password};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::failure::SignInError;
use crate::identity::grant::{Grant, Person};
use crate::ids::random_id;
use crate::store::Account;

/// The error of a sign-in that cannot go on now.
pub(super) const TRY_AGAIN: SignInError = SignInError::Unavailable {
    retry_after: DEFAULT_RETRY_AFTER,
};

/// One sign-in of a person.
#[derive(Clone, Copy)]
pub(super) struct SignInAttempt<'a> {
    pub(super) supabase: &'a SupabaseIdentity,
    pub(super) person: Person<'a>,
    pub(super) client_ip: IpAddr,
    pub(super) now: Timestamp,
}

impl SupabaseIdentity {
    pub(in crate::identity) async fn sign_in(
        &self,
        person: &Person<'_>,
        client_ip: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, SignInError> {
        self.gate.check()?;
        let attempt = SignInAttempt {
            supabase: self,
            person: *person,
            client_ip,
            now,
        };
        attempt.run().await
    }
}

impl SignInAttempt<'_> {
    async fn run(&self) -> Result<Grant, SignInError> {
        let account = self.find_or_create_account().await?;
        if !account.is_new {
            for key in &self.supabase.password_keys {
                let password = password::derive(key, account.subject);
                if let Some(grant) = self.try_grant(account.subject, &password).await? {
                    return self.finish(&account, grant).await;
                }
            }
        }
        let conflict = self.create(account.subject).await?;
        let password = self.password(account.subject);
        match self.try_grant(account.subject, &password).await? {
            Some(grant) => self.finish(&account, grant).await,
            None if conflict == Some(Conflict::Unclear) => Err(TRY_AGAIN),
            None => self.repair(conflict).await,
        }
    }

    /// The person's account as the store has it, created there if it is missing. Sends no request to the provider.
    async fn find_or_create_account(&self) -> Result<Account, SignInError> {
        let SupabaseIdentity { store, issuer, .. } = self.supabase;
        let SignInAttempt { person, now, .. } = *self;
        let mut proposed = person.user_id;
        loop {
            let account = store
                .find_or_create_account(person.user_id, issuer, proposed, now)
                .await?;
            match account {
                Some(account) => return Ok(account),
                // The account with this id is another person's, so a random id is used.
                None if proposed == person.user_id => proposed = random_id(),
                None => return Err(TRY_AGAIN),
            }
        }
    }

    /// The account's password, derived from the newest key.
    pub(super) fn password(&self, subject: Uuid) -> SecretString {
        let newest = self.supabase.password_keys.first();
        password::derive(
            newest.expect("the configuration has at least one key"),
            subject,
        )
    }

    /// Signs in with the password; `None` if no account has this number and this password. If the number is
    /// unconfirmed, confirms it and signs in again: the password was right, and the person has just proved the number.
    pub(super) async fn try_grant(
        &self,
        subject: Uuid,
        password: &SecretString,
    ) -> Result<Option<Grant>, SignInError> {
        let phone = self.person.phone;
        let client_ip = Some(self.client_ip);
        let client = &self.supabase.client;
        let mut answered = client.password_grant(phone, password, client_ip).await;
        if let Err(error) = &answered
            && error.code() == Some("phone_not_confirmed")
        {
            let confirmed = client.confirm_phone(subject).await?;
            if !confirmed.has_phone(phone) {
                return Err(self
                    .refuse_account("its number has just changed", subject)
                    .await);
            }
            answered = client.password_grant(phone, password, client_ip).await;
        }
        match answered {
            Ok(answer) => {
                let granted = self.supabase.grant_from(answer, subject);
                if let Err(SignInError::ForeignAccount) = granted {
                    self.audit_repair("refused").await;
                }
                granted.map(Some)
            }
            Err(error) if error.code() == Some("invalid_credentials") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the account. Returns the conflict if it could not be created.
    pub(super) async fn create(&self, subject: Uuid) -> Result<Option<Conflict>, SignInError> {
        let phone = self.person.phone;
        let password = self.password(subject);
        let client = &self.supabase.client;
        match client.create_user(subject, phone, &password).await {
            Ok(_) => Ok(None),
            Err(error) if error.conflict.is_some() => Ok(error.conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores that the account is confirmed, and returns the grant.
    pub(super) async fn finish(
        &self,
        account: &Account,
        grant: Grant,
    ) -> Result<Grant, SignInError> {
        if !account.is_confirmed {
            let SignInAttempt { person, now, .. } = *self;
            self.supabase
                .store
                .confirm_account(person.user_id, &self.supabase.issuer, grant.subject, now)
                .await?;
        }
        Ok(grant)
    }

    /// Logs and audits that the person does not get this account. Returns the error of the sign-in.
    pub(super) async fn refuse_account(&self, why: &'static str, account: Uuid) -> SignInError {
        super::count_alert("not_adoptable");
        tracing::error!(
            %account,
            why,
            "a person cannot sign in: a Supabase account that may belong to another person holds the number; \
             look at it under Authentication > Users, and delete it or take the number away from it"
        );
        self.audit_repair("refused").await;
        SignInError::ForeignAccount
    }

    /// Audits a repair of the person's account, or its refusal.
    pub(super) async fn audit_repair(&self, outcome: &'static str) {
        let event = Event::new(EventKind::AccountRepair, outcome).by_person(self.person.user_id);
        audit::record(&self.supabase.store, event, self.now).await;
    }
}
