//! Everything the backend is told from outside: the environment, and in development a `.env` file.
//!
//! Only this module reads either. Values are validated once, at start; everything wrong is reported
//! together, named by key, with what to do about it ([`Problems`]). What passes is strict: production
//! refuses what development merely warns about, and nothing further in re-checks.

mod database;
mod problems;
mod proxies;
mod relay;
mod relay_secret;
mod server;
mod show;
mod variables;

pub use database::{DatabaseConfig, DatabaseKind, MigrateOnStart};
pub use problems::{Problem, Problems};
pub use proxies::TrustedProxies;
pub use relay::{RelayAuth, RelayConfig, SecretSource};
pub use relay_secret::{SecretFileError, read_or_create as read_or_create_relay_secret};
pub use server::{Environment, LogFormat, LoggingConfig, MetricsConfig, ServerConfig};
pub use variables::{Variables, VariablesError};

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
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
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
        server.check_public_url(environment, &mut found);
        let database = DatabaseConfig::read(variables, environment, &mut found);
        let mut warnings = Problems::default();
        let relay = RelayConfig::read(variables, environment, &mut found, &mut warnings);
        let metrics = MetricsConfig::read(variables, environment, &mut found);
        let proxies = TrustedProxies::read(variables, environment, &mut found);
        let logging = LoggingConfig::read(variables, environment, &mut found);
        found.into_result(Self {
            environment,
            server,
            database,
            relay,
            proxies,
            metrics,
            logging,
            warnings: warnings.into_list(),
        })
    }
}

#[cfg(test)]
mod tests;
