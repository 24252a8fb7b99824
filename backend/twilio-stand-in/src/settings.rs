//! The account that the stand-in knows, and the service's limits.

use std::time::Duration;

use stand_in::random;

/// How the stand-in behaves. Credentials are made up unless given.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// `AC…`
    pub account_sid: String,
    pub auth_token: String,
    /// `SK…`, the other way to sign in.
    pub api_key_sid: String,
    pub api_key_secret: String,
    /// `VA…`
    pub service_sid: String,
    pub code_length: usize,
    pub ttl: Duration,
    /// How often a code is sent to one number while its verification lives.
    pub max_sends: usize,
    pub max_checks: usize,
    /// The code of every verification, for demonstrations; random without.
    pub fixed_code: Option<String>,
    pub announce: Announce,
}

/// Where codes are shown that no message carries.
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

pub(crate) fn sid(prefix: &str) -> String {
    format!("{prefix}{}", random::uuid().simple())
}
