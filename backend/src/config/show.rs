//! The effective configuration for `check`: every key, its value or a mask, in a fixed order.

use std::time::Duration;

use secrecy::ExposeSecret;
use url::Url;

use super::{
    Config, DatabaseKind, Environment, IdentityConfig, KeyringSource, LogFormat, MigrateOnStart,
    OtpProviderConfig, SecretSource, Site, SupabaseConfig,
};

impl Config {
    /// Key and shown value of everything that is in effect. Secrets appear as how many there are.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let relay_secret = match &self.relay.secrets {
            SecretSource::Generated => "(made by serve and kept beside the database)".to_owned(),
            SecretSource::Given(secrets) => secrets
                .iter()
                .map(|secret| format!("{}:***", secret.relay()))
                .collect::<Vec<_>>()
                .join(","),
        };
        let database = match &self.database.kind {
            DatabaseKind::Sqlite { path } => format!("sqlite://{}", path.display()),
            DatabaseKind::Postgres { url } => masked(url.expose_secret()),
        };
        let migrate = match self.database.migrate_on_start {
            MigrateOnStart::Yes => "1",
            MigrateOnStart::No => "0",
        };
        let format = match self.logging.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let public_url = self.server.public_url.as_ref();
        let token = self.metrics.token.as_ref();
        let mut shown = vec![
            ("APP_ENV", self.environment.as_str().to_owned()),
            ("HOST", self.server.address.ip().to_string()),
            ("PORT", self.server.address.port().to_string()),
            (
                "PUBLIC_URL",
                public_url.map_or_else(not_set, Url::to_string),
            ),
            ("DATABASE_URL", database),
            ("DATABASE_CA", self.shown_authority()),
            (
                "DATABASE_CONNECTIONS",
                self.database.connections.to_string(),
            ),
            ("SQLITE_SINGLE_REPLICA", self.shown_promise()),
            ("MIGRATE_ON_START", migrate.to_owned()),
            ("RELAY_WEBHOOK_SECRET", relay_secret),
            ("RELAY_AUTH", self.relay.auth.as_str().to_owned()),
            (
                "METRICS_TOKEN",
                token.map_or_else(not_set, |_| "***".to_owned()),
            ),
            ("TRUSTED_PROXIES", self.proxies.to_string()),
            (
                "CLIENT_IP_HEADER",
                self.client_ip_header.as_str().to_owned(),
            ),
            ("IDENTITY", self.shown_identity()),
            ("SUPABASE_URL", self.supabase(|it| it.url.to_string())),
            ("SUPABASE_ISSUER", self.supabase(|it| it.issuer.clone())),
            ("SUPABASE_ANON_KEY", self.supabase(|_| "***".to_owned())),
            ("SUPABASE_SERVICE_KEY", self.supabase(|_| "***".to_owned())),
            (
                "SUPABASE_PASSWORD_KEYS",
                self.supabase(|it| format!("*** ({} key(s))", it.password_keys.len())),
            ),
            ("OTP_PROVIDER", self.shown_otp()),
            ("OTP_TEST_NUMBERS", self.shown_test_numbers()),
            ("OTP_REGIONS", self.otp.regions.to_string()),
            ("OTP_CHANNELS", self.shown_channels()),
        ];
        shown.extend(self.shown_twilio());
        shown.extend(self.otp.limits.shown());
        shown.extend([
            ("SESSION_SECRET", self.shown_keyring()),
            ("WEB_ORIGINS", self.shown_origins()),
            (
                "RETENTION_AUTH_EVENTS_DAYS",
                days(self.retention.auth_events),
            ),
            ("RETENTION_SESSIONS_DAYS", days(self.retention.sessions)),
            ("RETENTION_DEAD_JOBS_DAYS", days(self.retention.dead_jobs)),
            (
                "RETENTION_MESSAGES_DAYS",
                days_or_kept(self.retention.messages),
            ),
            (
                "RETENTION_CONVERSATIONS_DAYS",
                days_or_kept(self.retention.conversations),
            ),
            (
                "RETENTION_PARTICIPANTS_DAYS",
                days_or_kept(self.retention.participants),
            ),
            ("LOG_LEVEL", format!("{} ({format})", self.logging.filter)),
        ]);
        shown
    }
}

