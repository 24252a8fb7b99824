//! Token buckets per client address, as the real server keeps them in memory.

use std::collections::HashMap;

use stand_in::Request;
use time::OffsetDateTime;

use crate::error::Refusal;
use crate::settings::Settings;

/// How many calls an untouched bucket allows at once.
const BURST: f64 = 30.0;
/// The limits are given for this many seconds.
const WINDOW_SECS: f64 = 300.0;

/// A bucket per route and address.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    filled: HashMap<(&'static str, String), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: OffsetDateTime,
}

impl Buckets {
    /// Takes one call out of the caller's bucket for `route`.
    pub(crate) fn take(
        &mut self,
        route: &'static str,
        limit: u32,
        request: &Request,
        settings: &Settings,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let Some(address) = address(request, settings) else {
            return Ok(());
        };
        let bucket = self.filled.entry((route, address)).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        let refill = (now - bucket.at).as_seconds_f64() * f64::from(limit) / WINDOW_SECS;
        bucket.left = (bucket.left + refill).min(BURST);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Refusal::new(
                429,
                "over_request_rate_limit",
                "Request rate limit reached",
            ));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

/// The address that counts; nobody is limited without one.
fn address(request: &Request, settings: &Settings) -> Option<String> {
    let first = |name: &str| {
        let value = request.header(name)?.split(',').next()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    settings
        .sb_forwarded_for
        .then(|| first("sb-forwarded-for"))
        .flatten()
        .or_else(|| first(settings.rate_limit_header.as_deref()?))
}
