//! `/otp`, `/signup` and `/verify` by phone, with codes that Supabase Auth itself sends and checks.
//!
//! The project has no SMS provider. A test number with a fixed code is answered as if the code had been
//! sent. A request for a code to any other number gets the error of a project without a provider, and no user is
//! created.

use serde::Deserialize;
use serde_json::json;
use stand_in::{Answer, Request, random};
use uuid::Uuid;

use crate::admin_create::insert;
use crate::auth::{Auth, read_body};
use crate::error::{AuthError, AuthResult, SIGNUPS_BY_CODE_OFF, SIGNUPS_OFF, USER_BANNED};
use crate::phone;
use crate::state::State;
use crate::user::{Object, User, UserView, merge, random_password};

/// The body of `/otp`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CodeRequest {
    phone: Option<String>,
    create_user: Option<bool>,
    data: Option<Object>,
}

/// The body of `/signup`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SignUp {
    phone: Option<String>,
    password: Option<String>,
    data: Option<Object>,
}

/// The body of `/verify`: a number with its code, or the hash of a link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Verification {
    #[serde(rename = "type")]
    kind: Option<String>,
    phone: Option<String>,
    token: Option<String>,
    token_hash: Option<String>,
}

impl Auth {
    pub(crate) fn send_code(&self, request: &Request) -> AuthResult {
        let mut state = self.lock();
        self.throttle(&mut state, "otp", request)?;
        let fields: CodeRequest = read_body(request)?;
        let phone = phone::parse(fields.phone.as_deref().unwrap_or_default())?;
        let existing = state.user_by_phone(&phone).map(|user| user.id);
        if existing.is_none() && fields.create_user == Some(false) {
            return Err(SIGNUPS_BY_CODE_OFF.into());
        }
        if !self.settings.phone_provider {
            let message = "Unsupported phone provider";
            return Err(AuthError::new(400, "phone_provider_disabled", message));
        }
        if existing.is_none() && self.settings.disable_signup {
            return Err(SIGNUPS_OFF.into());
        }
        self.check_sending(&state, &phone)?;
        let id = match existing {
            Some(id) => id,
            None => {
                self.add_user_by_phone(&mut state, phone, random_password(), fields.data.as_ref())?
            }
        };
        self.record_send(&mut state, id);
        Ok(Answer::ok(&json!({ "message_id": "test-otp" })))
    }

    pub(crate) fn sign_up(&self, request: &Request) -> AuthResult {
        let mut state = self.lock();
        self.throttle(&mut state, "signup", request)?;
        let fields: SignUp = read_body(request)?;
        if self.settings.disable_signup {
            return Err(SIGNUPS_OFF.into());
        }
        if !self.settings.phone_provider {
            let message = "Phone signups are disabled";
            return Err(AuthError::new(400, "phone_provider_disabled", message));
        }
        let phone = phone::parse(fields.phone.as_deref().unwrap_or_default())?;
        let password = fields.password.unwrap_or_default();
        self.check_new_password(&password)?;
        let existing = state.user_by_phone(&phone).cloned();
        if existing
            .as_ref()
            .and_then(|user| user.phone_confirmed_at)
            .is_some()
        {
            let message = "User already registered";
            return Err(AuthError::new(422, "user_already_exists", message));
        }
        if !self.settings.sms_autoconfirm {
            self.check_sending(&state, &phone)?;
        }
        let id = match existing {
            Some(user) => user.id,
            None => self.add_user_by_phone(&mut state, phone, password, fields.data.as_ref())?,
        };
        if self.settings.sms_autoconfirm {
            self.confirm_phone(&mut state, id);
            let issued = self.sign_in(&mut state, id, "password");
            return Ok(self.session_answer(&state, issued));
        }
        self.record_send(&mut state, id);
        let user = state.user(id).expect("the user was just added");
        Ok(Answer::ok(&user.to_json(UserView::Stored)))
    }

    pub(crate) fn verify(&self, request: &Request) -> AuthResult {
        let mut state = self.lock();
        self.throttle(&mut state, "verify", request)?;
        let fields: Verification = read_body(request)?;
        if let Some(hash) = &fields.token_hash {
            return self.verify_link(&mut state, hash);
        }
        if fields.kind.as_deref() != Some("sms") {
            return Err(AuthError::validation(
                "Only the token_hash and type should be provided",
            ));
        }
        let phone = phone::parse(fields.phone.as_deref().unwrap_or_default())?;
        let user = state.user_by_phone(&phone);
        let code = self.settings.sms_test_otp.get(&phone);
        let (Some(user), true) = (user, code.is_some() && code == fields.token.as_ref()) else {
            let message = "Token has expired or is invalid";
            return Err(AuthError::new(403, "otp_expired", message));
        };
        if user.is_banned(self.now()) {
            return Err(USER_BANNED.into());
        }
        let id = user.id;
        self.confirm_phone(&mut state, id);
        let issued = self.sign_in(&mut state, id, "otp");
        Ok(self.session_answer(&state, issued))
    }

    /// Fails if a code was sent to this number too recently, or if the number is no test number.
    fn check_sending(&self, state: &State, phone: &str) -> Result<(), AuthError> {
        let last = state
            .user_by_phone(phone)
            .and_then(|user| user.confirmation_sent_at);
        let wait = last.map(|at| at + self.settings.sms_max_frequency - self.now());
        if let Some(wait) = wait.filter(|wait| wait.is_positive()) {
            let message = format!(
                "For security purposes, you can only request this after {} seconds.",
                wait.whole_seconds().max(1)
            );
            return Err(AuthError::new(429, "over_sms_send_rate_limit", message));
        }
        if !self.settings.sms_test_otp.contains_key(phone) {
            return Err(AuthError::internal("Unable to get SMS provider"));
        }
        Ok(())
    }

    fn record_send(&self, state: &mut State, user: Uuid) {
        let now = self.now();
        if let Some(user) = state.user_mut(user) {
            user.confirmation_sent_at = Some(now);
        }
    }

    fn add_user_by_phone(
        &self,
        state: &mut State,
        phone: String,
        password: String,
        data: Option<&Object>,
    ) -> Result<Uuid, AuthError> {
        let (id, now) = (random::uuid(), self.now());
        let mut user = User::new(id, now);
        user.phone = phone;
        user.password = password;
        user.add_identity("phone", now);
        merge(&mut user.user_metadata, data);
        insert(state, user)?;
        Ok(id)
    }

    fn confirm_phone(&self, state: &mut State, user: Uuid) {
        let now = self.now();
        if let Some(user) = state.user_mut(user) {
            user.phone_confirmed_at.get_or_insert(now);
        }
    }
}
