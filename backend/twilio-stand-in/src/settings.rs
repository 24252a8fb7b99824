//! Settings of the stand-in: the credentials that it accepts, and the limits of the service.

use std::time::Duration;

use stand_in::random;

/// The settings. The default has random credentials and Twilio's own limits.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The port to listen on; for 0 the system picks a free port.
    pub port: u16,
    /// The account's id, `AC…`.
    pub account_sid: String,
    pub auth_token: String,
    /// The id of an API key, `SK…`. The key and its secret can be used in place of the account's id and token.
    pub api_key_sid: String,
    pub api_key_secret: String,
    /// The id of the Verify service, `VA…`.
    pub service_sid: String,
    pub code_length: usize,
    /// How long a verification lives.
    pub ttl: Duration,
    /// How often the code of one verification can be sent.
    pub max_sends: usize,
    /// How many codes can be checked for one verification.
    pub max_checks: usize,
    /// The code of every verification, for demonstrations; `None` for random codes.
    pub fixed_code: Option<String>,
    pub announce: Announce,
}

/// Whether codes are printed, because the stand-in sends no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    Silently,
    OnStderr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            account_sid: sid("AC"),
            auth_token: random::uuid().simple().to_string(),
            api_key_sid: sid("SK"),
            api_key_secret: random::uuid().simple().to_string(),
            service_sid: sid("VA"),
            code_length: 6,
            ttl: Duration::from_mins(10),
            max_sends: 5,
            max_checks: 5,
            fixed_code: None,
            announce: Announce::Silently,
        }
    }
}

/// A random id in Twilio's form. The prefix tells what has the id.
pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{}", random::uuid().simple())
}
