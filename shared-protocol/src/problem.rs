//! Errors as both sides write and read them: RFC 9457 `application/problem+json`.

use serde::{Deserialize, Serialize};

use crate::Violation;

/// Body of every error answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank`, or a URI that explains the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What went wrong, for a person; never internals.
    pub detail: String,
    /// What went wrong, for a program.
    pub code: ProblemCode,
    /// Names this request in the backend's log.
    pub request_id: String,
    /// Why a signature was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SignatureReason>,
    /// Every field that broke a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The stored message that has this identity but other bytes (`id_conflict`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When to try again, in seconds; the same as the `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// How many more codes may be tried (`wrong_code`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// The backend's clock, Unix seconds: given when a timestamp was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<i64>,
    /// Version of the backend, in answers to verified requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Environment of the backend, in answers to verified requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
            /// A code of a newer version. It is read, so that the rest of the body still counts, and
            /// never written.
            #[serde(rename = "unknown", other)]
            Unknown,
        }

        impl $name {
            /// Every code that this version writes, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown => "unknown",
                }
            }
        }

        /// The codes that this version writes.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// The closed list of error codes. A later version may add to it.
    ProblemCode {
        /// Neither a good signature nor a good bearer secret.
        InvalidSignature = "invalid_signature",
        /// This route needs a token, and the one shown is not it.
        Unauthorized = "unauthorized",
        /// The body names another relay than the secret does.
        RelayMismatch = "relay_mismatch",
        /// The relay name is leased to another installation.
        RelayElsewhere = "relay_elsewhere",
        /// This identity is stored with other bytes.
        IdConflict = "id_conflict",
        /// The number is not one that can be signed in with.
        InvalidPhone = "invalid_phone",
        /// Codes do not go to numbers of this region or of this kind.
        PhoneNotServed = "phone_not_served",
        /// No code can be sent to this number.
        CannotSend = "cannot_send",
        /// The code is wrong; `attempts_left` says how many more may be tried.
        WrongCode = "wrong_code",
        /// No code is waiting to be confirmed: ask for a new one.
        CodeExpired = "code_expired",
        /// Too many wrong codes; `retry_after` says when to ask for a new one.
        TooManyAttempts = "too_many_attempts",
        /// The page that sent this is not one that may.
        CrossSiteOrigin = "cross_site_origin",
        /// The CSRF token is missing, or not of this session.
        CsrfFailed = "csrf_failed",
        /// A code has to be confirmed in this session first.
        StepUpRequired = "step_up_required",
        /// This account cannot be used here.
        AccountRefused = "account_refused",
        /// A service that this backend relies on does not answer.
        ProviderUnavailable = "provider_unavailable",
        /// The first request for this message is still being answered.
        AnswerPending = "answer_pending",
        /// The request cannot be understood as one of HTTP.
        BadRequest = "bad_request",
        /// The body is not JSON, or not an object.
        MalformedJson = "malformed_json",
        /// Fields break rules; `violations` lists them.
        InvalidFields = "invalid_fields",
        /// The body is larger than the route accepts.
        BodyTooLarge = "body_too_large",
        /// The body is not `application/json`.
        UnsupportedMediaType = "unsupported_media_type",
        /// There is nothing at this path.
        NotFound = "not_found",
        /// The predecessor had this; this backend has not.
        NotServed = "not_served",
        /// The person has no such session, or not any more.
        SessionNotFound = "session_not_found",
        /// The path exists, the method does not.
        MethodNotAllowed = "method_not_allowed",
        /// Too many requests; `retry_after` says when to come back.
        RateLimited = "rate_limited",
        /// The request took too long to arrive.
        RequestTimeout = "request_timeout",
        /// Too much is on its way here; `retry_after` says when to come back.
        Overloaded = "overloaded",
        /// This backend is in development and serves its own machine alone.
        DevelopmentOnly = "development_only",
        /// The database does not answer.
        StoreUnavailable = "store_unavailable",
        /// The backend is going down; another replica will take over.
        ShuttingDown = "shutting_down",
        /// A bug; the log has it under the request id.
        Internal = "internal",
    }
}

codes! {
    /// Why a request was not taken for a relay's.
    SignatureReason {
        /// Neither `webhook-*` headers nor a bearer secret.
        MissingCredentials = "missing_credentials",
        /// A `webhook-*` header is missing, doubled, or not of its form.
        MalformedHeader = "malformed_header",
        /// The id is not of the kind that this route takes.
        WrongPurpose = "wrong_purpose",
        /// The timestamp is more than five minutes off; `server_time` tells the backend's clock.
        StaleTimestamp = "stale_timestamp",
        /// No configured secret made this signature.
        Mismatch = "mismatch",
        /// This id was seen with this very timestamp before.
        Replayed = "replayed",
        /// The bearer secret is not one of the configured ones.
        WrongBearer = "wrong_bearer",
        /// Bearer is switched off, for this backend or this relay.
        BearerRefused = "bearer_refused",
        /// Signatures are switched off (`RELAY_AUTH=bearer`).
        HmacRefused = "hmac_refused",
    }
}
