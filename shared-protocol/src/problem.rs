//! Error answers: RFC 9457 `application/problem+json`.

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
    /// Id of the request in the backend's log.
    pub request_id: String,
    /// Why a signature was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SignatureReason>,
    /// The fields that break a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Id of the stored message with the same identity and other bytes (`id_conflict`).
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
            /// A code of a newer version. It is only read, never written, so that the rest of the body can be used.
            #[serde(rename = "unknown", other)]
            Unknown,
        }

        impl $name {
            /// Every code that this version writes, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code in JSON.
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
    /// All error codes. A later version may add more.
    ProblemCode {
        /// The request has neither a valid signature nor a valid bearer secret.
        InvalidSignature = "invalid_signature",
        /// This route needs a token, and the request has no valid one.
        Unauthorized = "unauthorized",
        /// The body names another relay than the secret does.
        RelayMismatch = "relay_mismatch",
        /// The relay name is leased to another installation.
        RelayElsewhere = "relay_elsewhere",
        /// A message with the same identity and other bytes is stored.
        IdConflict = "id_conflict",
        /// The number cannot be used to sign in.
        InvalidPhone = "invalid_phone",
        /// No codes are sent to numbers of this region or of this kind.
        PhoneNotServed = "phone_not_served",
        /// No code can be sent to this number.
        CannotSend = "cannot_send",
        /// The code is wrong; `attempts_left` says how many more may be tried.
        WrongCode = "wrong_code",
        /// No code is waiting to be confirmed: ask for a new one.
        CodeExpired = "code_expired",
        /// Too many wrong codes; `retry_after` says when to ask for a new one.
        TooManyAttempts = "too_many_attempts",
        /// The page that sent the request is not an allowed one.
        CrossSiteOrigin = "cross_site_origin",
        /// The CSRF token is missing, or belongs to another session.
        CsrfFailed = "csrf_failed",
        /// A code has to be confirmed in this session first.
        StepUpRequired = "step_up_required",
        /// This account cannot be used here.
        AccountRefused = "account_refused",
        /// A service that this backend relies on does not answer.
        ProviderUnavailable = "provider_unavailable",
        /// The first request for this message is still being answered.
        AnswerPending = "answer_pending",
        /// The request is not valid HTTP.
        BadRequest = "bad_request",
        /// The body is not JSON, or not an object.
        MalformedJson = "malformed_json",
        /// Fields break rules; `violations` lists them.
        InvalidFields = "invalid_fields",
        /// The body is larger than the route accepts.
        BodyTooLarge = "body_too_large",
        /// The body is not `application/json`.
        UnsupportedMediaType = "unsupported_media_type",
        /// There is no route at this path.
        NotFound = "not_found",
        /// A route of the predecessor that this backend does not have.
        NotServed = "not_served",
        /// The person has no such session, or the session has ended.
        SessionNotFound = "session_not_found",
        /// The path does not support this method.
        MethodNotAllowed = "method_not_allowed",
        /// The caller has sent too many requests; `retry_after` says when to try again.
        RateLimited = "rate_limited",
        /// The request took too long to arrive.
        RequestTimeout = "request_timeout",
        /// The backend has too many requests; `retry_after` says when to try again.
        Overloaded = "overloaded",
        /// This backend runs in development mode and serves only its own machine.
        DevelopmentOnly = "development_only",
        /// The database does not answer.
        StoreUnavailable = "store_unavailable",
        /// The backend shuts down, and another replica takes over.
        ShuttingDown = "shutting_down",
        /// A bug, which is logged with the request id.
        Internal = "internal",
    }
}

codes! {
    /// Why a request was refused as not from a relay.
    SignatureReason {
        /// The request has neither `webhook-*` headers nor a bearer secret.
        MissingCredentials = "missing_credentials",
        /// A `webhook-*` header is missing, doubled or malformed.
        MalformedHeader = "malformed_header",
        /// The id is for another kind of request.
        WrongPurpose = "wrong_purpose",
        /// The timestamp is more than five minutes off; `server_time` is the backend's clock.
        StaleTimestamp = "stale_timestamp",
        /// The signature was made with none of the configured secrets.
        Mismatch = "mismatch",
        /// The id was seen with the same timestamp before.
        Replayed = "replayed",
        /// The bearer secret is not one of the configured ones.
        WrongBearer = "wrong_bearer",
        /// Bearer secrets are switched off, for the backend or for this relay.
        BearerRefused = "bearer_refused",
        /// Signatures are switched off (`RELAY_AUTH=bearer`).
        HmacRefused = "hmac_refused",
    }
}
