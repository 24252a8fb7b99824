//! The texts with which the command `check` shows settings whose value is more than one field's plain text: secrets are
//! masked, lists joined, and values made by the backend explained.

use secrecy::ExposeSecret;
use url::Url;

use super::settings::or_not_set;
use super::{
    Config, DatabaseKind, Environment, IdentityConfig, OtpProviderConfig, Site, SupabaseConfig,
    TwilioConfig,
};

/// Stands for a secret that is not set, which `serve` makes in development.
const GENERATED: &str = "(made by serve and kept beside the database)";

impl Config {
    pub(super) fn shown_database(&self) -> String {
        match &self.database.kind {
            DatabaseKind::Sqlite { path } => format!("sqlite://{}", path.display()),
            DatabaseKind::Postgres { url } => masked(url.expose_secret()),
        }
    }

    pub(super) fn shown_authority(&self) -> String {
        let tls = &self.database.tls;
        match (&self.database.kind, &tls.authority) {
            (DatabaseKind::Sqlite { .. }, _) => or_not_set(None::<&str>),
            (_, Some(pem)) => format!("({} bytes of certificates)", pem.len()),
            (_, None) if tls.is_verified => "(public authorities)".to_owned(),
            (_, None) => "(the server's certificate is not verified)".to_owned(),
        }
    }

    /// `1` for SQLite in production, which does not start without this setting. Elsewhere the setting has no effect and
    /// is shown as not set.
    pub(super) fn shown_single_replica(&self) -> String {
        let is_sqlite = matches!(self.database.kind, DatabaseKind::Sqlite { .. });
        or_not_set((is_sqlite && self.environment.is_production()).then_some("1"))
    }

    pub(super) fn shown_relay_secrets(&self) -> String {
        match &self.relay.secrets {
            None => GENERATED.to_owned(),
            Some(secrets) => {
                let masked = secrets.iter().map(|it| format!("{}:***", it.relay()));
                masked.collect::<Vec<_>>().join(",")
            }
        }
    }

    pub(super) fn shown_password_keys(&self) -> String {
        let count = self.supabase().map(|project| project.password_keys.len());
        or_not_set(count.map(|count| format!("*** ({count} key(s))")))
    }

    pub(super) fn shown_otp_provider(&self) -> String {
        match &self.otp.provider {
            OtpProviderConfig::Console => "console (codes are printed)".to_owned(),
            OtpProviderConfig::Twilio(twilio) => format!("twilio {}", twilio.service_sid),
            OtpProviderConfig::Supabase => "supabase".to_owned(),
        }
    }

    pub(super) fn shown_channels(&self) -> String {
        let channels: Vec<_> = self.otp.channels.iter().map(<&str>::from).collect();
        channels.join(",")
    }

    pub(super) fn shown_test_numbers(&self) -> String {
        let numbers = self.otp.test_numbers.iter();
        let masked: Vec<_> = numbers
            .map(|it| format!("{}=***", it.phone.as_str()))
            .collect();
        if masked.is_empty() {
            "(none)".to_owned()
        } else {
            masked.join(",")
        }
    }

    pub(super) fn shown_keyring(&self) -> String {
        match &self.keyring {
            None => GENERATED.to_owned(),
            Some(keyring) => {
                let ids: Vec<_> = keyring.ids().collect();
                format!("*** (key ids {})", ids.join(", "))
            }
        }
    }

    pub(super) fn shown_origins(&self) -> String {
        let origins = self.web.origins.iter().map(|allowed| match allowed.site {
            Site::Same => allowed.origin.clone(),
            Site::Cross => format!("{};cross-site", allowed.origin),
        });
        let origins: Vec<_> = origins.collect();
        or_not_set((!origins.is_empty()).then(|| origins.join(",")))
    }

    pub(super) fn supabase(&self) -> Option<&SupabaseConfig> {
        match &self.identity {
            IdentityConfig::Local => None,
            IdentityConfig::Supabase(project) => Some(project),
        }
    }

    pub(super) fn twilio(&self) -> Option<&TwilioConfig> {
        match &self.otp.provider {
            OtpProviderConfig::Twilio(twilio) => Some(twilio),
            OtpProviderConfig::Console | OtpProviderConfig::Supabase => None,
        }
    }

    /// The SID of the Twilio account, if the backend shows Twilio the account's token and not an API key.
    pub(super) fn twilio_account(&self) -> Option<&str> {
        let sid = self.twilio()?.username.as_str();
        (!is_api_key(sid)).then_some(sid)
    }

    /// The SID of the Twilio API key, if the backend shows Twilio an API key.
    pub(super) fn twilio_api_key(&self) -> Option<&str> {
        let sid = self.twilio()?.username.as_str();
        is_api_key(sid).then_some(sid)
    }

    pub(super) fn shown_log_level(&self) -> String {
        let format = match self.environment {
            Environment::Development => "text",
            Environment::Production => "json",
        };
        format!("{} ({format})", self.log_filter)
    }
}

/// Whether a SID of Twilio belongs to an API key. The SIDs of accounts begin with `AC`.
fn is_api_key(sid: &str) -> bool {
    sid.starts_with("SK")
}

/// A URL without its password and without its query, in which the database driver accepts a password, too.
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
