//! The calls of the Supabase Auth API that the backend uses, one function each.
//!
//! Each function sends one request. Only an admin call that fails with `bad_jwt` is repeated once, because Supabase's
//! gateway sometimes refuses a good key.

use std::net::IpAddr;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use uuid::Uuid;

use super::account::UserRecord;
use super::call_error::CallError;
use super::client::{Call, CallCredentials, Client};
use crate::identity::grant::UpstreamTokens;
use crate::phone::Phone;

/// The tokens of a session and their user.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    access_token: String,
    refresh_token: String,
    user: GrantedUser,
}

#[derive(Deserialize)]
struct GrantedUser {
    id: Uuid,
}

impl TokenAnswer {
    /// The id of the user that the tokens belong to.
    pub(super) fn user_id(&self) -> Uuid {
        self.user.id
    }

    pub(super) fn into_tokens(self) -> UpstreamTokens {
        UpstreamTokens {
            access: self.access_token.into(),
            refresh: self.refresh_token.into(),
        }
    }
}

#[derive(Deserialize)]
struct UserPage {
    users: Vec<UserRecord>,
}

/// The public settings of a project.
#[derive(Deserialize)]
pub(super) struct SettingsAnswer {
    pub(super) external: ExternalProviders,
    #[serde(default)]
    pub(super) disable_signup: bool,
    #[serde(default)]
    pub(super) phone_autoconfirm: bool,
}

#[derive(Deserialize)]
pub(super) struct ExternalProviders {
    #[serde(default)]
    pub(super) phone: bool,
}

impl Client {
    /// Signs in with a password. The service key makes a captcha unnecessary.
    pub(super) async fn password_grant(
        &self,
        phone: &Phone,
        password: &SecretString,
        client_ip: Option<IpAddr>,
    ) -> Result<TokenAnswer, CallError> {
        let body = json!({ "phone": phone.as_str(), "password": password.expose_secret() });
        self.post("grant", "token?grant_type=password", body, client_ip)
            .await
    }

    /// Exchanges a refresh token for the next tokens of its session.
    pub(super) async fn refresh(&self, refresh: &SecretString) -> Result<TokenAnswer, CallError> {
        let body = json!({ "refresh_token": refresh.expose_secret() });
        self.post("refresh", "token?grant_type=refresh_token", body, None)
            .await
    }

    /// Ends the session of this token, and no other.
    pub(super) async fn log_out(&self, access: &SecretString) -> Result<(), CallError> {
        let call = Call {
            credentials: CallCredentials::Person(access.expose_secret()),
            ..Call::new("logout", Method::POST, "logout?scope=local")
        };
        self.call::<IgnoredAny>(call).await.map(|_| ())
    }

    /// The user of this access token. An error if the provider does not accept the token.
    pub(super) async fn user(&self, access: &str) -> Result<UserRecord, CallError> {
        self.call(Call {
            credentials: CallCredentials::Person(access),
            ..Call::new("user", Method::GET, "user")
        })
        .await
    }

    /// The document with the project's public keys.
    pub(super) async fn jwks(&self) -> Result<Value, CallError> {
        self.call(Call {
            credentials: CallCredentials::Anon,
            ..Call::new("jwks", Method::GET, ".well-known/jwks.json")
        })
        .await
    }

    pub(super) async fn settings(&self) -> Result<SettingsAnswer, CallError> {
        self.call(Call {
            credentials: CallCredentials::Anon,
            ..Call::new("settings", Method::GET, "settings")
        })
        .await
    }

    pub(super) async fn start_otp(
        &self,
        phone: &Phone,
        channel: &'static str,
        client_ip: Option<IpAddr>,
    ) -> Result<(), CallError> {
        let body = json!({ "phone": phone.as_str(), "channel": channel, "create_user": true });
        let sent = self.post::<IgnoredAny>("start_otp", "otp", body, client_ip);
        sent.await.map(|_| ())
    }

    pub(super) async fn verify_otp(
        &self,
        phone: &Phone,
        code: &str,
        client_ip: Option<IpAddr>,
    ) -> Result<TokenAnswer, CallError> {
        let body = json!({ "type": "sms", "phone": phone.as_str(), "token": code });
        self.post("verify_otp", "verify", body, client_ip).await
    }

    pub(super) async fn create_user(
        &self,
        id: Uuid,
        phone: &Phone,
        password: &SecretString,
    ) -> Result<UserRecord, CallError> {
        let body = json!({
            "id": id,
            "phone": phone.as_str(),
            "password": password.expose_secret(),
            "phone_confirm": true,
            "app_metadata": { "source": "archety" },
        });
        self.admin(Call {
            body: Some(body),
            ..Call::new("create_user", Method::POST, "admin/users")
        })
        .await
    }

    pub(super) async fn get_user(&self, id: Uuid) -> Result<Option<UserRecord>, CallError> {
        let call = Call::new("get_user", Method::GET, format!("admin/users/{id}"));
        none_if_unknown(self.admin(call).await)
    }

    /// Sets the password, even to the same one, and thereby ends all sessions of the account.
    pub(super) async fn set_password(
        &self,
        id: Uuid,
        password: &SecretString,
    ) -> Result<UserRecord, CallError> {
        let body = json!({ "password": password.expose_secret(), "phone_confirm": true });
        self.update_user(id, body).await
    }

    pub(super) async fn confirm_phone(&self, id: Uuid) -> Result<UserRecord, CallError> {
        self.update_user(id, json!({ "phone_confirm": true })).await
    }

    async fn update_user(&self, id: Uuid, body: Value) -> Result<UserRecord, CallError> {
        self.admin(Call {
            body: Some(body),
            ..Call::new("update_user", Method::PUT, format!("admin/users/{id}"))
        })
        .await
    }

    /// Deletes an account for good. An unknown account counts as deleted.
    pub(super) async fn delete_user(&self, id: Uuid) -> Result<(), CallError> {
        let call = Call::new("delete_user", Method::DELETE, format!("admin/users/{id}"));
        none_if_unknown::<IgnoredAny>(self.admin(call).await).map(|_| ())
    }

    /// A page of all users, newest first. Pages count from 1, and may be shorter than `per_page`.
    pub(super) async fn list_users(
        &self,
        page: usize,
        per_page: usize,
    ) -> Result<Vec<UserRecord>, CallError> {
        let path = format!("admin/users?page={page}&per_page={per_page}");
        let page: UserPage = self
            .admin(Call::new("list_users", Method::GET, path))
            .await?;
        Ok(page.users)
    }

    /// A POST with the service key.
    async fn post<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        body: Value,
        client_ip: Option<IpAddr>,
    ) -> Result<T, CallError> {
        self.call(Call {
            body: Some(body),
            client_ip,
            ..Call::new(operation, Method::POST, path)
        })
        .await
    }

    /// A call with the service key, repeated once after `bad_jwt`.
    async fn admin<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        match self.call(call.clone()).await {
            Err(error) if error.code() == Some("bad_jwt") => self.call(call).await,
            answered => answered,
        }
    }
}

/// `None` if the provider does not know the user.
fn none_if_unknown<T>(answered: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answered {
        Err(error) if error.code() == Some("user_not_found") => Ok(None),
        answered => answered.map(Some),
    }
}
