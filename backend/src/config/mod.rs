//! Everything the backend is told from outside: the environment, and in development a `.env` file.
//!
//! Only this module reads either. Values are validated once, at start; everything wrong is reported
//! together, named by key, with what to do about it ([`Problems`]). What passes is strict: production
//! refuses what development merely warns about, and nothing further in re-checks.

mod database;
mod database_tls;
mod dev_secret;
mod environment;
mod former;
mod identity;
mod near_miss;
mod otp;
mod otp_limits;
mod postgres_host;
mod problems;
mod proxies;
mod relay;
mod retention;

mod server;
mod session;
mod show;
mod strength;
mod variables;
mod web;

pub use database::{DatabaseConfig, DatabaseKind, MigrateOnStart};
pub use database_tls::DatabaseTls;
pub use dev_secret::{DevSecretError, read_or_create_relay_secret, read_or_create_session_secret};
pub use environment::Environment;
pub use former::{FormerSupabase, IssuerFrom};
pub use identity::{ApiKey, IdentityConfig, SupabaseConfig};
pub use otp::{Channel, OtpConfig, OtpProviderConfig, TestNumber, TwilioConfig};
pub use otp_limits::OtpLimits;
pub use problems::{Problem, Problems};
pub use proxies::{ClientIpHeader, TrustedProxies};
pub use relay::{RelayAuth, RelayConfig, SecretSource};
pub use retention::Retention;

pub use server::{LogFormat, LoggingConfig, MetricsConfig, ServerConfig};
pub use session::{KeyringSource, Lifetimes, SessionConfig};

pub use variables::{Variables, VariablesError};
pub use web::{Site, WebConfig, WebOrigin};

use url::{Host, Url};

/// The whole configuration, valid as a whole.
#[derive(Debug)]
pub struct Config {
    /// Development or production.
    pub environment: Environment,
    /// Where to listen.
    pub server: ServerConfig,
    /// Where to keep the data.
    pub database: DatabaseConfig,
    /// Whom to believe.
    pub relay: RelayConfig,
    /// Whose word about a client's address counts.
    pub proxies: TrustedProxies,
    /// Which of their headers names the client.
    pub client_ip_header: ClientIpHeader,
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
    /// Who issues access tokens.
    pub identity: IdentityConfig,
    /// How people prove that a number is theirs.
    pub otp: OtpConfig,
    /// What sessions hang on.
    pub session: SessionConfig,
    /// Which pages may call.
    pub web: WebConfig,
    /// How long what is over is kept.
    pub retention: Retention,
    /// What to log.
    pub logging: LoggingConfig,
    /// What works but should not stay so, named by key.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks every key; on failure all that is wrong, not the first.
    pub fn from_variables(variables: &Variables) -> Result<Self, Problems> {
        let mut found = Problems::default();
        let server = ServerConfig::read(variables, &mut found);
        let environment = Environment::read(variables, &server, &mut found);
        server.check_public_url(variables, environment, &mut found);
        let mut warnings = Problems::default();
        near_miss::warn(variables, &mut warnings);
        let database = DatabaseConfig::read(variables, environment, &mut found, &mut warnings);
        let relay = RelayConfig::read(variables, environment, &mut found, &mut warnings);
        let metrics = MetricsConfig::read(variables, environment, &mut found);
        let proxies = TrustedProxies::read(variables, environment, &mut found);
        let client_ip_header = ClientIpHeader::read(variables, &mut found);
        let identity = IdentityConfig::read(variables, environment, &mut found, &mut warnings);
        let otp = OtpConfig::read(
            variables,
            environment,
            &server,
            &identity,
            &mut found,
            &mut warnings,
        );
        let session = SessionConfig::read(variables, environment, &mut found, &mut warnings);
        let web = WebConfig::read(variables, environment, &server, &mut found);
        let retention = Retention::read(variables, &mut found);
        let logging = LoggingConfig::read(variables, environment, &mut found);
        strength::check_shared(variables, environment, &mut found, &mut warnings);
        found.into_result(Self {
            environment,
            server,
            database,
            relay,
            proxies,
            client_ip_header,
            metrics,
            identity,
            otp,
            session,
            web,
            retention,
            logging,
            warnings: warnings.into_list(),
        })
    }
}

/// Whether nothing that is sent there leaves this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests;
