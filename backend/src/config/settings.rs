//! The table of settings, with one row for each environment variable, in the order in which `check` shows them.
//!
//! A row has the name, the default, the messages about a missing and an unreadable value, and the way to show
//! the value. `.env.example` explains each setting to operators; a test compares its names and defaults with
//! the table. Rules that concern several settings stand with the type that the settings become.

use std::time::Duration;

use super::{Config, OtpLimits};

/// One environment variable.
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// The text that is read if the variable is not set. It is empty if there is no default or if the default depends
    /// on other settings, and for limits on codes and days of retention, whose defaults stand with their types.
    pub(super) default: &'static str,
    pub(super) required: Required,
    /// The message of the problem that the value cannot be read.
    pub(super) invalid: &'static str,
    /// The value is a secret, which no other setting may share.
    pub(super) is_secret: bool,
    pub(super) kind: ValueKind,
}

/// When a setting must be set, and the message of the problem that it is not.
pub(super) enum Required {
    Never,
    InProduction(&'static str),
    /// With `IDENTITY=supabase`.
    WithSupabase(&'static str),
}

/// The type of a value, and where the configuration has it.
pub(super) enum ValueKind {
    /// The function returns the text that `check` shows, with secrets masked.
    Text(fn(&Config) -> String),
    /// A number of days. The function returns `None` for rows that are kept for ever.
    Days(fn(&Config) -> Option<Duration>),
    /// One of the limits on codes, and its field. `max` is the greatest number that production accepts.
    Limit {
        max: u32,
        field: fn(&mut OtpLimits) -> &mut u32,
    },
}

const INVALID_DAYS: &str = "must be a number of days, 1 to 3650";

pub(super) const SETTINGS: &[Setting] = &[
    text("APP_ENV", "", |it| it.environment.into_str().into())
        .invalid("must be development or production"),
    text("HOST", "127.0.0.1", |it| it.server.address.ip().to_string())
        .invalid("must be an IP address such as 127.0.0.1, 0.0.0.0 or ::"),
    text("PORT", "8000", |it| it.server.address.port().to_string())
        .invalid("must be a number from 0 to 65535"),
    text("PUBLIC_URL", "", |it| or_not_set(it.server.public_url.as_ref()))
        .required_in_production(
            "is not set; set it to the address that people reach this under, or to none if no browser ever \
             signs in",
        )
        .invalid("must be a URL without a path, such as https://api.example.com"),
    text("DATABASE_URL", "sqlite://archety.db", Config::shown_database)
        .invalid(
            "must be postgres://user:password@host:5432/name (without a driver such as +asyncpg) or \
             sqlite://path/to/file",
        ),
    text("DATABASE_CA", "", Config::shown_authority),
    text("DATABASE_CONNECTIONS", "8", |it| it.database.connections.to_string())
        .invalid("must be a whole number from 3 to 200, two of which are kept for intake and readiness"),
    text("SQLITE_SINGLE_REPLICA", "", Config::shown_single_replica),
    text("MIGRATE_ON_START", "", |it| u8::from(it.database.migrate_on_start).to_string())
        .invalid("must be 1 or 0"),
    text("RELAY_WEBHOOK_SECRET", "", Config::shown_relay_secrets)
        .required_in_production(
            "is not set; make one with `archety-backend secret new` and give the relay the same",
        )
        .secret(),
    text("RELAY_AUTH", "both", |it| it.relay.auth.to_string())
        .invalid("must be hmac, bearer or both"),
    text("RESPONDER", "none", |it| {
        let name: &str = it.replies.responder.into();
        name.into()
    })
        .invalid("must be none or canned; other responders come with later versions"),
    text("RESPOND_SERVICES", "iMessage", |it| it.replies.shown_services())
        .invalid("must be services such as iMessage,SMS,RCS, separated by commas"),
    text("TURN_QUIET_MS", "2000", |it| it.replies.quiet.as_millis().to_string())
        .invalid("must be a number of milliseconds, 0 to 10000"),
    text("TURN_WORKERS", "64", |it| it.replies.workers.to_string())
        .invalid("must be a whole number from 1 to 1000"),
    text("PERSONA_NAME", "sage", |it| it.replies.persona_name.clone())
        .invalid("must be a name of at most 40 letters, digits, spaces, dashes and apostrophes"),
    text("DEFAULT_TIME_ZONE", "UTC", |it| it.replies.shown_time_zone())
        .invalid("must be a zone of the IANA database, such as Europe/Berlin or America/New_York"),
    text("METRICS_TOKEN", "", |it| or_not_set(it.metrics_token.as_ref().map(|_| "***")))
        .secret(),
    text("TRUSTED_PROXIES", "none", |it| it.proxies.to_string())
        .required_in_production(
            "is not set; list the addresses or networks of the proxies in front, or set it to none",
        )
        .invalid(
            "must be none, or addresses and networks such as 10.0.0.7,100.64.0.0/10,fd00::/8; a \
             network wider than /8, or /7 of IPv6, would let strangers choose their address",
        ),
    text("CLIENT_IP_HEADER", "X-Real-IP", |it| it.client_ip_header.into_str().into())
        .invalid("must be X-Real-IP or X-Forwarded-For"),
    text("IDENTITY", "", |it| it.supabase().map_or("local", |_| "supabase").into())
        .required_in_production(
            "is not set; set it to supabase, or to local for tokens of this backend's own",
        )
        .invalid("must be supabase or local"),
    text("SUPABASE_URL", "", |it| or_not_set(it.supabase().map(|it| &it.url)))
        .required_with_supabase(
            "is not set; copy it from the project's settings, such as https://abc.supabase.co",
        )
        .invalid(
            "must be a URL without a path, such as https://abc.supabase.co (http on this machine only)",
        ),
    text("SUPABASE_ISSUER", "", |it| or_not_set(it.supabase().map(|it| &it.issuer))),
    text("SUPABASE_ANON_KEY", "", |it| or_not_set(it.supabase().map(|_| "***")))
        .required_with_supabase(
            "is not set; copy the anon or publishable key from the project's API settings",
        )
        .secret(),
    text("SUPABASE_SERVICE_KEY", "", |it| or_not_set(it.supabase().map(|_| "***")))
        .required_with_supabase(
            "is not set; copy the service_role or secret key from the project's API settings",
        )
        .secret(),
    text("SUPABASE_PASSWORD_KEYS", "", Config::shown_password_keys)
        .required_with_supabase(
            "is not set; make one with `openssl rand -hex 32` and keep it: people's accounts hang on it",
        )
        .secret(),
    text("OTP_PROVIDER", "", Config::shown_otp_provider)
        .invalid("must be twilio, supabase or console"),
    text("OTP_TEST_NUMBERS", "", Config::shown_test_numbers)
        .invalid("must be numbers and codes such as +15551234567=123456, separated by commas"),
    text("OTP_REGIONS", "US,CA", |it| it.otp.regions.to_string())
        .invalid("must be regions by their two letters, such as US,CA,GB"),
    text("OTP_CHANNELS", "sms", Config::shown_channels)
        .invalid("must be of sms, call and whatsapp, separated by commas"),
    text("TWILIO_VERIFY_SERVICE_SID", "", |it| or_not_set(it.twilio().map(|it| &it.service_sid)))
        .invalid("must be the SID of a Verify service, which begins with VA"),
    text("TWILIO_ACCOUNT_SID", "", |it| or_not_set(it.twilio_account())),
    text("TWILIO_AUTH_TOKEN", "", |it| or_not_set(it.twilio_account().map(|_| "***"))).secret(),
    text("TWILIO_API_KEY_SID", "", |it| or_not_set(it.twilio_api_key())),
    text("TWILIO_API_KEY_SECRET", "", |it| or_not_set(it.twilio_api_key().map(|_| "***"))).secret(),
    text("TWILIO_BASE_URL", "", |it| or_not_set(it.twilio().map(|it| &it.base_url)))
        .invalid("names a stand-in for Twilio, which works in development on this machine only"),
    limit("OTP_PER_PHONE_HOUR", 30, |it| &mut it.per_phone_hour),
    limit("OTP_PER_PHONE_DAY", 100, |it| &mut it.per_phone_day),
    limit("OTP_PER_IP_HOUR", 1_000, |it| &mut it.per_ip_hour),
    limit("OTP_PER_PREFIX_HOUR", 10_000, |it| &mut it.per_prefix_hour),
    limit("OTP_PER_COUNTRY_DAY", 1_000_000, |it| &mut it.per_country_day),
    limit("OTP_PER_DAY", 1_000_000, |it| &mut it.per_day),
    limit("OTP_KNOWN_DEVICE_RESERVE", 1_000_000, |it| &mut it.known_device_reserve),
    limit("OTP_JOINS_PER_PHONE_HOUR", 1_000, |it| &mut it.joins_per_phone_hour),
    limit("OTP_JOINS_PER_IP_HOUR", 10_000, |it| &mut it.joins_per_ip_hour),
    limit("OTP_WRONG_PER_PHONE_NETWORK_DAY", 100, |it| &mut it.wrong_per_phone_network_day),
    // With 1,000 tries a day at one number, a caller is likely to guess a code of six digits within a few years. With
    // 300 a day, this is unlikely.
    limit("OTP_WRONG_PER_PHONE_DAY", 300, |it| &mut it.wrong_per_phone_day),
    limit("OTP_WRONG_PER_IP_HOUR", 1_000, |it| &mut it.wrong_per_ip_hour),
    limit("OTP_WRONG_PER_HOUR", 1_000_000, |it| &mut it.wrong_per_hour),
    limit("OTP_BREAKER_PREFIX_CODES", 1_000, |it| &mut it.breaker_prefix_codes),
    limit("OTP_BREAKER_COUNTRY_CODES", 10_000, |it| &mut it.breaker_country_codes),
    limit("OTP_BREAKER_PERCENT", 100, |it| &mut it.breaker_percent),
    text("SESSION_SECRET", "", Config::shown_keyring)
        .required_in_production("is not set; make one with `openssl rand -hex 32`")
        .secret(),
    text("WEB_ORIGINS", "", Config::shown_origins)
        .invalid(
            "must be origins such as https://app.example.com, separated by commas, without * (list each); \
             https outside this machine",
        ),
    retention("RETENTION_AUTH_EVENTS_DAYS", |it| Some(it.retention.auth_events)),
    retention("RETENTION_SESSIONS_DAYS", |it| Some(it.retention.sessions)),
    retention("RETENTION_DEAD_JOBS_DAYS", |it| Some(it.retention.dead_jobs)),
    retention("RETENTION_MESSAGES_DAYS", |it| it.retention.messages),
    retention("RETENTION_CONVERSATIONS_DAYS", |it| it.retention.conversations),
    retention("RETENTION_PARTICIPANTS_DAYS", |it| it.retention.participants),
    text("LOG_LEVEL", "info", Config::shown_log_level)
        .invalid(
            "must be error, warn, info, debug or trace, or such a level and exceptions from it \
             (info,sqlx=debug); anything else would silence the log",
        ),
];

const fn text(key: &'static str, default: &'static str, show: fn(&Config) -> String) -> Setting {
    row(key, default, ValueKind::Text(show))
}

const fn retention(key: &'static str, show: fn(&Config) -> Option<Duration>) -> Setting {
    row(key, "", ValueKind::Days(show)).invalid(INVALID_DAYS)
}

const fn limit(key: &'static str, max: u32, field: fn(&mut OtpLimits) -> &mut u32) -> Setting {
    row(key, "", ValueKind::Limit { max, field })
}

const fn row(key: &'static str, default: &'static str, kind: ValueKind) -> Setting {
    Setting {
        key,
        default,
        required: Required::Never,
        invalid: "",
        is_secret: false,
        kind,
    }
}

impl Setting {
    const fn required_in_production(mut self, message: &'static str) -> Self {
        self.required = Required::InProduction(message);
        self
    }

    const fn required_with_supabase(mut self, message: &'static str) -> Self {
        self.required = Required::WithSupabase(message);
        self
    }

    const fn invalid(mut self, message: &'static str) -> Self {
        self.invalid = message;
        self
    }

    const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }
}

/// The row of `key`, which must be in the table.
pub(super) fn setting(key: &str) -> &'static Setting {
    let row = SETTINGS.iter().find(|setting| setting.key == key);
    row.expect("each key that is read has a row")
}

