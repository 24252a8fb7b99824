//! A refusal by Supabase Auth, in whichever of its shapes it comes.
//!
//! The code decides, never the words and rarely the status: both change. We ask for no API version,
//! because only the old shape tells which unique key a creation ran into; the new one is read all the
//! same. An answer without a code is not Supabase Auth's.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

const CODE_HEADER: &str = "x-sb-error-code";
const MAX_CODE_CHARS: usize = 64;
/// Without a word from the provider.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Which unique key was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Id,
    Phone,
}

/// What Supabase Auth said.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: String,
    taken: Option<Taken>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&Value>,
        retry_after: Option<Duration>,
    ) -> Option<Self> {
        let text = |key: &str| body?.get(key)?.as_str();
        let header = headers
            .get(CODE_HEADER)
            .and_then(|value| value.to_str().ok());
        // `code` is the code in the new shape and in what Postgres says, and the status in the old one.
        let code = text("code")
            .or(text("error_code"))
            .or(header)
            .or(text("error"));
        let gateway = (status == StatusCode::UNAUTHORIZED && text("message").is_some())
            .then_some("invalid_api_key");
        let code = code.or(gateway)?;
        let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if code.is_empty() || code.len() > MAX_CODE_CHARS || !code.chars().all(is_code) {
            return None;
        }
        let message = text("message").unwrap_or_default();
        let taken = match code {
            "phone_exists" => Some(Taken::Phone),
            "23505" if message.contains("users_phone_key") => Some(Taken::Phone),
            "23505" if message.contains("users_pkey") => Some(Taken::Id),
            _ => None,
        };
        Some(Self {
            status,
            code: code.to_owned(),
            taken,
            retry_after,
        })
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) const fn taken(&self) -> Option<Taken> {
        self.taken
    }

    /// Label of metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self.status.as_u16() {
            429 => "limited",
            500.. => "failed",
            _ => "refused",
        }
    }

    pub(super) fn retry_after(&self) -> Duration {
        self.retry_after.map_or(RETRY_AFTER, |wait| {
            wait.clamp(Duration::from_secs(1), LONGEST_RETRY_AFTER)
        })
    }

    /// What the owner has to mend, if that is what it is.
    fn to_mend(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "phone_provider_disabled" => {
                "the phone provider is off; turn it on under Authentication > Providers > Phone"
            }
            "captcha_failed" => {
                "sign-in asks for a captcha, which a service key would skip; check SUPABASE_SERVICE_KEY"
            }
            "not_admin" => {
                "SUPABASE_SERVICE_KEY is not a service key; copy the service_role or secret key"
            }
            "no_authorization" | "bad_jwt" | "invalid_api_key" => {
                "the project does not accept SUPABASE_SERVICE_KEY; copy the service_role or secret key"
            }
            "weak_password" => {
                "the project's password rules ask for more than 47 characters of every kind"
            }
            "signup_disabled" | "otp_disabled" => {
                "sign-up is disabled, but OTP_PROVIDER=supabase needs it; enable it, or use Twilio"
            }
            _ => return None,
        })
    }

    /// Tells the owner what to mend. Whether there was anything.
    pub(super) fn tell_owner(&self) -> bool {
        let fix = self.to_mend();
        if let Some(fix) = fix {
            metrics::counter!("identity_alerts_total", "kind" => "misconfigured").increment(1);
            tracing::error!(code = self.code, "nobody can sign in with Supabase: {fix}");
        }
        fix.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, header: Option<&str>, body: &Value) -> Option<(String, Option<Taken>)> {
        let mut headers = HeaderMap::new();
        if let Some(code) = header {
            headers.insert(CODE_HEADER, code.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let refusal = Refusal::read(status, &headers, Some(body), None)?;
        Some((refusal.code().to_owned(), refusal.taken()))
    }

    #[test]
    fn every_shape_tells_its_code() {
        let phone = Some(Taken::Phone);
        let duplicate = |key: &str| json!({"code": "23505", "message": format!("duplicate key value violates unique constraint \"{key}\"")});
        for (status, header, body, code, taken) in [
            (
                422,
                Some("phone_exists"),
                json!({"code": 422, "error_code": "phone_exists", "msg": "…"}),
                "phone_exists",
                phone,
            ),
            (
                422,
                None,
                json!({"code": "phone_exists", "message": "…"}),
                "phone_exists",
                phone,
            ),
            (
                500,
                Some("unexpected_failure"),
                duplicate("users_phone_key"),
                "23505",
                phone,
            ),
            (
                500,
                Some("unexpected_failure"),
                duplicate("users_pkey"),
                "23505",
                Some(Taken::Id),
            ),
            (
                500,
                Some("unexpected_failure"),
                duplicate("identities_pkey"),
                "23505",
                None,
            ),
            (
                500,
                None,
                json!({"code": "unexpected_failure", "message": "Database error"}),
                "unexpected_failure",
                None,
            ),
            (
                400,
                None,
                json!({"error": "invalid_grant", "error_description": "…"}),
                "invalid_grant",
                None,
            ),
            (
                401,
                None,
                json!({"message": "Invalid API key", "hint": "…"}),
                "invalid_api_key",
                None,
            ),
            (403, Some("bad_jwt"), Value::Null, "bad_jwt", None),
        ] {
            assert_eq!(
                read(status, header, &body),
                Some((code.to_owned(), taken)),
                "{body}"
            );
        }
    }

    #[test]
    fn what_has_no_code_is_not_supabase_auths() {
        for (status, body) in [
            (
                502,
                json!({"message": "An invalid response was received from the upstream server"}),
            ),
            (429, json!({"message": "slow down"})),
            (400, json!({"code": 400, "msg": "no code"})),
            (400, json!({"error": "https://evil.example/?a=b"})),
            (400, json!({"error": ""})),
            (401, json!(["message"])),
            (401, Value::Null),
        ] {
            assert_eq!(read(status, None, &body), None, "{body}");
        }
    }

    #[test]
    fn waiting_is_bounded() {
        let read = |wait| {
            let body = json!({"error_code": "over_request_rate_limit"});
            let refusal = Refusal::read(
                StatusCode::TOO_MANY_REQUESTS,
                &HeaderMap::new(),
                Some(&body),
                wait,
            );
            refusal.expect("a refusal").retry_after().as_secs()
        };
        assert_eq!(read(None), 2);
        assert_eq!(read(Some(Duration::from_secs(0))), 1);
        assert_eq!(read(Some(Duration::from_secs(7))), 7);
        assert_eq!(read(Some(Duration::from_hours(9))), 60);
    }
}
