//! The error answers of Supabase Auth in all their forms, and their meaning for a sign-in and for a session.
//!
//! The meaning follows from the error code, because messages and statuses change between versions. Requests name no
//! API version, because only the old form of an error names the unique key that a creation violated. The new form is
//! read, too. An answer without a code is not from Supabase Auth.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::identity::failure::{SignInError, UpstreamError};
use crate::provider_http::retry_after;

const CODE_HEADER: &str = "x-sb-error-code";
const MAX_CODE_CHARS: usize = 64;
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Why an account was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// An account has the number.
    Phone,
    /// An account has the id; a simultaneous sign-in may have created it.
    Id,
    /// The creation failed inside Supabase Auth, for instance because of a simultaneous creation.
    Unclear,
}

#[derive(Debug)]
pub(super) struct CallError {
    code: Option<String>,
    pub(super) conflict: Option<Conflict>,
    /// The outcome in metrics.
    pub(super) outcome: &'static str,
    pub(super) retry_after: Duration,
}

impl CallError {
    /// No answer came, or one that is not from Supabase Auth. The request may have taken effect.
    pub(super) const NO_ANSWER: Self = Self {
        code: None,
        conflict: None,
        outcome: "lost",
        retry_after: DEFAULT_RETRY_AFTER,
    };

    /// Reads an error answer; `None` if it is not from Supabase Auth.
    pub(super) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Option<Self> {
        let text = |key: &str| body?.get(key)?.as_str();
        let header = headers
            .get(CODE_HEADER)
            .and_then(|value| value.to_str().ok());
        // `code` is the code in the new form and in errors of Postgres, and the status in the old form.
        let code = text("code")
            .or(text("error_code"))
            .or(header)
            .or(text("error"));
        // The gateway in front of Supabase Auth refuses an API key without a code.
        let gateway_code = (status == StatusCode::UNAUTHORIZED && text("message").is_some())
            .then_some("invalid_api_key");
        let code = code.or(gateway_code)?;
        let is_allowed =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if code.is_empty() || code.len() > MAX_CODE_CHARS || !code.chars().all(is_allowed) {
            return None;
        }
        let message = text("message").unwrap_or_default();
        // 23505 is the code of Postgres for a violated unique key.
        let conflict = match code {
            "phone_exists" => Some(Conflict::Phone),
            "23505" if message.contains("users_phone_key") => Some(Conflict::Phone),
            "23505" if message.contains("users_pkey") => Some(Conflict::Id),
            "23505" | "unexpected_failure" => Some(Conflict::Unclear),
            _ => None,
        };
        Some(Self {
            code: Some(code.to_owned()),
            conflict,
            outcome: match status.as_u16() {
                429 => "limited",
                500.. => "failed",
                _ => "refused",
            },
            retry_after: retry_after(headers).map_or(DEFAULT_RETRY_AFTER, |wait| {
                wait.clamp(Duration::from_secs(1), MAX_RETRY_AFTER)
            }),
        })
    }

    /// The code, if Supabase Auth gave one.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether Supabase Auth refused the API key.
    pub(super) fn is_key_refusal(&self) -> bool {
        matches!(
            self.code(),
            Some("invalid_api_key" | "bad_jwt" | "not_admin" | "no_authorization")
        )
    }

    /// The change that the operator has to make, if the settings of the project caused the error.
    fn remedy(&self) -> Option<&'static str> {
        Some(match self.code()? {
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
                "the project's password rules refuse a password of 47 characters with lower case, upper case, digits and symbols"
            }
            "signup_disabled" | "otp_disabled" => {
                "sign-up is disabled, but OTP_PROVIDER=supabase needs it; enable it, or use Twilio"
            }
            _ => return None,
        })
    }

    /// Logs the change that the operator has to make. Returns `false` if the settings did not cause the error.
    pub(super) fn log_remedy(&self) -> bool {
        let remedy = self.remedy();
        if let Some(remedy) = remedy {
            metrics::counter!("identity_alerts_total", "kind" => "misconfigured").increment(1);
            tracing::error!(code = self.code, "sign-in with Supabase fails: {remedy}");
        }
        remedy.is_some()
    }
}

/// The conversion of codes that the caller does not handle itself.
impl From<CallError> for SignInError {
    fn from(error: CallError) -> Self {
        if error.code() == Some("user_banned") {
            Self::Banned
        } else if error.log_remedy() {
            Self::Misconfigured
        } else {
            Self::Unavailable {
                retry_after: error.retry_after,
            }
        }
    }
}

/// The conversion of codes that the caller does not handle itself.
impl From<CallError> for UpstreamError {
    fn from(error: CallError) -> Self {
        if error.log_remedy() {
            Self::Misconfigured
        } else {
            Self::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use serde_json::json;

    use super::*;

    fn read(status: u16, header: Option<&str>, body: &Value) -> Option<(String, Option<Conflict>)> {
        let mut headers = HeaderMap::new();
        if let Some(code) = header {
            headers.insert(CODE_HEADER, code.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let error = CallError::read(status, &headers, Some(body))?;
        Some((error.code()?.to_owned(), error.conflict))
    }

    #[test]
    fn the_code_is_read_from_every_form_of_an_error() {
        let phone = Some(Conflict::Phone);
        let duplicate = |key: &str| json!({"code": "23505", "message": format!("duplicate key value violates unique constraint \"{key}\"")});
        for (status, header, body, code, conflict) in [
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
                Some(Conflict::Id),
            ),
            (
                500,
                Some("unexpected_failure"),
                duplicate("identities_pkey"),
                "23505",
                Some(Conflict::Unclear),
            ),
            (
                500,
                None,
                json!({"code": "unexpected_failure", "message": "Database error"}),
                "unexpected_failure",
                Some(Conflict::Unclear),
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
                Some((code.to_owned(), conflict)),
                "{body}"
            );
        }
    }

    #[test]
    fn an_answer_without_a_code_is_not_from_supabase_auth() {
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
    fn retry_after_is_bounded() {
        let read = |wait: Option<&str>| {
            let body = json!({"error_code": "over_request_rate_limit"});
            let mut headers = HeaderMap::new();
            if let Some(wait) = wait {
                headers.insert(RETRY_AFTER, wait.parse().expect("a value"));
            }
            let error = CallError::read(StatusCode::TOO_MANY_REQUESTS, &headers, Some(&body));
            error.expect("a refusal").retry_after.as_secs()
        };
        assert_eq!(read(None), 2);
        assert_eq!(read(Some("soon")), 2);
        assert_eq!(read(Some("0")), 1);
        assert_eq!(read(Some("7")), 7);
        assert_eq!(read(Some("32400")), 60);
    }
}
