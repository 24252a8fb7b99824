//! Twilio's errors: number, HTTP status and words of each.

use http::StatusCode;
use serde_json::json;
use stand_in::Answer;

/// An error by its number, which is what a client should go by.
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
    TooManyForNumber = 60212,
    ChannelDisabled = 60223,
    Blocked = 60238,
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
        Self::TooManyForNumber,
        Self::ChannelDisabled,
        Self::Blocked,
        Self::FraudGuard,
        Self::DeviceIntelligence,
        Self::GeoPermission,
    ];

    pub fn code(self) -> u32 {
        self as u32
    }

    pub fn status(self) -> u16 {
        self.status_and_words().0
    }

    fn status_and_words(self) -> (u16, &'static str) {
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
            Self::TooManyForNumber => (429, "Too many concurrent requests for phone number"),
            Self::ChannelDisabled => (400, "Delivery channel disabled"),
            Self::Blocked => (403, "Verification creation blocked"),
            Self::FraudGuard => (403, "Verification delivery attempt blocked"),
            Self::DeviceIntelligence => (403, "Verification blocked by device intelligence"),
            Self::GeoPermission => (
                403,
                "Verification delivery attempt blocked by geo permissions",
            ),
        }
    }

    pub fn answer(self) -> Answer {
        Refused::from(self).answer()
    }

    pub(crate) fn saying(self, message: impl Into<String>) -> Refused {
        Refused {
            error: self,
            message: message.into(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Refused {
    error: TwilioError,
    message: String,
}

impl From<TwilioError> for Refused {
    fn from(error: TwilioError) -> Self {
        error.saying(error.status_and_words().1)
    }
}

impl Refused {
    pub(crate) fn answer(self) -> Answer {
        let (code, status) = (self.error.code(), self.error.status());
        Answer::json(
            StatusCode::from_u16(status).expect("statuses here are literals"),
            &json!({
                "code": code,
                "message": self.message,
                "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
                "status": status,
            }),
        )
    }
}
