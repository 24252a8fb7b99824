//! `POST /admin/users`, with the race condition of the real server.
//!
//! The real server checks for a duplicate outside the transaction that inserts. Of several simultaneous
//! requests for one number, one succeeds; the others fail at the check or at the database's constraint.
//! To reproduce these three outcomes, a request waits between check and insert, and every third request
//! waits before the check instead.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use stand_in::{Answer, Request, random};
use uuid::Uuid;

use crate::auth::{Auth, read_body};
use crate::error::{AuthError, AuthResult};
use crate::phone;
use crate::settings::go_duration;
use crate::state::State;
use crate::user::{Object, User, UserView, merge, random_password};

/// Length of the longest password that bcrypt accepts.
pub(crate) const MAX_PASSWORD_BYTES: usize = 72;
const CREATE_FAILED: &str = "Database error creating new user";

/// The body of `POST /admin/users` and `PUT /admin/users/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserFields {
    pub(crate) id: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) phone_confirm: Option<bool>,
    pub(crate) email: Option<String>,
    pub(crate) email_confirm: Option<bool>,
    pub(crate) password: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) app_metadata: Option<Object>,
    pub(crate) user_metadata: Option<Object>,
    pub(crate) ban_duration: Option<String>,
}

/// A requested change of a user's ban.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ban {
    Lift,
    For(std::time::Duration),
}

impl UserFields {
    /// The number in digits, empty if the request has none. Fails if the number is not valid.
    pub(crate) fn checked_phone(&self) -> Result<String, AuthError> {
        match self.phone.as_deref() {
            None | Some("") => Ok(String::new()),
            Some(phone) => phone::parse(phone),
        }
    }

    /// `None` if the ban stays as it is.
    pub(crate) fn ban(&self) -> Result<Option<Ban>, AuthError> {
        match self.ban_duration.as_deref() {
            None | Some("") => Ok(None),
            Some("none") => Ok(Some(Ban::Lift)),
            Some(text) => match go_duration(text) {
                Some(duration) => Ok(Some(Ban::For(duration))),
                None => Err(AuthError::validation(format!(
                    "invalid format for ban duration: time: invalid duration {text:?}"
                ))),
            },
        }
    }
}

impl Auth {
    pub(crate) async fn create_user(&self, request: &Request) -> AuthResult {
        let fields: UserFields = read_body(request)?;
        let phone = fields.checked_phone()?;
        let email = fields.email.clone().unwrap_or_default().to_lowercase();
        if phone.is_empty() && email.is_empty() {
            return Err(AuthError::validation(
                "Cannot create a user without either an email or phone",
            ));
        }
        let window = self.settings.creation_race;
        let waits_before_check = self.creations.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        if waits_before_check {
            // Longer than another request waits between check and insert.
            tokio::time::sleep(2 * window).await;
        }
        check_not_taken(&self.lock(), &phone, &email)?;
        let user = self.build_user(&fields, phone, email)?;
        if !waits_before_check {
            tokio::time::sleep(window).await;
        }
        let body = user.to_json(UserView::Changed {
            confirmed_before: None,
        });
        insert(&mut self.lock(), user)?;
        Ok(Answer::ok(&body))
    }

    fn build_user(
        &self,
        fields: &UserFields,
        phone: String,
        email: String,
    ) -> Result<User, AuthError> {
        if fields.password.is_some() && fields.password_hash.is_some() {
            return Err(AuthError::validation(
                "Only a password or a password hash should be provided",
            ));
        }
        let id = match fields.id.as_deref() {
            None | Some("") => random::uuid(),
            Some(id) => id
                .parse()
                .map_err(|_| AuthError::validation("ID must conform to the uuid v4 format"))?,
        };
        if id == Uuid::nil() {
            return Err(AuthError::validation("ID cannot be a nil uuid"));
        }
        let password = match fields.password.as_deref() {
            // A password hash in the request is ignored: no known password opens the account.
            None | Some("") => random_password(),
            Some(password) if password.len() > MAX_PASSWORD_BYTES => return Err(AuthError::crash()),
            Some(password) => password.to_owned(),
        };
        let now = self.now();
        let mut user = User::new(id, now);
        user.phone = phone;
        user.email = email;
        user.password = password;
        if !user.email.is_empty() {
            user.add_identity("email", now);
        }
        if !user.phone.is_empty() {
            user.add_identity("phone", now);
        }
        merge(&mut user.app_metadata, fields.app_metadata.as_ref());
        merge(&mut user.user_metadata, fields.user_metadata.as_ref());
        if fields.email_confirm == Some(true) {
            user.email_confirmed_at = Some(now);
            user.user_metadata
                .insert("email_verified".into(), true.into());
        }
        if fields.phone_confirm == Some(true) {
            user.phone_confirmed_at = Some(now);
        }
        if let Some(Ban::For(duration)) = fields.ban()? {
            user.banned_until = Some(now + duration);
        }
        Ok(user)
    }
}

fn check_not_taken(state: &State, phone: &str, email: &str) -> Result<(), AuthError> {
    if state.user_by_email(email).is_some() {
        let message = "A user with this email address has already been registered";
        return Err(AuthError::new(422, "email_exists", message));
    }
    if state.user_by_phone(phone).is_some() {
        let message = "Phone number already registered by another user";
        return Err(AuthError::new(422, "phone_exists", message));
    }
    Ok(())
}

/// Inserts a user unless that violates one of the database's unique constraints.
pub(crate) fn insert(state: &mut State, user: User) -> Result<(), AuthError> {
    let taken = if state.user(user.id).is_some() {
        Some(("id", user.id.to_string()))
    } else if state.user_by_phone(&user.phone).is_some() {
        Some(("phone", user.phone.clone()))
    } else if state.user_by_email(&user.email).is_some() {
        Some(("email", user.email.clone()))
    } else {
        None
    };
    if let Some((column, value)) = taken {
        return Err(AuthError::unique_violation(column, &value, CREATE_FAILED));
    }
    state.users.push(user);
    Ok(())
}