impl Config {
    /// Each setting's key, and the value in effect with its secrets masked.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let shown = |setting: &Setting| match setting.kind {
            ValueKind::Text(show) => show(self),
            ValueKind::Days(show) => shown_days(show(self)),
            ValueKind::Limit { field, .. } => field(&mut self.otp.limits.clone()).to_string(),
        };
        SETTINGS
            .iter()
            .map(|setting| (setting.key, shown(setting)))
            .collect()
    }
}

/// The number of days as `check` shows it.
fn shown_days(duration: Option<Duration>) -> String {
    duration.map_or_else(
        || "(kept)".to_owned(),
        |duration| (duration.as_secs() / (24 * 60 * 60)).to_string(),
    )
}

/// The value as `check` shows it, or `(not set)`.
pub(super) fn or_not_set(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "(not set)".to_owned(), |value| value.to_string())
}

/// How many letters of a misspelt name may be wrong, missing, swapped or too many.
const MAX_DISTANCE: usize = 2;

/// The setting that a misspelt name probably means. `None` if `name` is the name of a setting, or if it is like none.
/// Only settings with the same first word are compared, since other programs have variables, too.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let (first_word, _) = name.split_once('_')?;
    if SETTINGS.iter().any(|setting| setting.key == name) {
        return None;
    }
    SETTINGS
        .iter()
        .map(|setting| setting.key)
        .filter(|key| {
            key.split_once('_')
                .is_some_and(|(word, _)| word == first_word)
        })
        .map(|key| (strsim::damerau_levenshtein(key, name), key))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .min()
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;

    const EXAMPLE: &str = include_str!("../../../.env.example");

    #[test]
    fn the_setting_that_a_misspelt_name_means_is_found() {
        for (name, meant) in [
            ("OTP_PER_DY", Some("OTP_PER_DAY")),
            ("OTP_PER_DAYS", Some("OTP_PER_DAY")),
            ("SESSION_SECERT", Some("SESSION_SECRET")),
            ("SUPABASE_ANNON_KEY", Some("SUPABASE_ANON_KEY")),
            ("WEB_ORIGIN", Some("WEB_ORIGINS")),
            ("RELAY_WEBHOOK_SECRETS", Some("RELAY_WEBHOOK_SECRET")),
            ("OTP_PER_DAY", None),
            ("HOSTNAME", None),
            ("LOG_COLOUR", None),
            ("RAILWAY_SERVICE_NAME", None),
            ("PATH", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }

    /// `#NAME=value`, once for each setting.
    fn example_lines() -> Vec<(&'static str, &'static str)> {
        let is_name = |name: &str| {
            let is_letter = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            !name.is_empty() && name.bytes().all(is_letter)
        };
        EXAMPLE
            .lines()
            .filter_map(|line| line.trim_start_matches('#').split_once('='))
            .filter(|(name, _)| is_name(name))
            .collect()
    }

    #[test]
    fn the_example_names_every_setting_that_is_read() {
        let mut names: Vec<_> = example_lines().iter().map(|(name, _)| *name).collect();
        let mut rows: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        names.sort_unstable();
        rows.sort_unstable();
        assert!(rows.len() > 40, "{rows:?}");
        assert_eq!(names, rows);
        rows.dedup();
        assert_eq!(names.len(), rows.len(), "each setting has one row");
    }

    #[test]
    fn the_example_shows_each_fixed_default() {
        let defaults = Config::from_variables(&Variables::default()).expect("valid");
        let defaults = defaults.effective();
        for (name, example) in example_lines() {
            let setting = setting(name);
            let is_number = !matches!(setting.kind, ValueKind::Text(_));
            let (_, shown) = (defaults.iter().find(|(key, _)| *key == name)).expect("shown");
            if is_number && shown != "(kept)" {
                assert_eq!(shown, example, "{name}");
            } else if !setting.default.is_empty() {
                assert_eq!(setting.default, example, "{name}");
                assert!(shown.starts_with(example), "{name}: {shown}");
            }
        }
    }
}
