//! The HTTP client for the identity provider and the provider that sends codes, without retries and with a limit on
//! the size of answers.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::Url;

use crate::config::is_loopback;

/// The time limits of one request to a provider.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Limit for connecting.
    pub connect: Duration,
    /// Limit for the whole request, until the answer is read.
    pub total: Duration,
}

/// A client for the provider at `base`, which closes connections that were idle for `idle`.
pub(crate) fn client(
    base: &Url,
    timeouts: Timeouts,
    idle: Duration,
) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        // Supabase refuses a secret key from a client that looks like a browser.
        .user_agent(concat!("archety-backend/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        // The caller decides whether to retry: a repeated request could send a second code.
        .retry(reqwest::retry::never())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .pool_idle_timeout(idle);
    let builder = if is_loopback(base) {
        // A proxy would look for a loopback address on its own machine.
        builder.no_proxy()
    } else {
        builder.https_only(true)
    };
    builder.build()
}

/// Reads the body. `None` if it is longer than `max` bytes.
pub(crate) async fn read_bounded(
    mut response: Response,
    max: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next());
    media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("application/json"))
}

/// The time that the header `Retry-After` tells to wait. `None` if the header is missing or gives a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
