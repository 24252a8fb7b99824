//! The usual way to a session at Supabase: a password grant, and before the first one an account.
//!
//! The subject is written down before the provider is asked, and the password derives from it: so
//! simultaneous first sign-ins try to create the same account with the same password, one of them
//! does, and all get their session. A later sign-in is one call. Old password keys are tried before
//! anything is changed, for a new password ends every session of its person. Each call is made once;
//! what comes next happens at the person's next try, for which the code stays good.

use std::net::IpAddr;

use secrecy::SecretString;
use uuid::Uuid;

use super::call_error::{CallError, Conflict};
use super::{SupabaseIdentity, password};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::failure::SignInError;
use crate::identity::grant::{Grant, Person};
use crate::ids::random_id;
use crate::store::Account;

#[derive(Clone, Copy)]
pub(super) struct SignInAttempt<'a> {
    pub(super) person: Person<'a>,
    pub(super) client: IpAddr,
    pub(super) now: Timestamp,
}

impl SupabaseIdentity {
    pub(in crate::identity) async fn sign_in(
        &self,
        person: &Person<'_>,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, SignInError> {
        self.gate.pass()?;
        let attempt = SignInAttempt {
            person: *person,
            client,
            now,
        };
        let account = self.account(&attempt).await?;
        if !account.is_new {
            for key in &self.password_keys {
                let password = password::derive(key, account.subject);
                if let Some(grant) = self.try_grant(&attempt, account.subject, &password).await? {
                    return self.finish(&attempt, &account, grant).await;
                }
            }
        }
        let conflict = self.create(&attempt, account.subject).await?;
        let password = self.password(account.subject);
        match self.try_grant(&attempt, account.subject, &password).await? {
            Some(grant) => self.finish(&attempt, &account, grant).await,
            None if conflict == Some(Conflict::Unclear) => Err(CallError::LOST.into()),
            None => self.repair(&attempt, conflict).await,
        }
    }

    /// The person's account, decided before the provider hears of it.
    async fn account(&self, attempt: &SignInAttempt<'_>) -> Result<Account, SignInError> {
        let SignInAttempt { person, now, .. } = *attempt;
        let mut proposed = person.user_id;
        loop {
            let account = self
                .store
                .account(person.user_id, &self.issuer, proposed, now)
                .await?;
            match account {
                Some(account) => return Ok(account),
                // Another person has adopted an account of this id. A random id is nobody's.
                None if proposed == person.user_id => proposed = random_id(),
                None => return Err(CallError::LOST.into()),
            }
        }
    }

    /// The password that accounts get now.
    pub(super) fn password(&self, subject: Uuid) -> SecretString {
        let newest = self.password_keys.first();
        password::derive(newest.expect("the configuration asks for one"), subject)
    }

    /// One password grant; `None` if there is no account with this number and this password. If only the
    /// number is unconfirmed, it is confirmed and one more grant made: the password was right, and the person
    /// has just proved the number.
    pub(super) async fn try_grant(
        &self,
        attempt: &SignInAttempt<'_>,
        subject: Uuid,
        password: &SecretString,
    ) -> Result<Option<Grant>, SignInError> {
        let phone = attempt.person.phone;
        let client = Some(attempt.client);
        let mut answered = self.client.grant(phone, password, client).await;
        if let Err(error) = &answered
            && error.code() == Some("phone_not_confirmed")
        {
            let confirmed = self.client.confirm_phone(subject).await?;
            if !confirmed.has(phone) {
                return Err(self.not_adoptable(attempt, "number moved", subject).await);
            }
            answered = self.client.grant(phone, password, client).await;
        }
        match answered {
            Ok(answer) => {
                let granted = self.granted(answer, subject);
                if let Err(SignInError::NotAdoptable) = granted {
                    self.note(attempt, "refused").await;
                }
                granted.map(Some)
            }
            Err(error) if error.code() == Some("invalid_credentials") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the account. `None` if that was done.
    pub(super) async fn create(
        &self,
        attempt: &SignInAttempt<'_>,
        subject: Uuid,
    ) -> Result<Option<Conflict>, SignInError> {
        let phone = attempt.person.phone;
        let password = self.password(subject);
        match self.client.create_user(subject, phone, &password).await {
            Ok(_) => Ok(None),
            Err(error) if error.conflict.is_some() => Ok(error.conflict),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn finish(
        &self,
        attempt: &SignInAttempt<'_>,
        account: &Account,
        grant: Grant,
    ) -> Result<Grant, SignInError> {
        if !account.is_confirmed {
            let SignInAttempt { person, now, .. } = *attempt;
            self.store
                .confirm_account(person.user_id, &self.issuer, grant.subject, now)
                .await?;
        }
        Ok(grant)
    }

    /// Tells the owner that a number is held by an account that is not touched.
    pub(super) async fn not_adoptable(
        &self,
        attempt: &SignInAttempt<'_>,
        why: &'static str,
        account: Uuid,
    ) -> SignInError {
        super::count_alert("not_adoptable");
        tracing::error!(
            %account,
            why,
            "a person cannot sign in: a Supabase account that may be somebody else's holds the number; \
             look at it under Authentication > Users, and delete it or take the number away from it"
        );
        self.note(attempt, "refused").await;
        SignInError::NotAdoptable
    }

    /// Writes down what was done, or not done, to the person's account.
    pub(super) async fn note(&self, attempt: &SignInAttempt<'_>, outcome: &'static str) {
        let event = Event::new(EventKind::AccountRepair, outcome).of(attempt.person.user_id);
        audit::record(&self.store, event, attempt.now).await;
    }
}
