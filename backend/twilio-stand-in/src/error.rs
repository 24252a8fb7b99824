//! Twilio's errors: number, HTTP status and words of each.

use http::StatusCode;
use serde_json::json;
use stand_in::Answer;

/// An error by its number, which is what a client should go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwilioError {
    /// 20003: wrong credentials.
    Authenticate,
    /// 20404: no such thing, or a verification that is gone.
    NotFound,
    /// 20429: too many requests at once; not processed.
    TooManyRequests,
    /// 21608: a trial account and a number that it has not verified.
    UnverifiedNumber,
    /// 60006: the number is refused further down.
    InvalidNumber,
    /// 60200: a parameter is not valid.
    InvalidParameter,
    /// 60202: too many guesses.
    MaxChecks,
    /// 60203: too many codes sent.
    MaxSends,
    /// 60205: a landline takes no SMS.
    Landline,
    /// 60212: too many requests at once for one number.
    TooManyForNumber,
    /// 60223: the channel is off.
    ChannelDisabled,
    /// 60238: the verification was blocked.
    Blocked,
    /// 60410: the prefix is blocked by the fraud guard.
    FraudGuard,
    /// 60413: blocked by what is known of the device.
    DeviceIntelligence,
    /// 60605: the country is not allowed.
    GeoPermission,
}

impl TwilioError {
    /// All of them.
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

    /// The number.
    pub fn code(self) -> u32 {
        self.facts().0
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.facts().1
    }

    fn facts(self) -> (u32, u16, &'static str) {
        match self {
            Self::Authenticate => (20003, 401, "Authenticate"),
            Self::NotFound => (20404, 404, "The requested resource was not found"),
            Self::TooManyRequests => (20429, 429, "Too many requests"),
            Self::UnverifiedNumber => (
                21608,
                403,
                "The phone number is unverified. Trial accounts cannot send messages to unverified numbers",
            ),
            Self::InvalidNumber => (60006, 400, "Invalid phone number"),
            Self::InvalidParameter => (60200, 400, "Invalid parameter"),
            Self::MaxChecks => (60202, 429, "Max check attempts reached"),
            Self::MaxSends => (60203, 429, "Max send attempts reached"),
            Self::Landline => (60205, 403, "SMS is not supported by landline phone number"),
            Self::TooManyForNumber => (60212, 429, "Too many concurrent requests for phone number"),
            Self::ChannelDisabled => (60223, 400, "Delivery channel disabled"),
            Self::Blocked => (60238, 403, "Verification creation blocked"),
            Self::FraudGuard => (60410, 403, "Verification delivery attempt blocked"),
            Self::DeviceIntelligence => (60413, 403, "Verification blocked by device intelligence"),
            Self::GeoPermission => (
                60605,
                403,
                "Verification delivery attempt blocked by geo permissions",
            ),
        }
    }

    /// The answer, with the usual words.
    pub fn answer(self) -> Answer {
        Refused::from(self).answer()
    }

    /// The same with particular words.
    pub(crate) fn saying(self, message: impl Into<String>) -> Refused {
        Refused {
            error: self,
            message: message.into(),
        }
    }
}

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Refused {
    error: TwilioError,
    message: String,
}

impl From<TwilioError> for Refused {
    fn from(error: TwilioError) -> Self {
        error.saying(error.facts().2)
    }
}

impl Refused {
    pub(crate) fn answer(self) -> Answer {
        let (code, status, _) = self.error.facts();
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
