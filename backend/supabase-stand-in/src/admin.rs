//! `/admin/users/{id}`: show, change, delete.

use serde::Deserialize;
use serde_json::json;
use stand_in::{Answer, Request};
use uuid::Uuid;

use crate::admin_create::{Ban, MAX_PASSWORD_BYTES, UserFields};
use crate::auth::{Auth, read_body};
use crate::error::{AuthError, AuthResult};
use crate::keys::sha256_base64;
use crate::state::{SessionSet, State};
use crate::user::{Object, PHONE_COLUMN_LEN, User, UserView, merge};

const UPDATE_FAILED: &str = "Database error updating user";

/// The body of `DELETE /admin/users/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deletion {
    should_soft_delete: bool,
}

impl Auth {
    pub(crate) fn show_user(&self, id: &str) -> AuthResult {
        let state = self.lock();
        let user = find_user(&state, id)?;
        Ok(Answer::ok(&user.to_json(UserView::Stored)))
    }

    pub(crate) fn update_user(&self, id: &str, request: &Request) -> AuthResult {
        let mut state = self.lock();
        let before = find_user(&state, id)?;
        let (id, confirmed_before) = (before.id, before.confirmed_at());
        let fields: UserFields = read_body(request)?;
        let phone = fields.checked_phone()?;
        let ban = fields.ban()?;
        if let Some(password) = fields.password.as_deref() {
            self.check_new_password(password)?;
        }
        if let Some(other) = state.user_by_phone(&phone)
            && other.id != id
        {
            return Err(AuthError::unique_violation("phone", &phone, UPDATE_FAILED));
        }
        if fields.password.is_some() {
            // Sessions end even if the new password equals the old one.
            state.end_sessions(id, SessionSet::All);
        }
        let now = self.now();
        let user = state.user_mut(id).expect("the user was just found");
        if let Some(password) = &fields.password {
            user.password.clone_from(password);
            user.link_hash = None;
        }
        if !phone.is_empty() {
            set_phone(user, phone, now);
        }
        if let Some(email) = fields.email.filter(|email| !email.is_empty()) {
            user.email = email.to_lowercase();
            if user.identity_mut("email").is_none() {
                user.add_identity("email", now);
            }
        }
        if fields.phone_confirm == Some(true) {
            user.phone_confirmed_at.get_or_insert(now);
        }
        if fields.email_confirm == Some(true) {
            user.email_confirmed_at.get_or_insert(now);
        }
        match ban {
            None => {}
            Some(Ban::Lift) => user.banned_until = None,
            Some(Ban::For(duration)) => user.banned_until = Some(now + duration),
        }
        merge(&mut user.app_metadata, fields.app_metadata.as_ref());
        merge(&mut user.user_metadata, fields.user_metadata.as_ref());
        user.updated_at = now;
        let body = user.to_json(UserView::Changed { confirmed_before });
        Ok(Answer::ok(&body))
    }

    /// Checks the length of a changed password or of the password of a sign-up. The password with which an admin
    /// creates a user may be shorter.
    pub(crate) fn check_new_password(&self, password: &str) -> Result<(), AuthError> {
        if password.len() > MAX_PASSWORD_BYTES {
            let message = format!("Password cannot be longer than {MAX_PASSWORD_BYTES} characters");
            return Err(AuthError::validation(message));
        }
        let min_length = self.settings.password_min_length;
        if password.len() < min_length {
            return Err(AuthError::weak_password(min_length));
        }
        Ok(())
    }

    pub(crate) fn delete_user(&self, id: &str, request: &Request) -> AuthResult {
        let deletion = if request.body.is_empty() {
            Deletion::default()
        } else {
            read_body(request)?
        };
        let mut state = self.lock();
        let id = find_user(&state, id)?.id;
        if deletion.should_soft_delete {
            state.end_sessions(id, SessionSet::All);
            let now = self.now();
            let user = state.user_mut(id).expect("the user was just found");
            replace_by_hashes(user);
            user.deleted_at = Some(now);
            user.updated_at = now;
        } else {
            state.delete_user(id);
        }
        Ok(Answer::ok(&json!({})))
    }
}

fn find_user<'a>(state: &'a State, id: &str) -> Result<&'a User, AuthError> {
    let id: Uuid = id
        .parse()
        .map_err(|_| AuthError::new(404, "validation_failed", "user_id must be an UUID"))?;
    let user = state.user(id);
    user.ok_or_else(|| AuthError::new(404, "user_not_found", "User not found"))
}

/// Changes the user's number, also in the identity `phone`, which is added if it is missing. `phone_confirmed_at`
/// stays unchanged.
fn set_phone(user: &mut User, phone: String, now: time::OffsetDateTime) {
    user.phone = phone;
    let phone = json!(user.phone);
    match user.identity_mut("phone") {
        Some(identity) => {
            if let Some(data) = &mut identity.data {
                data.insert("phone".into(), phone);
            }
        }
        None => user.add_identity("phone", now),
    }
}

/// Replaces the user's personal data by hashes, as a soft deletion does: the row stays, and another user can have the
/// number.
fn replace_by_hashes(user: &mut User) {
    let hash = |text: &str| sha256_base64(&format!("{}{text}", user.id));
    let (email, mut phone) = (hash(&user.email), hash(&user.phone));
    phone.truncate(PHONE_COLUMN_LEN);
    let provider_ids: Vec<String> = user
        .identities
        .iter()
        .map(|identity| hash(&format!("{}:{}", identity.provider, identity.provider_id)))
        .collect();
    for (identity, provider_id) in user.identities.iter_mut().zip(provider_ids) {
        identity.provider_id = provider_id;
        identity.data = None;
    }
    user.email = email;
    user.phone = phone;
    user.password = String::new();
    user.app_metadata = Object::new();
    user.user_metadata = Object::new();
    user.link_hash = None;
}
