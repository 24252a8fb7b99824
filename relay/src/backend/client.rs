//! The HTTP client: sends a signed (or bearer) POST, reads an answer of bounded size and verifies its signature.
//!
//! Redirects are not followed: a redirected POST may become a GET, or go to another host. Errors contain
//! the scheme and host of the backend's address, never its path, which may hold a token.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use shared_protocol::{
    AnswerRefusal, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, HEALTH_ROUTE, Health,
    SignatureHeaders, WebhookId, verify_answer,
};
use url::Url;

use super::answer::Received;
use super::trouble::Trouble;
use crate::clock::Clock;
use crate::config::{Auth, BackendConfig};

/// Longest answer that is read. Only a pull that brings many commands comes near it.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request at the health route may take in all.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
/// With bearer, the backend's answer contains the reply to the message, for which it may take 55 s.
const BEARER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a signed request with a message may take.
const SIGNED_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}; on Linux, install ca-certificates")]
pub struct ClientError(#[source] reqwest::Error);

/// A request to sign and send. A bearer request has only the body: it is sent without id and timestamp.
#[derive(Clone)]
pub struct Request {
    pub id: WebhookId,
    /// Time of the signature, Unix seconds.
    pub timestamp: i64,
    pub body: Bytes,
}

/// A client of one backend.
pub struct Client {
    http: reqwest::Client,
    config: Arc<BackendConfig>,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub fn new(config: Arc<BackendConfig>, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("archety-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            // A repeated request needs a new timestamp, so the HTTP client never repeats one by itself.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_keepalive(Duration::from_secs(15))
            .tcp_nodelay(true);
        if config.backend_url.is_loopback() {
            builder = builder.no_proxy();
        } else {
            builder = builder.https_only(true);
        }
        let http = builder.build().map_err(ClientError)?;
        Ok(Self {
            http,
            config,
            clock,
        })
    }

    pub fn config(&self) -> &BackendConfig {
        &self.config
    }

    /// Posts a message, with the timeout for answers to messages.
    pub async fn post(&self, url: &Url, request: &Request) -> Result<Received, Trouble> {
        let timeout = match self.config.auth {
            Auth::Hmac => SIGNED_TIMEOUT,
            Auth::Bearer => BEARER_TIMEOUT,
        };
        self.post_within(url, request, timeout).await
    }

    /// Posts a request, and reads its answer within `timeout` in all.
    pub async fn post_within(
        &self,
        url: &Url,
        request: &Request,
        timeout: Duration,
    ) -> Result<Received, Trouble> {
        let response = self
            .http
            .post(url.clone())
            .headers(self.headers(request))
            .timeout(timeout)
            .body(request.body.clone())
            .send()
            .await
            .map_err(|error| trouble_of(&error, self.config.backend_url.to_string()))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = self.read_bounded(response).await?;
        Ok(Received {
            status,
            trust: self.check_trust(request, &headers, &body),
            retry_after: retry_after(&headers),
            body,
        })
    }

    /// The backend's answer at its health route, which is not signed. `None` if there is no valid one.
    pub async fn health(&self) -> Option<Health> {
        let request = self
            .http
            .get(self.config.backend_url.join(HEALTH_ROUTE))
            .timeout(HEALTH_TIMEOUT);
        let body = self.read_bounded(request.send().await.ok()?).await.ok()?;
        serde_json::from_slice(&body).ok()
    }

    /// The answer's body, if it is not longer than [`MAX_ANSWER_BYTES`].
    async fn read_bounded(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Trouble> {
        // The backend was reached, so an error of the connection means that the answer was cut off.
        let trouble_of_reading =
            |error: reqwest::Error| match trouble_of(&error, self.config.backend_url.to_string()) {
                Trouble::Unreachable { .. } => Trouble::BrokenAnswer,
                other => other,
            };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(trouble_of_reading)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Trouble::BrokenAnswer);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let header_value = |text: &str| {
            HeaderValue::from_str(text).expect("ids, numbers and base64 are header values")
        };
        match self.config.auth {
            Auth::Hmac => {
                let key = self.config.secret.key();
                let signature = key.sign(&request.id, request.timestamp, &request.body);
                headers.insert(HEADER_ID, header_value(request.id.as_str()));
                headers.insert(
                    HEADER_TIMESTAMP,
                    header_value(&request.timestamp.to_string()),
                );
                headers.insert(HEADER_SIGNATURE, header_value(&signature));
            }
            Auth::Bearer => {
                let bearer = format!("Bearer {}", self.config.secret.expose_bearer());
                // The configuration refuses secrets with characters that are not allowed in headers.
                let mut value = HeaderValue::from_str(&bearer)
                    .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        headers
    }

    /// Whether the answer to `request` is the backend's own.
    fn check_trust(
        &self,
        request: &Request,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), AnswerRefusal> {
        match self.config.auth {
            // Answers to bearer requests are not signed. They are trusted, because they can only come over https
            // or from this machine.
            Auth::Bearer => Ok(()),
            Auth::Hmac => {
                let signature = SignatureHeaders {
                    id: single_header(headers, HEADER_ID),
                    timestamp: single_header(headers, HEADER_TIMESTAMP),
                    signature: single_header(headers, HEADER_SIGNATURE),
                };
                let now = self.clock.now().as_secs();
                verify_answer(self.config.secret.key(), &request.id, signature, body, now)
            }
        }
    }
}

/// The value of a header that occurs exactly once.
fn single_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Why a request got no answer. The text is taken from the sources of reqwest's error, because the error
/// itself names the whole URL. `backend` is the address without its path.
fn trouble_of(error: &reqwest::Error, backend: String) -> Trouble {
    if error.is_timeout() && !error.is_connect() {
        Trouble::Timeout { backend }
    } else if error.is_body() || error.is_decode() {
        Trouble::BrokenAnswer
    } else {
        let cause = if error.is_timeout() {
            "no connection came about in time".to_owned()
        } else {
            cause_of(error)
        };
        Trouble::Unreachable { backend, cause }
    }
}

/// The deepest cause, and for DNS, proxies and TLS the step that failed.
fn cause_of(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    let Some(deepest) = causes().last() else {
        return "the request could not be sent".to_owned();
    };
    if causes().any(|cause| cause.to_string() == "dns error") {
        return format!("its name cannot be looked up ({deepest})");
    }
    if let Some(tunnel) = causes().find(|cause| cause.to_string().starts_with("tunnel error")) {
        return format!("the proxy on the way does not let it through ({tunnel})");
    }
    match deepest.downcast_ref::<io::Error>() {
        // The kind is a text without the system's error number, and the same on every system.
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        // An I/O error that wraps an error of another kind: here these come from the TLS handshake.
        Some(io) if io.get_ref().is_some() => format!("TLS: {io}"),
        _ => deepest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn cause(address: &str) -> String {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        let error = client.post(address).send().await.expect_err("no answer");
        match trouble_of(&error, "the backend".to_owned()) {
            Trouble::Unreachable { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    /// The address of a server that handles one connection with `serve`.
    fn server(serve: fn(std::net::TcpStream)) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || listener.accept().map(|(stream, _)| serve(stream)));
        address
    }

    #[tokio::test]
    async fn the_error_names_the_cause_and_never_the_path() {
        let free = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("bound")
        };
        let refused = cause(&format!("http://{free}/a-token")).await;
        assert_eq!(refused, "connection refused");

        let unknown = cause("http://no-such-host.invalid/a-token").await;
        assert!(
            unknown.starts_with("its name cannot be looked up ("),
            "{unknown}"
        );

        // A server that answers a TLS handshake in plain text.
        let plain = server(|mut stream| {
            let _ = io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let tls = cause(&format!("https://{plain}/a-token")).await;
        assert!(tls.starts_with("TLS: "), "{tls}");

        // A server that accepts the connection and closes it.
        let closed = server(drop);
        let closed = cause(&format!("http://{closed}/a-token")).await;
        for text in [refused, unknown, tls, closed] {
            assert!(!text.contains("a-token"), "{text}");
            assert!(!text.is_empty() && !text.contains("os error"), "{text}");
        }
    }
}
