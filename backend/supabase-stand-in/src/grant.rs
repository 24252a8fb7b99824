//! `POST /token`: which grant, and the password one.

use serde::Deserialize;
use serde_json::{Value, json};
use stand_in::Request;

use crate::auth::{Auth, query_value, read_body};
use crate::error::{Outcome, Refusal};
use crate::phone;

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Credentials {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
}

impl Auth {
    pub(crate) async fn token(&self, request: &Request) -> Outcome {
        let (limit, now) = (self.settings.token_rate_limit, self.now());
        self.lock()
            .buckets
            .take("token", limit, request, &self.settings, now)?;
        match query_value(request, "grant_type").as_str() {
            "password" => self.password_grant(request).await,
            "refresh_token" => self.refresh_grant(request),
            _ => Err(Refusal::new(
                400,
                "invalid_credentials",
                "unsupported_grant_type",
            )),
        }
    }

    async fn password_grant(&self, request: &Request) -> Outcome {
        let credentials: Credentials = read_body(request)?;
        let email = credentials.email.unwrap_or_default();
        let phone = credentials.phone.unwrap_or_default();
        let password = credentials.password.unwrap_or_default();
        self.check_provider(&email, &phone)?;
        // Every attempt pays, as with bcrypt; without holding up the other requests.
        tokio::time::sleep(self.settings.grant_delay).await;

        let mut state = self.lock();
        let user = if email.is_empty() {
            state.user_by_phone(&phone::strip(&phone))
        } else {
            state.user_by_email(&email)
        };
        let wrong = || Refusal::new(400, "invalid_credentials", "Invalid login credentials");
        let user = user
            .filter(|user| !user.password.is_empty())
            .ok_or_else(wrong)?;
        if user.is_banned(self.now()) {
            return Err(Refusal::new(400, "user_banned", "User is banned"));
        }
        if user.password != password {
            return Err(wrong());
        }
        if !email.is_empty() && user.email_confirmed_at.is_none() {
            return Err(Refusal::new(
                400,
                "email_not_confirmed",
                "Email not confirmed",
            ));
        }
        if email.is_empty() && user.phone_confirmed_at.is_none() {
            return Err(Refusal::new(
                400,
                "phone_not_confirmed",
                "Phone not confirmed",
            ));
        }
        let id = user.id;
        let issued = self.sign_in(&mut state, id, "password");
        Ok(self.grant_answer(&state, issued, self.weakness(&password)))
    }

    fn check_provider(&self, email: &str, phone: &str) -> Result<(), Refusal> {
        let (reason, code) = match (email.is_empty(), phone.is_empty()) {
            (false, false) => {
                return Err(Refusal::validation(
                    "Only an email address or phone number should be provided on login.",
                ));
            }
            (true, true) => return Err(Refusal::validation("missing email or phone")),
            (false, true) if self.settings.email_provider => return Ok(()),
            (true, false) if self.settings.phone_provider => return Ok(()),
            (false, true) => ("Email logins are disabled", "email_provider_disabled"),
            (true, false) => ("Phone logins are disabled", "phone_provider_disabled"),
        };
        Err(Refusal::new(422, code, reason))
    }

    /// Told at the grant, enforced only when a password is changed.
    fn weakness(&self, password: &str) -> Value {
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
