//! The configuration: the environment, completed from a `.env` file unless the process is set to production.
//!
//! Only this module reads the environment and the file. `settings` lists every variable. Values are validated once,
//! at start, and all problems are reported together, each with its variable and the remedy ([`Problems`]). Production
//! refuses settings that development only warns about. The rest of the backend does not check a value again.

mod database;
mod database_tls;
mod dev_secret;
mod environment;
mod former;
mod host;
mod identity;
mod limit_settings;
mod otp;
mod otp_limits;
mod postgres_host;
mod problems;
mod proxies;
mod reader;
mod relay;
mod replies;
mod retention;
mod server;
mod session;
mod settings;
mod show;
mod strength;
mod variables;
mod web;

pub use database::{DatabaseConfig, DatabaseKind};
pub use database_tls::DatabaseTls;
pub use dev_secret::{DevSecretError, read_or_create_relay_secret, read_or_create_session_secret};
pub use environment::Environment;
pub use former::FormerProjectConfig;
pub use identity::{ApiKey, IdentityConfig, SupabaseConfig};
pub use otp::{Channel, OtpConfig, OtpProviderConfig, TestNumber, TwilioConfig};
pub use otp_limits::OtpLimits;
pub use problems::{Problem, Problems};
pub use proxies::{ClientIpHeader, TrustedProxies};
pub use relay::{RelayAuth, RelayConfig};
pub use replies::{RepliesConfig, ResponderKind};
pub use retention::Retention;
pub use server::ServerConfig;
pub use variables::{Variables, VariablesError};
pub use web::{Site, WebConfig, WebOrigin};

use std::sync::Arc;

use secrecy::SecretString;
use url::{Host, Url};

use crate::keyring::Keyring;
use reader::Reader;

/// The valid configuration of one process.
#[derive(Debug)]
pub struct Config {
    pub environment: Environment,
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub relay: RelayConfig,
    pub replies: RepliesConfig,
    pub proxies: TrustedProxies,
    pub client_ip_header: ClientIpHeader,
    /// Bearer token of `/metrics`. Without a token the route is open in
    /// development on a loopback address and closed elsewhere.
    pub metrics_token: Option<SecretString>,
    pub identity: IdentityConfig,
    pub otp: OtpConfig,
    /// The keys of `SESSION_SECRET`. `None` only in development: `serve` makes a key and keeps it in a file.
    pub keyring: Option<Arc<Keyring>>,
    pub web: WebConfig,
    pub retention: Retention,
    /// Directives of `tracing`.
    pub log_filter: String,
    /// Settings that work but should be changed.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks every setting. An error lists all problems.
    pub fn from_variables(variables: &Variables) -> Result<Self, Problems> {
        // The server's address decides the environment without `APP_ENV`, so it is read first. No rule for reading the
        // address depends on the environment, so the reader may begin with either one.
        let reader = &mut Reader::new(variables, Environment::Production);
        let server = ServerConfig::read(reader);
        reader.environment = server::read_environment(reader, &server);
        server.check_public_url(reader);
        reader.warn_of_misspelt_names();
        let database = DatabaseConfig::read(reader);
        let relay = RelayConfig::read(reader);
        let replies = RepliesConfig::read(reader);
        let metrics_token = server::read_metrics_token(reader);
        let proxies = TrustedProxies::read(reader);
        let client_ip_header = reader.value("CLIENT_IP_HEADER", reader::from_str);
        let identity = IdentityConfig::read(reader);
        let otp = OtpConfig::read(reader, &server, &identity);
        let keyring = session::read_keyring(reader);
        let web = WebConfig::read(reader, &server);
        let retention = Retention::read(reader);
        let log_filter = server::read_log_filter(reader);
        strength::check_shared(reader);
        let config = Self {
            environment: reader.environment,
            server,
            database,
            relay,
            replies,
            proxies,
            client_ip_header,
            metrics_token,
            identity,
            otp,
            keyring,
            web,
            retention,
            log_filter,
            warnings: std::mem::take(&mut reader.warnings.0),
        };
        std::mem::take(&mut reader.problems).into_result(config)
    }
}

/// Whether the URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Parses the URL of a server to which keys, passwords or cookies are sent. It must be https, or in development http on
/// this machine, and must have no path, query, fragment or credentials.
fn parse_base_url(text: &str, environment: Environment) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_loopback_in_development = environment == Environment::Development && is_loopback(&url);
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback_in_development);
    (is_bare && is_safe && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests;
