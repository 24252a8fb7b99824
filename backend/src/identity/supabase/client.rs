//! The wire to a Supabase project: one request out, one bounded answer in.
//!
//! Nobody behind it sees a status or a header. An answer is either what was asked for, or a refusal that
//! Supabase Auth itself has put a code on, or it is lost: the connection broke, time ran out, a gateway
//! spoke HTML, a body was not JSON, a redirect pointed elsewhere. What is lost may have taken effect.
//! The connections are pooled and built once; redirects are not followed; errors never carry URLs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use reqwest::redirect;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::call_error::CallError;
use super::refusal::Refusal;
use crate::config::{ApiKey, SupabaseConfig};

/// Longest answer that is read: a page of two hundred users with fat metadata.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
const APIKEY: HeaderName = HeaderName::from_static("apikey");
/// Whose rate limit counts. The provider believes it only with a secret key, and only if told to.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("sb-forwarded-for");

/// How long the provider may take.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamTimeouts {
    /// Until it is connected.
    pub connect: Duration,
    /// Until the answer is read. The server itself gives up after ten seconds.
    pub total: Duration,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(12),
        }
    }
}

/// What is asked, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Grant,
    Refresh,
    Logout,
    User,
    CreateUser,
    GetUser,
    UpdateUser,
    DeleteUser,
    ListUsers,
    Jwks,
    Settings,
    StartOtp,
    VerifyOtp,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Refresh => "refresh",
            Self::Logout => "logout",
            Self::User => "user",
            Self::CreateUser => "create_user",
            Self::GetUser => "get_user",
            Self::UpdateUser => "update_user",
            Self::DeleteUser => "delete_user",
            Self::ListUsers => "list_users",
            Self::Jwks => "jwks",
            Self::Settings => "settings",
            Self::StartOtp => "start_otp",
            Self::VerifyOtp => "verify_otp",
        }
    }
}

/// On whose behalf something is asked. Never kept from one call to the next.
#[derive(Clone, Copy)]
pub(super) enum Caller<'a> {
    /// The backend's own.
    Service,
    /// Anybody's.
    Anon,
    /// A person's, by their access token.
    Person(&'a str),
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// Below `/auth/v1/`, with its query.
    pub(super) path: &'a str,
    pub(super) caller: Caller<'a>,
    pub(super) body: Option<Value>,
    /// Whose device it is asked for.
    pub(super) client: Option<IpAddr>,
}

/// Speaks to one project.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    service: ApiKey,
    anon: ApiKey,
}

impl Client {
    pub(super) fn new(
        config: &SupabaseConfig,
        timeouts: UpstreamTimeouts,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            // A secret key is refused from what looks like a browser.
            .user_agent(concat!("archety-backend/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            // What a lost answer means is decided by the flow, not by the transport.
            .retry(reqwest::retry::never())
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_nodelay(true);
        builder = if crate::config::is_loopback(&config.url) {
            builder.no_proxy()
        } else {
            builder.https_only(true)
        };
        let base = config.url.join("auth/v1/");
        Ok(Self {
            http: builder.build()?,
            base: base.expect("a URL with a host takes a relative path"),
            service: config.service_key.clone(),
            anon: config.anon_key.clone(),
        })
    }

    /// Asks, and reads the answer as `T`; an empty one as JSON's null.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let operation = call.operation;
        let begun = Instant::now();
        let answered = self.exchange(call).await.and_then(|body| {
            serde_json::from_value(body).map_err(|_| {
                tracing::warn!(
                    operation = operation.as_str(),
                    "the identity provider's answer has a form of its own"
                );
                CallError::Lost
            })
        });
        let outcome = match &answered {
            Ok(_) => "ok",
            Err(CallError::Lost) => "lost",
            Err(CallError::Refused(refusal)) => refusal.outcome(),
        };
        metrics::counter!("identity_calls_total", "operation" => operation.as_str(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!("identity_call_duration_seconds", "operation" => operation.as_str())
            .record(begun.elapsed().as_secs_f64());
        answered
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Value, CallError> {
        let operation = call.operation.as_str();
        let url = self.base.join(call.path);
        let url = url.expect("paths are ours, and what is put into them is an id or a number");
        let mut request = self
            .http
            .request(call.method, url)
            .headers(self.headers(call.caller, call.client));
        if let Some(body) = call.body {
            request = request.json(&body);
        }
        let lost = |error: reqwest::Error| {
            let error = error.without_url();
            tracing::warn!(operation, error = %chain(&error), "the identity provider does not answer");
            CallError::Lost
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_bounded(response).await.map_err(lost)?;
        let Some(body) = body else {
            tracing::warn!(operation, "the identity provider's answer is too long");
            return Err(CallError::Lost);
        };
        if status.is_success() {
            return read_success(status, &headers, &body).ok_or_else(|| {
                tracing::warn!(
                    operation,
                    status = status.as_u16(),
                    "the identity provider's answer is not JSON"
                );
                CallError::Lost
            });
        }
        let json = is_json(&headers).then(|| serde_json::from_slice(&body).ok());
        let refusal = Refusal::read(
            status,
            &headers,
            json.flatten().as_ref(),
            retry_after(&headers),
        );
        let Some(refusal) = refusal else {
            tracing::warn!(
                operation,
                status = status.as_u16(),
                "something before the identity provider answers"
            );
            return Err(CallError::Lost);
        };
        tracing::debug!(
            operation,
            status = status.as_u16(),
            code = refusal.code(),
            "the identity provider refuses"
        );
        Err(CallError::Refused(refusal))
    }

    fn headers(&self, caller: Caller<'_>, client: Option<IpAddr>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        let key = match caller {
            Caller::Service => &self.service,
            Caller::Anon | Caller::Person(_) => &self.anon,
        };
        headers.insert(APIKEY, secret(key.expose()));
        match (caller, key) {
            (Caller::Person(token), _) => {
                headers.insert(AUTHORIZATION, secret(&format!("Bearer {token}")));
            }
            (_, ApiKey::Legacy(_)) => {
                headers.insert(AUTHORIZATION, secret(&format!("Bearer {}", key.expose())));
            }
            // It is no JWT: the gateway trades it for one, unless there is a bearer already.
            (_, ApiKey::Opaque(_)) => {}
        }
        if let Some(client) = client {
            let value = HeaderValue::from_str(&client.to_string());
            headers.insert(FORWARDED_FOR, value.expect("an address is a header value"));
        }
        headers
    }
}

/// What no header could carry is sent as nothing, and refused.
fn secret(text: &str) -> HeaderValue {
    let value = HeaderValue::from_str(text);
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

async fn read_bounded(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn read_success(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    if status == StatusCode::NO_CONTENT {
        return Some(Value::Null);
    }
    is_json(headers)
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next());
    media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/json"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// An error with its causes; reqwest's own text names none of them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
