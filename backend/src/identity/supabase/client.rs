//! The HTTP client of a Supabase project.
//!
//! A call returns the parsed answer, an error with a code of Supabase Auth, or [`CallError::NO_ANSWER`]: the connection
//! broke, the time ran out, a gateway sent HTML, the body was not the expected JSON, or the answer was a redirect.
//! The request may have taken effect then. Redirects are not followed, and errors never contain URLs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::call_error::CallError;
use crate::config::{ApiKey, SupabaseConfig};
use crate::provider_http::{self, Timeouts, is_json, read_bounded};

/// The longest accepted answer. A page of two hundred users with large metadata is shorter.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
const APIKEY: HeaderName = HeaderName::from_static("apikey");
/// The address of the person's device, for the provider's rate limits. The provider uses it only with a secret key, and
/// only if the project is configured so.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("sb-forwarded-for");

/// Timeouts of a request. Supabase Auth itself gives up after ten seconds.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(12),
};

/// The credentials of a request.
#[derive(Clone, Copy)]
pub(super) enum CallCredentials<'a> {
    /// The service key.
    Service,
    /// The public key of the project.
    Anon,
    /// A person's access token.
    Person(&'a str),
}

/// A request to the provider.
#[derive(Clone)]
pub(super) struct Call<'a> {
    /// The name of the call in metrics and logs.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path below `/auth/v1/`, with the query.
    pub(super) path: String,
    pub(super) credentials: CallCredentials<'a>,
    pub(super) body: Option<Value>,
    /// The address of the person's device.
    pub(super) client_ip: Option<IpAddr>,
}

impl Call<'_> {
    /// A call with the service key and without a body.
    pub(super) fn new(operation: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self {
            operation,
            method,
            path: path.into(),
            credentials: CallCredentials::Service,
            body: None,
            client_ip: None,
        }
    }
}

/// The HTTP client of one project.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    service: ApiKey,
    anon: ApiKey,
}

impl Client {
    pub(super) fn new(config: &SupabaseConfig, timeouts: Timeouts) -> Result<Self, reqwest::Error> {
        let base = config.url.join("auth/v1/");
        Ok(Self {
            http: provider_http::client(&config.url, timeouts, IDLE_TIMEOUT)?,
            base: base.expect("a URL with a host takes a relative path"),
            service: config.service_key.clone(),
            anon: config.anon_key.clone(),
        })
    }

    /// Sends the request and parses the answer as `T`. The answer 204 counts as JSON `null`.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let operation = call.operation;
        let started_at = Instant::now();
        let answered = self.exchange(call).await.and_then(|body| {
            serde_json::from_value(body).map_err(|_| {
                tracing::warn!(
                    operation,
                    "the JSON of the identity provider's answer is not in the expected form"
                );
                CallError::NO_ANSWER
            })
        });
        let outcome = answered
            .as_ref()
            .map_or_else(|error| error.outcome, |_| "ok");
        metrics::counter!("identity_calls_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("identity_call_duration_seconds", "operation" => operation)
            .record(started_at.elapsed().as_secs_f64());
        answered
    }

    /// Sends the request and returns the JSON of the answer.
    async fn exchange(&self, call: Call<'_>) -> Result<Value, CallError> {
        let operation = call.operation;
        let url = self.base.join(&call.path);
        let url = url.expect("our paths contain only ids and numbers");
        let mut request = self
            .http
            .request(call.method, url)
            .headers(self.headers(call.credentials, call.client_ip));
        if let Some(body) = call.body {
            request = request.json(&body);
        }
        let lost = |error: reqwest::Error| {
            // Alternate formatting adds the causes, which reqwest's own text leaves out.
            let error = format!("{:#}", anyhow::Error::from(error.without_url()));
            tracing::warn!(operation, %error, "the identity provider does not answer");
            CallError::NO_ANSWER
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        let Some(body) = read_bounded(response, MAX_ANSWER_BYTES)
            .await
            .map_err(lost)?
        else {
            tracing::warn!(operation, "the identity provider's answer is too long");
            return Err(CallError::NO_ANSWER);
        };
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let json: Option<Value> = is_json(&headers)
            .then(|| serde_json::from_slice(&body).ok())
            .flatten();
        let status_code = status.as_u16();
        if status.is_success() {
            return json.ok_or_else(|| {
                tracing::warn!(
                    operation,
                    status = status_code,
                    "the identity provider's answer is not JSON"
                );
                CallError::NO_ANSWER
            });
        }
        let Some(error) = CallError::read(status, &headers, json.as_ref()) else {
            tracing::warn!(
                operation,
                status = status_code,
                "the answer is not from the identity provider, but perhaps from a gateway before it"
            );
            return Err(CallError::NO_ANSWER);
        };
        tracing::debug!(
            operation,
            status = status_code,
            code = error.code(),
            "the identity provider refuses the request"
        );
        Err(error)
    }

    fn headers(&self, credentials: CallCredentials<'_>, client_ip: Option<IpAddr>) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        let key = match credentials {
            CallCredentials::Service => &self.service,
            CallCredentials::Anon | CallCredentials::Person(_) => &self.anon,
        };
        headers.insert(APIKEY, secret_value(key.expose()));
        let bearer = match (credentials, key) {
            (CallCredentials::Person(token), _) => Some(token),
            (_, ApiKey::Legacy(_)) => Some(key.expose()),
            // An opaque key is no JWT, so it is not sent as a bearer token: the gateway adds a JWT if there is none.
            (_, ApiKey::Opaque(_)) => None,
        };
        if let Some(token) = bearer {
            headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {token}")));
        }
        if let Some(client_ip) = client_ip {
            let value = HeaderValue::from_str(&client_ip.to_string());
            headers.insert(FORWARDED_FOR, value.expect("an address is a header value"));
        }
        headers
    }
}

/// A header value with a secret. A secret that no header can contain becomes empty, which the provider refuses.
fn secret_value(text: &str) -> HeaderValue {
    let value = HeaderValue::from_str(text);
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
