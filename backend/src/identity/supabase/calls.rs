//! The calls of Supabase Auth that are used here, one function each.
//!
//! Each is one request, but for admin calls that fail with `bad_jwt`: the hosted gateway has been seen
//! to spoil good keys now and then, so those are asked once more.

use std::net::IpAddr;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::account::UserRecord;
use super::call_error::CallError;
use super::client::{Call, Caller, Client, Operation};
use crate::identity::grant::{LogoutScope, UpstreamTokens};
use crate::phone::Phone;

/// What a grant is answered with.
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
    /// Who was granted them.
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
struct Page {
    users: Vec<UserRecord>,
}

/// What a project tells about itself.
#[derive(Deserialize)]
pub(super) struct SettingsAnswer {
    pub(super) external: External,
    #[serde(default)]
    pub(super) disable_signup: bool,
    #[serde(default)]
    pub(super) phone_autoconfirm: bool,
}

#[derive(Deserialize)]
pub(super) struct External {
    #[serde(default)]
    pub(super) phone: bool,
}

/// What is accepted, whatever it says.
#[derive(Deserialize)]
#[serde(from = "Value")]
struct Done;

impl From<Value> for Done {
    fn from(_: Value) -> Self {
        Self
    }
}

impl Client {
    pub(super) async fn grant(
        &self,
        phone: &Phone,
        password: &SecretString,
        client: Option<IpAddr>,
    ) -> Result<TokenAnswer, CallError> {
        self.call(Call {
            operation: Operation::Grant,
            method: Method::POST,
            path: "token?grant_type=password",
            // So that no captcha is asked for.
            caller: Caller::Service,
            body: Some(json!({ "phone": phone.as_str(), "password": password.expose_secret() })),
            client,
        })
        .await
    }

    pub(super) async fn refresh(
        &self,
        refresh: &SecretString,
        client: Option<IpAddr>,
    ) -> Result<TokenAnswer, CallError> {
        self.call(Call {
            operation: Operation::Refresh,
            method: Method::POST,
            path: "token?grant_type=refresh_token",
            caller: Caller::Service,
            body: Some(json!({ "refresh_token": refresh.expose_secret() })),
            client,
        })
        .await
    }

    pub(super) async fn log_out(
        &self,
        access: &SecretString,
        scope: LogoutScope,
    ) -> Result<(), CallError> {
        let path = format!("logout?scope={}", scope.as_str());
        let call = Call {
            operation: Operation::Logout,
            method: Method::POST,
            path: &path,
            caller: Caller::Person(access.expose_secret()),
            body: None,
            client: None,
        };
        self.call::<Done>(call).await.map(|_| ())
    }

    /// Who holds this token, if the provider accepts it.
    pub(super) async fn user(&self, access: &str) -> Result<UserRecord, CallError> {
        self.call(Call {
            operation: Operation::User,
            method: Method::GET,
            path: "user",
            caller: Caller::Person(access),
            body: None,
            client: None,
        })
        .await
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
        self.admin(
            Operation::CreateUser,
            Method::POST,
            "admin/users",
            Some(body),
        )
        .await
    }

    pub(super) async fn get_user(&self, id: Uuid) -> Result<Option<UserRecord>, CallError> {
        let path = format!("admin/users/{id}");
        let found = self
            .admin(Operation::GetUser, Method::GET, &path, None)
            .await;
        match found {
            Ok(user) => Ok(Some(user)),
            Err(error) if error.code() == Some("user_not_found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Setting a password ends all sessions of its person, even if it is the same one.
    pub(super) async fn set_password(
        &self,
        id: Uuid,
        password: &SecretString,
    ) -> Result<UserRecord, CallError> {
        let body = json!({ "password": password.expose_secret(), "phone_confirm": true });
        let path = format!("admin/users/{id}");
        self.admin(Operation::UpdateUser, Method::PUT, &path, Some(body))
            .await
    }

    pub(super) async fn confirm_phone(&self, id: Uuid) -> Result<UserRecord, CallError> {
        let body = json!({ "phone_confirm": true });
        let path = format!("admin/users/{id}");
        self.admin(Operation::UpdateUser, Method::PUT, &path, Some(body))
            .await
    }

    /// Deletes an account for good. One that is not there counts as deleted.
    pub(super) async fn delete_user(&self, id: Uuid) -> Result<(), CallError> {
        let path = format!("admin/users/{id}");
        let deleted = self
            .admin::<Done>(Operation::DeleteUser, Method::DELETE, &path, None)
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("user_not_found") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of all users, newest first; pages count from 1. It may be shorter than asked for.
    pub(super) async fn list_users(
        &self,
        page: usize,
        per_page: usize,
    ) -> Result<Vec<UserRecord>, CallError> {
        let path = format!("admin/users?page={page}&per_page={per_page}");
        let page: Page = self
            .admin(Operation::ListUsers, Method::GET, &path, None)
            .await?;
        Ok(page.users)
    }

    pub(super) async fn jwks(&self) -> Result<Value, CallError> {
        self.call(Call {
            operation: Operation::Jwks,
            method: Method::GET,
            path: ".well-known/jwks.json",
            caller: Caller::Anon,
            body: None,
            client: None,
        })
        .await
    }

    pub(super) async fn settings(&self) -> Result<SettingsAnswer, CallError> {
        self.call(Call {
            operation: Operation::Settings,
            method: Method::GET,
            path: "settings",
            caller: Caller::Anon,
            body: None,
            client: None,
        })
        .await
    }

    pub(super) async fn start_otp(
        &self,
        phone: &Phone,
        channel: &'static str,
        client: Option<IpAddr>,
    ) -> Result<(), CallError> {
        let body = json!({ "phone": phone.as_str(), "channel": channel, "create_user": true });
        let call = Call {
            operation: Operation::StartOtp,
            method: Method::POST,
            path: "otp",
            caller: Caller::Service,
            body: Some(body),
            client,
        };
        self.call::<Done>(call).await.map(|_| ())
    }

    pub(super) async fn verify_otp(
        &self,
        phone: &Phone,
        code: &str,
        client: Option<IpAddr>,
    ) -> Result<TokenAnswer, CallError> {
        self.call(Call {
            operation: Operation::VerifyOtp,
            method: Method::POST,
            path: "verify",
            caller: Caller::Service,
            body: Some(json!({ "type": "sms", "phone": phone.as_str(), "token": code })),
            client,
        })
        .await
    }

    async fn admin<T: serde::de::DeserializeOwned>(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, CallError> {
        let call = |body| Call {
            operation,
            method: method.clone(),
            path,
            caller: Caller::Service,
            body,
            client: None,
        };
        match self.call(call(body.clone())).await {
            Err(error) if error.code() == Some("bad_jwt") => self.call(call(body)).await,
            answered => answered,
        }
    }
}
