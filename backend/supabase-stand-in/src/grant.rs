//! `POST /token`: chooses between the grants (password or refresh token), and answers the password grant.

use serde::Deserialize;
use serde_json::{Value, json};
use stand_in::Request;

use crate::auth::{Auth, query_value, read_body};
use crate::error::{
    AuthError, AuthResult, BAD_CREDENTIALS, EMAIL_LOGINS_OFF, EMAIL_NOT_CONFIRMED,
    PHONE_LOGINS_OFF, PHONE_NOT_CONFIRMED, UNKNOWN_GRANT, USER_BANNED_AT_GRANT,
};
use crate::phone;

/// The body of a password grant: a password, with an e-mail address or a number.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Credentials {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
}

impl Auth {
    pub(crate) async fn token(&self, request: &Request) -> AuthResult {
        self.throttle(&mut self.lock(), "token", request)?;
        match query_value(request, "grant_type").as_str() {
            "password" => self.password_grant(request).await,
            "refresh_token" => self.refresh_grant(request),
            _ => Err(UNKNOWN_GRANT.into()),
        }
    }

    async fn password_grant(&self, request: &Request) -> AuthResult {
        let credentials: Credentials = read_body(request)?;
        let email = credentials.email.unwrap_or_default();
        let phone = credentials.phone.unwrap_or_default();
        let password = credentials.password.unwrap_or_default();
        self.check_provider(&email, &phone)?;
        // Each attempt takes as long as one bcrypt, without blocking other requests.
        tokio::time::sleep(self.settings.grant_delay).await;

        let mut state = self.lock();
        let user = if email.is_empty() {
            state.user_by_phone(&phone::strip(&phone))
        } else {
            state.user_by_email(&email)
        };
        let user = user
            .filter(|user| !user.password.is_empty())
            .ok_or(BAD_CREDENTIALS)?;
        if user.is_banned(self.now()) {
            return Err(USER_BANNED_AT_GRANT.into());
        }
        if user.password != password {
            return Err(BAD_CREDENTIALS.into());
        }
        if !email.is_empty() && user.email_confirmed_at.is_none() {
            return Err(EMAIL_NOT_CONFIRMED.into());
        }
        if email.is_empty() && user.phone_confirmed_at.is_none() {
            return Err(PHONE_NOT_CONFIRMED.into());
        }
        let id = user.id;
        let issued = self.sign_in(&mut state, id, "password");
        let weak_password = self.weak_password_field(&password);
        Ok(self.password_grant_answer(&state, issued, weak_password))
    }

    /// Fails unless exactly one of the two is given and people can sign in by it.
    fn check_provider(&self, email: &str, phone: &str) -> Result<(), AuthError> {
        match (email.is_empty(), phone.is_empty()) {
            (false, false) => Err(AuthError::validation(
                "Only an email address or phone number should be provided on login.",
            )),
            (true, true) => Err(AuthError::validation("missing email or phone")),
            (false, true) if !self.settings.email_provider => Err(EMAIL_LOGINS_OFF.into()),
            (true, false) if !self.settings.phone_provider => Err(PHONE_LOGINS_OFF.into()),
            _ => Ok(()),
        }
    }

    /// The answer's field about a password that is too short; `null` for another password. A short password still
    /// signs in; only a new password has to be long enough.
    fn weak_password_field(&self, password: &str) -> Value {
        let min_length = self.settings.password_min_length;
        if password.len() >= min_length {
            return Value::Null;
        }
        json!({
            "message": format!("Password should be at least {min_length} characters."),
            "reasons": ["length"],
        })
    }
}
