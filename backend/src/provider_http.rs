//! HTTP to the providers of identities and of codes: a client that sends a request once, and answers of
//! bounded size.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::Url;

use crate::config::is_loopback;

/// How long a provider may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until it is connected.
    pub connect: Duration,
    /// Until the answer is read.
    pub total: Duration,
}

/// A client for the provider at `base`. A connection that was idle for `idle` is not used again.
pub(crate) fn client(
    base: &Url,
    timeouts: Timeouts,
    idle: Duration,
) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        // A secret key of Supabase is refused from what looks like a browser.
        .user_agent(concat!("archety-backend/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        // What a lost answer means is decided by the caller: a code that is asked for twice is two messages.
        .retry(reqwest::retry::never())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .pool_idle_timeout(idle);
    let builder = if is_loopback(base) {
        builder.no_proxy()
    } else {
        builder.https_only(true)
    };
    builder.build()
}

/// The body; `None` if it is longer than `most` bytes.
pub(crate) async fn read_bounded(
    mut response: Response,
    most: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
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

/// `Retry-After`, if it tells seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
