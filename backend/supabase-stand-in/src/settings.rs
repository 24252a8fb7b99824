//! How the project is set up: the options that change answers, by the names the real server uses.
//!
//! The defaults are those of a project that suits a backend which verifies phones itself: phone
//! provider on, everything else as the server's own defaults, the reuse interval as hosted.

use std::collections::BTreeMap;
use std::time::Duration;

/// How the stand-in behaves.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field an option of the real server, of the same type"
)]
pub struct Settings {
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// `GOTRUE_SITE_URL`: where links lead.
    pub site_url: String,
    /// `GOTRUE_JWT_EXP`: how long access tokens live.
    pub access_token_ttl: Duration,
    /// `GOTRUE_EXTERNAL_PHONE_ENABLED`
    pub phone_provider: bool,
    /// `GOTRUE_EXTERNAL_EMAIL_ENABLED`
    pub email_provider: bool,
    /// `GOTRUE_SMS_AUTOCONFIRM`: anybody owns any number.
    pub sms_autoconfirm: bool,
    /// `GOTRUE_SMS_TEST_OTP`: numbers (digits only) with a fixed code.
    pub sms_test_otp: BTreeMap<String, String>,
    /// `GOTRUE_SMS_MAX_FREQUENCY`: between two codes to one user.
    pub sms_max_frequency: Duration,
    /// `GOTRUE_DISABLE_SIGNUP`
    pub disable_signup: bool,
    /// `GOTRUE_PASSWORD_MIN_LENGTH`
    pub password_min_length: usize,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL`
    pub reuse_interval: Duration,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED`: a late reuse revokes the whole session.
    pub rotation: bool,
    /// `GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION`
    pub refresh_tokens: RefreshTokens,
    /// `GOTRUE_SESSIONS_TIMEBOX`
    pub session_timebox: Option<Duration>,
    /// `GOTRUE_SESSIONS_INACTIVITY_TIMEOUT`
    pub session_inactivity: Option<Duration>,
    /// `GOTRUE_SESSIONS_SINGLE_PER_USER`
    pub single_session: bool,
    /// `GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD`
    pub require_current_password: bool,
    /// `GOTRUE_RATE_LIMIT_HEADER`: who is asking; without it nobody is limited.
    pub rate_limit_header: Option<String>,
    /// `GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED`: `Sb-Forwarded-For` wins over that header.
    pub sb_forwarded_for: bool,
    /// `GOTRUE_RATE_LIMIT_TOKEN_REFRESH`: calls of `/token` in 5 minutes, all grants together.
    pub token_rate_limit: u32,
    /// `GOTRUE_RATE_LIMIT_VERIFY`: calls of `/verify` in 5 minutes.
    pub verify_rate_limit: u32,
    /// `GOTRUE_RATE_LIMIT_OTP`: calls of `/otp`, `/signup` and `PUT /user` in 5 minutes, each.
    pub otp_rate_limit: u32,
    /// What signs access tokens.
    pub signing: Signing,
    /// Who stands before `/auth/v1`.
    pub gateway: Gateway,
    /// How long each password check takes; the real one is a bcrypt of cost 10.
    pub grant_delay: Duration,
    /// The time between the check for a duplicate and the insert, in which simultaneous creates get
    /// past the check and run into the unique constraint. Zero closes the race.
    pub creation_race: Duration,
}

/// Which refresh tokens are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Twelve random characters and a row each.
    V1,
    /// A signed counter of the session.
    V2,
}

/// What signs access tokens, and whether the legacy secret still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// The legacy secret.
    Hs256,
    /// A key pair; tokens and keys by the legacy secret are still good.
    Es256,
    /// A key pair; the legacy secret was revoked, and the legacy keys with it.
    Es256Only,
}

/// Who stands before `/auth/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// As hosted: wants an `apikey`, swaps the new kind for a JWT.
    Hosted,
    /// Nobody: the paths are the bare server's under a prefix.
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

/// An option that the stand-in does not know, or a value that it cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSetting {
    /// The option's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={} is not understood", self.name, self.value)
    }
}

