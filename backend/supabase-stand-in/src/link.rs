//! `POST /admin/generate_link`, and `/verify` with the returned hash, which opens a session without any
//! message being sent.

use serde::Deserialize;
use serde_json::json;
use stand_in::{Answer, Request, random};

use crate::admin_create::insert;
use crate::auth::{Auth, read_body};
use crate::error::{AuthError, AuthResult, USER_BANNED};
use crate::keys::sha224_hex;
use crate::state::State;
use crate::user::{User, UserView, random_password};

/// Length of the code that a link stands for.
const CODE_LEN: usize = 6;

/// The body of `/admin/generate_link`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LinkRequest {
    #[serde(rename = "type")]
    kind: Option<String>,
    email: Option<String>,
    redirect_to: Option<String>,
}

impl Auth {
    pub(crate) fn generate_link(&self, request: &Request) -> AuthResult {
        let fields: LinkRequest = read_body(request)?;
        let email = fields.email.unwrap_or_default().to_lowercase();
        if !email.contains('@') {
            let message = "Unable to validate email address: invalid format";
            return Err(AuthError::validation(message));
        }
        let mut state = self.lock();
        let exists = state.user_by_email(&email).is_some();
        let kind = match (fields.kind.as_deref().unwrap_or_default(), exists) {
            ("magiclink", true) => "magiclink",
            ("recovery", true) => "recovery",
            // A link for an unknown address creates the user.
            ("magiclink" | "signup", false) => "signup",
            ("recovery", false) => {
                let message = "User with this email not found";
                return Err(AuthError::new(404, "user_not_found", message));
            }
            (unknown, _) => {
                let message = format!("Invalid email action link type requested: {unknown}");
                return Err(AuthError::validation(message));
            }
        };
        if !exists {
            self.add_user_by_email(&mut state, &email)?;
        }
        let code = random::digits(CODE_LEN);
        let hash = sha224_hex(&format!("{email}{code}"));
        let redirect_to = fields
            .redirect_to
            .unwrap_or_else(|| self.settings.site_url.clone());
        let now = self.now();
        let id = state
            .user_by_email(&email)
            .expect("the user existed or was just added")
            .id;
        let user = state.user_mut(id).expect("the user was just found");
        user.link_hash = Some(hash.clone());
        if exists {
            user.recovery_sent_at = Some(now);
        } else {
            user.confirmation_sent_at = Some(now);
        }
        let mut body = user.to_json(UserView::Stored);
        body["action_link"] = json!(format!(
            "{}/verify?token={hash}&type={kind}&redirect_to={redirect_to}",
            self.url
        ));
        body["email_otp"] = json!(code);
        body["hashed_token"] = json!(hash);
        body["verification_type"] = json!(kind);
        body["redirect_to"] = json!(redirect_to);
        Ok(Answer::ok(&body))
    }

    fn add_user_by_email(&self, state: &mut State, email: &str) -> Result<(), AuthError> {
        let now = self.now();
        let mut user = User::new(random::uuid(), now);
        email.clone_into(&mut user.email);
        user.password = random_password();
        user.add_identity("email", now);
        insert(state, user)
    }

    /// Signs in the user whose last link has this hash, and uses the link up.
    pub(crate) fn verify_link(&self, state: &mut State, hash: &str) -> AuthResult {
        let now = self.now();
        let user = state
            .users
            .iter_mut()
            .find(|user| user.link_hash.as_deref() == Some(hash));
        let Some(user) = user else {
            let message = "Email link is invalid or has expired";
            return Err(AuthError::new(403, "otp_expired", message));
        };
        if user.is_banned(now) {
            return Err(USER_BANNED.into());
        }
        user.link_hash = None;
        if user.email_confirmed_at.is_none() {
            user.email_confirmed_at = Some(now);
            user.user_metadata
                .insert("email_verified".into(), json!(true));
        }
        let id = user.id;
        let issued = self.sign_in(state, id, "otp");
        Ok(self.session_answer(state, issued))
    }
}
