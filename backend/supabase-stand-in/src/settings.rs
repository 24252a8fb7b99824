//! Settings of the project, with the names of the real server's environment variables.
//!
//! The defaults suit a backend that verifies phone numbers itself: the phone provider is on, the e-mail provider is
//! off, and the reuse interval is that of hosted projects. The other `GOTRUE_` options have the real server's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each field is an option of the real server and has the option's type"
)]
pub struct Settings {
    /// The port to listen on; for 0 the system picks a free port.
    pub port: u16,
    /// `GOTRUE_SITE_URL`: the default target of links.
    pub site_url: String,
    /// `GOTRUE_JWT_EXP`: how long access tokens live.
    pub access_token_ttl: Duration,
    /// `GOTRUE_EXTERNAL_PHONE_ENABLED`: people can sign in and sign up by phone.
    pub phone_provider: bool,
    /// `GOTRUE_EXTERNAL_EMAIL_ENABLED`: people can sign in with an e-mail address and a password.
    pub email_provider: bool,
    /// `GOTRUE_SMS_AUTOCONFIRM`: a sign-up by phone confirms the number without a code.
    pub sms_autoconfirm: bool,
    /// `GOTRUE_SMS_TEST_OTP`: numbers (digits only) with a fixed code.
    pub sms_test_otp: BTreeMap<String, String>,
    /// `GOTRUE_SMS_MAX_FREQUENCY`: minimum time between two codes to one user.
    pub sms_max_frequency: Duration,
    /// `GOTRUE_DISABLE_SIGNUP`
    pub disable_signup: bool,
    /// `GOTRUE_PASSWORD_MIN_LENGTH`
    pub password_min_length: usize,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL`: how long a used refresh token is still accepted.
    pub reuse_interval: Duration,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED`: the use of a refresh token after that interval ends the
    /// session.
    pub rotation: bool,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION`
    pub refresh_tokens: RefreshTokens,
    /// `GOTRUE_SESSIONS_TIMEBOX`: how long a session lasts at most.
    pub session_timebox: Option<Duration>,
    /// `GOTRUE_SESSIONS_INACTIVITY_TIMEOUT`: how long a session lasts without a refresh.
    pub session_inactivity: Option<Duration>,
    /// `GOTRUE_SESSIONS_SINGLE_PER_USER`: only the user's session that was active last can be refreshed.
    pub single_session: bool,
    /// `GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD`
    pub require_current_password: bool,
    /// `GOTRUE_RATE_LIMIT_HEADER`: the header with the caller's address. A request without an address is not limited.
    pub rate_limit_header: Option<String>,
    /// `GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED`: the address is read from `Sb-Forwarded-For` first.
    pub sb_forwarded_for: bool,
    /// `GOTRUE_RATE_LIMIT_TOKEN_REFRESH`: calls of `/token` in 5 minutes, all grants together.
    pub token_rate_limit: u32,
    /// `GOTRUE_RATE_LIMIT_VERIFY`: calls of `/verify` in 5 minutes.
    pub verify_rate_limit: u32,
    /// `GOTRUE_RATE_LIMIT_OTP`: calls of `/otp`, `/signup` and `PUT /user` in 5 minutes, each.
    pub otp_rate_limit: u32,
    pub signing: Signing,
    pub gateway: Gateway,
    /// How long each password check takes; the real server runs a bcrypt of cost 10.
    pub grant_delay: Duration,
    /// The time between the check for a duplicate and the insert. Requests that arrive in this time pass
    /// the check and violate the unique constraint. With zero, all but one fail at the check.
    pub creation_race: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Twelve random characters, stored in a row of their own.
    V1,
    /// The session's counter with a signature.
    V2,
}

/// The algorithm that signs access tokens, and whether the legacy secret is still accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// The legacy secret signs, which projects used before they had key pairs.
    Hs256,
    /// A key pair signs; tokens and API keys signed with the legacy secret are still accepted.
    Es256,
    /// A key pair signs; the legacy secret is revoked, and with it the legacy API keys.
    Es256Only,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// The paths under `/auth/v1` require an `apikey`; a key of the new kind is replaced by a JWT.
    Hosted,
    /// The paths under `/auth/v1` behave as those of the bare server.
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            site_url: "http://127.0.0.1:3000".to_owned(),
            access_token_ttl: Duration::from_hours(1),
            phone_provider: true,
            email_provider: false,
            sms_autoconfirm: false,
            sms_test_otp: BTreeMap::new(),
            sms_max_frequency: Duration::from_mins(1),
            disable_signup: false,
            password_min_length: 6,
            reuse_interval: Duration::from_secs(10),
            rotation: true,
            refresh_tokens: RefreshTokens::V1,
            session_timebox: None,
            session_inactivity: None,
            single_session: false,
            require_current_password: false,
            rate_limit_header: None,
            sb_forwarded_for: false,
            token_rate_limit: 150,
            verify_rate_limit: 30,
            otp_rate_limit: 30,
            signing: Signing::Hs256,
            gateway: Gateway::Hosted,
            grant_delay: Duration::ZERO,
            creation_race: Duration::from_millis(5),
        }
    }
}

/// Reads a duration as Go writes it, down to milliseconds: `24h`, `1h30m`, `5s`, `250ms`.
pub fn go_duration(value: &str) -> Option<Duration> {
    let mut rest = value;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number = u32::try_from(rest[..digits].parse::<u64>().ok()?).ok()?;
        rest = &rest[digits..];
        let (unit, length) = match rest {
            _ if rest.starts_with("ms") => (Duration::from_millis(1), 2),
            _ if rest.starts_with('h') => (Duration::from_hours(1), 1),
            _ if rest.starts_with('m') => (Duration::from_mins(1), 1),
            _ if rest.starts_with('s') => (Duration::from_secs(1), 1),
            _ => return None,
        };
        rest = &rest[length..];
        total += unit * number;
    }
    (!value.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::go_duration;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(go_duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(go_duration("250ms"), Some(Duration::from_millis(250)));
        for refused in ["", "24", "1d", "h"] {
            assert_eq!(go_duration(refused), None, "{refused}");
        }
    }
}
