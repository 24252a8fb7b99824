//! Rate limits: token buckets per route and client address, kept in memory as in the real server.

use std::collections::HashMap;

use stand_in::Request;
use time::OffsetDateTime;

use crate::error::{AuthError, RATE_LIMITED};
use crate::settings::Settings;

/// Capacity of a bucket: the number of calls that are allowed at once.
const BURST: f64 = 30.0;
/// The period that the limits in the settings refer to.
const WINDOW_SECS: f64 = 300.0;

#[derive(Debug, Default)]
pub(crate) struct Buckets {
    by_route_and_address: HashMap<(&'static str, String), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    calls_left: f64,
    refilled_at: OffsetDateTime,
}

impl Buckets {
    /// Counts a call of `route` for the caller's address. Fails if the address has reached its limit.
    pub(crate) fn throttle(
        &mut self,
        route: &'static str,
        request: &Request,
        settings: &Settings,
        now: OffsetDateTime,
    ) -> Result<(), AuthError> {
        let limit = match route {
            "token" => settings.token_rate_limit,
            "verify" => settings.verify_rate_limit,
            _ => settings.otp_rate_limit,
        };
        let Some(address) = client_address(request, settings) else {
            // Without an address the real server does not limit a request.
            return Ok(());
        };
        if self.take(route, address, limit, now) {
            Ok(())
        } else {
            Err(RATE_LIMITED.into())
        }
    }

    /// Takes one call out of a bucket, which regains `limit` calls in [`WINDOW_SECS`]. `false` if the bucket is empty.
    fn take(
        &mut self,
        route: &'static str,
        address: String,
        limit: u32,
        now: OffsetDateTime,
    ) -> bool {
        let bucket = self.by_route_and_address.entry((route, address));
        let bucket = bucket.or_insert(Bucket {
            calls_left: BURST,
            refilled_at: now,
        });
        let refill = (now - bucket.refilled_at).as_seconds_f64() * f64::from(limit) / WINDOW_SECS;
        bucket.calls_left = (bucket.calls_left + refill).min(BURST);
        bucket.refilled_at = now;
        if bucket.calls_left < 1.0 {
            return false;
        }
        bucket.calls_left -= 1.0;
        true
    }
}

/// The client's address from the headers that the settings name; `None` if the request has no such header.
fn client_address(request: &Request, settings: &Settings) -> Option<String> {
    let first_value = |name: &str| {
        let value = request.header(name)?.split(',').next()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    settings
        .sb_forwarded_for
        .then(|| first_value("sb-forwarded-for"))
        .flatten()
        .or_else(|| first_value(settings.rate_limit_header.as_deref()?))
}