impl Config {
    fn shown_identity(&self) -> String {
        match &self.identity {
            IdentityConfig::Local => "local".to_owned(),
            IdentityConfig::Supabase(_) => "supabase".to_owned(),
        }
    }

    fn supabase(&self, show: impl FnOnce(&SupabaseConfig) -> String) -> String {
        match &self.identity {
            IdentityConfig::Local => not_set(),
            IdentityConfig::Supabase(supabase) => show(supabase),
        }
    }

    fn shown_otp(&self) -> String {
        match &self.otp.provider {
            OtpProviderConfig::Console => "console (codes are printed)".to_owned(),
            OtpProviderConfig::Twilio(twilio) => format!("twilio {}", twilio.service_sid),
            OtpProviderConfig::Supabase => "supabase".to_owned(),
        }
    }

    fn shown_twilio(&self) -> [(&'static str, String); 6] {
        let twilio = match &self.otp.provider {
            OtpProviderConfig::Twilio(twilio) => Some(twilio),
            OtpProviderConfig::Console | OtpProviderConfig::Supabase => None,
        };
        let by = |is_key: bool| twilio.filter(|twilio| twilio.username.starts_with("SK") == is_key);
        let name = |is_key| by(is_key).map_or_else(not_set, |twilio| twilio.username.clone());
        let secret = |is_key| by(is_key).map_or_else(not_set, |_| "***".to_owned());
        let service = twilio.map_or_else(not_set, |twilio| twilio.service_sid.clone());
        let url = twilio.map_or_else(not_set, |twilio| twilio.base_url.to_string());
        [
            ("TWILIO_VERIFY_SERVICE_SID", service),
            ("TWILIO_ACCOUNT_SID", name(false)),
            ("TWILIO_AUTH_TOKEN", secret(false)),
            ("TWILIO_API_KEY_SID", name(true)),
            ("TWILIO_API_KEY_SECRET", secret(true)),
            ("TWILIO_BASE_URL", url),
        ]
    }

    fn shown_authority(&self) -> String {
        let tls = &self.database.tls;
        match (&self.database.kind, &tls.authority, tls.is_verified) {
            (DatabaseKind::Sqlite { .. }, ..) => not_set(),
            (_, Some(pem), _) => format!("({} bytes of certificates)", pem.len()),
            (_, None, true) => "(public authorities)".to_owned(),
            (_, None, false) => "(the server's certificate is not verified)".to_owned(),
        }
    }

    /// Only production asks for the promise; it is kept where SQLite serves there.
    fn shown_promise(&self) -> String {
        match (self.environment, &self.database.kind) {
            (Environment::Production, DatabaseKind::Sqlite { .. }) => "1".to_owned(),
            _ => not_set(),
        }
    }

    fn shown_channels(&self) -> String {
        let channels: Vec<_> = self.otp.channels.iter().map(|c| c.as_str()).collect();
        channels.join(",")
    }

    fn shown_test_numbers(&self) -> String {
        let numbers = &self.otp.test_numbers;
        if numbers.is_empty() {
            return "(none)".to_owned();
        }
        let shown = numbers
            .iter()
            .map(|test| format!("{}=***", test.phone.as_str()));
        shown.collect::<Vec<_>>().join(",")
    }

    fn shown_keyring(&self) -> String {
        match &self.session.keyring {
            KeyringSource::Generated => "(made by serve and kept beside the database)".to_owned(),
            KeyringSource::Given(keyring) => {
                let ids: Vec<_> = keyring.ids().collect();
                format!("*** (key ids {})", ids.join(", "))
            }
        }
    }

    fn shown_origins(&self) -> String {
        let origins = self.web.origins.iter().map(|listed| match listed.site {
            Site::Same => listed.origin.clone(),
            Site::Cross => format!("{};cross-site", listed.origin),
        });
        let listed: Vec<_> = origins.collect();
        if listed.is_empty() {
            not_set()
        } else {
            listed.join(",")
        }
    }
}

fn days(span: Duration) -> String {
    (span.as_secs() / (24 * 60 * 60)).to_string()
}

fn days_or_kept(span: Option<Duration>) -> String {
    span.map_or_else(|| "(kept)".to_owned(), days)
}

fn not_set() -> String {
    "(not set)".to_owned()
}

/// A URL without its password and without its query, where drivers accept passwords too.
fn masked(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return "***".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.to_string()
}
