//! Twilio's errors: the number, HTTP status and message of each.

use http::StatusCode;
use serde_json::json;
use stand_in::Answer;

/// An error, identified by Twilio's error number. A client should tell errors apart by this number, not by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwilioError {
    Authenticate = 20003,
    NotFound = 20404,
    TooManyRequests = 20429,
    UnverifiedNumber = 21608,
    InvalidNumber = 60006,
    InvalidParameter = 60200,
    MaxChecks = 60202,
    MaxSends = 60203,
    Landline = 60205,
    ConcurrentForNumber = 60212,
    ChannelDisabled = 60223,
    CreationBlocked = 60238,
    FraudGuard = 60410,
    DeviceIntelligence = 60413,
    GeoPermission = 60605,
}

impl TwilioError {
    pub const ALL: [Self; 15] = [
        Self::Authenticate,
        Self::NotFound,
        Self::TooManyRequests,
        Self::UnverifiedNumber,
        Self::InvalidNumber,
        Self::InvalidParameter,
        Self::MaxChecks,
        Self::MaxSends,
        Self::Landline,
        Self::ConcurrentForNumber,
        Self::ChannelDisabled,
        Self::CreationBlocked,
        Self::FraudGuard,
        Self::DeviceIntelligence,
        Self::GeoPermission,
    ];

    /// Twilio's error number.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.status_and_message().0
    }

    fn status_and_message(self) -> (u16, &'static str) {
        match self {
            Self::Authenticate => (401, "Authenticate"),
            Self::NotFound => (404, "The requested resource was not found"),
            Self::TooManyRequests => (429, "Too many requests"),
            Self::UnverifiedNumber => (
                403,
                "The phone number is unverified. Trial accounts cannot send messages to unverified numbers",
            ),
            Self::InvalidNumber => (400, "Invalid phone number"),
            Self::InvalidParameter => (400, "Invalid parameter"),
            Self::MaxChecks => (429, "Max check attempts reached"),
            Self::MaxSends => (429, "Max send attempts reached"),
            Self::Landline => (403, "SMS is not supported by landline phone number"),
            Self::ConcurrentForNumber => (429, "Too many concurrent requests for phone number"),
            Self::ChannelDisabled => (400, "Delivery channel disabled"),
            Self::CreationBlocked => (403, "Verification creation blocked"),
            Self::FraudGuard => (403, "Verification delivery attempt blocked"),
            Self::DeviceIntelligence => (403, "Verification blocked by device intelligence"),
            Self::GeoPermission => (
                403,
                "Verification delivery attempt blocked by geo permissions",
            ),
        }
    }

    pub fn answer(self) -> Answer {
        ErrorAnswer::from(self).answer()
    }

    /// The error with a message that names what was wrong.
    pub(crate) fn with_message(self, message: impl Into<String>) -> ErrorAnswer {
        ErrorAnswer {
            error: self,
            message: message.into(),
        }
    }
}

/// An error with the message that the answer contains.
#[derive(Debug)]
pub(crate) struct ErrorAnswer {
    error: TwilioError,
    message: String,
}

impl From<TwilioError> for ErrorAnswer {
    fn from(error: TwilioError) -> Self {
        error.with_message(error.status_and_message().1)
    }
}

impl ErrorAnswer {
    pub(crate) fn answer(self) -> Answer {
        let (code, status) = (self.error.code(), self.error.status());
        Answer::json(
            StatusCode::from_u16(status).expect("each error has a valid status"),
            &json!({
                "code": code,
                "message": self.message,
                "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
                "status": status,
            }),
        )
    }
}
