//! The server: its state, and the router, which maps each path, with or without the gateway's prefix, to its handler.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use serde::de::DeserializeOwned;
use stand_in::{Answer, Clock, Request, Service};
use time::OffsetDateTime;

use crate::error::{API_VERSION, AuthError, AuthResult, no_such_path};
use crate::keys::ProjectKeys;
use crate::settings::{Gateway, Settings};
use crate::state::State;
use crate::{gateway, project};

/// The prefix of the paths behind the hosted gateway.
pub(crate) const HOSTED_PREFIX: &str = "/auth/v1";
const MAX_BODY_BYTES: usize = 1 << 20;

/// The stand-in's server. Each module of the crate adds the handlers of its routes.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) keys: ProjectKeys,
    state: Mutex<State>,
    /// The server's address, without a path.
    pub(crate) url: String,
    /// Number of requests to create a user so far; every third waits before its check for duplicates.
    pub(crate) creations: AtomicU64,
}

impl Auth {
    /// Counts a call of `route` for the caller's address. Fails if the address has reached its limit.
    pub(crate) fn throttle(
        &self,
        state: &mut State,
        route: &'static str,
        request: &Request,
    ) -> Result<(), AuthError> {
        let now = self.now();
        state.buckets.throttle(route, request, &self.settings, now)
    }

    pub(crate) fn new(settings: Settings, url: String) -> Self {
        let clock = Clock::default();
        Self {
            keys: ProjectKeys::generate(settings.signing, clock.now()),
            settings,
            clock,
            state: Mutex::default(),
            url,
            creations: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("{}{HOSTED_PREFIX}", self.url)
    }

    async fn route(&self, path: &str, request: &Request) -> AuthResult {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let method = &request.method;
        match segments.as_slice() {
            ["health"] if method == Method::GET => Ok(project::health()),
            ["settings"] if method == Method::GET => Ok(project::settings(&self.settings)),
            [".well-known", "jwks.json"] if method == Method::GET => {
                Ok(project::key_set(&self.keys))
            }
            ["token"] if method == Method::POST => self.token(request).await,
            ["logout"] if method == Method::POST => self.logout(request),
            ["user"] if method == Method::GET => self.show_own_user(request),
            ["user"] if method == Method::PUT => self.update_own_user(request),
            ["otp"] if method == Method::POST => self.send_code(request),
            ["verify"] if method == Method::POST => self.verify(request),
            ["signup"] if method == Method::POST => self.sign_up(request),
            ["admin", rest @ ..] => {
                self.require_admin(request)?;
                self.route_admin(rest, request).await
            }
            _ => Ok(no_such_path()),
        }
    }

    async fn route_admin(&self, segments: &[&str], request: &Request) -> AuthResult {
        let method = &request.method;
        match segments {
            ["users"] if method == Method::POST => self.create_user(request).await,
            ["users"] if method == Method::GET => self.list_users(request),
            ["users", id] if method == Method::GET => self.show_user(id),
            ["users", id] if method == Method::PUT => self.update_user(id, request),
            ["users", id] if method == Method::DELETE => self.delete_user(id, request),
            ["generate_link"] if method == Method::POST => self.generate_link(request),
            _ => Ok(no_such_path()),
        }
    }
}

impl Service for Auth {
    async fn answer(&self, mut request: Request) -> Answer {
        let path_behind_gateway = request
            .path
            .strip_prefix(HOSTED_PREFIX)
            .filter(|rest| rest.starts_with('/'))
            .map(str::to_owned);
        if let Some(path) = &path_behind_gateway
            && self.settings.gateway == Gateway::Hosted
            && let Err(reason) = gateway::check_api_key(path, &mut request, &self.keys, self.now())
        {
            return gateway::error_answer(reason);
        }
        let path = path_behind_gateway.unwrap_or_else(|| request.path.clone());
        let outcome = self.route(&path, &request).await;
        outcome.unwrap_or_else(|error| error.answer(request.header(API_VERSION.as_str())))
    }
}

/// Reads the body as JSON, with the real server's errors.
pub(crate) fn read_body<T: DeserializeOwned>(request: &Request) -> Result<T, AuthError> {
    if request.body.len() > MAX_BODY_BYTES {
        let message = format!("Request body too large (max {MAX_BODY_BYTES} bytes)");
        return Err(AuthError::new(413, "request_entity_too_large", message));
    }
    serde_json::from_slice(&request.body).map_err(|problem| {
        let reason = if problem.is_eof() {
            "unexpected end of JSON input".to_owned()
        } else {
            problem.to_string()
        };
        let message = format!("Could not parse request body as JSON: {reason}");
        AuthError::new(400, "bad_json", message)
    })
}

/// The value of a query parameter; empty if it is absent.
pub(crate) fn query_value(request: &Request, name: &str) -> String {
    url::form_urlencoded::parse(request.query.as_bytes())
        .find(|(key, _)| key == name)
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