impl std::error::Error for UnknownSetting {}

impl Settings {
    /// Reads the real server's environment variables. An unknown one is an error: a setting that is
    /// silently ignored would make a replay prove nothing.
    pub fn from_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, UnknownSetting> {
        let mut settings = Self::default();
        for (name, value) in variables {
            settings.set(name, value).ok_or_else(|| UnknownSetting {
                name: name.to_owned(),
                value: value.to_owned(),
            })?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name.strip_prefix("GOTRUE_")? {
            // The stand-in issues no others.
            "JWT_AUD" | "JWT_DEFAULT_GROUP_NAME" => {
                return (value == "authenticated").then_some(());
            }
            // Codes of the server's own making are never sent, so they need not expire.
            "SMS_OTP_EXP" => {}
            "SITE_URL" => value.clone_into(&mut self.site_url),
            "JWT_EXP" => self.access_token_ttl = seconds(value)?,
            "EXTERNAL_PHONE_ENABLED" => self.phone_provider = value.parse().ok()?,
            "EXTERNAL_EMAIL_ENABLED" => self.email_provider = value.parse().ok()?,
            "SMS_AUTOCONFIRM" => self.sms_autoconfirm = value.parse().ok()?,
            "SMS_TEST_OTP" => self.sms_test_otp = test_codes(value)?,
            "SMS_MAX_FREQUENCY" => self.sms_max_frequency = go_duration(value)?,
            "DISABLE_SIGNUP" => self.disable_signup = value.parse().ok()?,
            "PASSWORD_MIN_LENGTH" => self.password_min_length = value.parse().ok()?,
            "SECURITY_REFRESH_TOKEN_REUSE_INTERVAL" => self.reuse_interval = seconds(value)?,
            "SECURITY_REFRESH_TOKEN_ROTATION_ENABLED" => self.rotation = value.parse().ok()?,
            "SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION" => {
                self.refresh_tokens = match value {
                    "0" | "1" => RefreshTokens::V1,
                    "2" => RefreshTokens::V2,
                    _ => return None,
                }
            }
            "SESSIONS_TIMEBOX" => self.session_timebox = Some(go_duration(value)?),
            "SESSIONS_INACTIVITY_TIMEOUT" => self.session_inactivity = Some(go_duration(value)?),
            "SESSIONS_SINGLE_PER_USER" => self.single_session = value.parse().ok()?,
            "SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD" => {
                self.require_current_password = value.parse().ok()?;
            }
            "RATE_LIMIT_HEADER" => self.rate_limit_header = Some(value.to_owned()),
            "SECURITY_SB_FORWARDED_FOR_ENABLED" => self.sb_forwarded_for = value.parse().ok()?,
            "RATE_LIMIT_TOKEN_REFRESH" => self.token_rate_limit = value.parse().ok()?,
            "RATE_LIMIT_VERIFY" => self.verify_rate_limit = value.parse().ok()?,
            "RATE_LIMIT_OTP" => self.otp_rate_limit = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

fn seconds(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_secs)
}

fn test_codes(value: &str) -> Option<BTreeMap<String, String>> {
    value
        .split(',')
        .map(|pair| {
            let (phone, code) = pair.split_once(':')?;
            Some((phone.to_owned(), code.to_owned()))
        })
        .collect()
}

/// Reads a duration as Go writes it, down to milliseconds: `24h`, `1h30m`, `5s`, `250ms`.
pub(crate) fn go_duration(value: &str) -> Option<Duration> {
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

    use super::{Settings, go_duration};

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(go_duration("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(go_duration("250ms"), Some(Duration::from_millis(250)));
        for refused in ["", "24", "1d", "h"] {
            assert_eq!(go_duration(refused), None, "{refused}");
        }
    }

    #[test]
    fn an_unknown_variable_is_refused() {
        let problem = Settings::from_variables([("GOTRUE_NO_SUCH_THING", "1")]).unwrap_err();
        assert_eq!(problem.name, "GOTRUE_NO_SUCH_THING");
        assert!(Settings::from_variables([("GOTRUE_JWT_EXP", "soon")]).is_err());
    }
}
