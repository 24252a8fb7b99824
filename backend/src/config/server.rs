//! Where the backend listens, as what it runs, what it logs and who may read its metrics.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use url::Url;

use super::environment::Environment;
use super::postgres_host::PostgresHost;
use super::{Problems, Variables, strength};

impl Environment {
    /// Without `APP_ENV`, a server that can only be reached from this machine is in development, unless
    /// another setting belongs to a deployment: behind a proxy on the same host the guess would open
    /// `/metrics` and the test numbers to the world.
    pub(super) fn read(variables: &Variables, server: &ServerConfig, found: &mut Problems) -> Self {
        match variables.get("APP_ENV") {
            Some("development") => Self::Development,
            Some("production") => Self::Production,
            Some(_) => {
                found.push("APP_ENV", "must be development or production");
                Self::Production
            }
            None => {
                if let Some(sign) = sign_of_a_deployment(variables, server) {
                    found.push(
                        "APP_ENV",
                        format!("is not set, and {sign}; set it to production for a deployment, or to development for work on this machine"),
                    );
                }
                if server.address.ip().is_loopback() {
                    Self::Development
                } else {
                    Self::Production
                }
            }
        }
    }
}

/// The setting that makes development a dangerous guess and production a surprising one.
fn sign_of_a_deployment(variables: &Variables, server: &ServerConfig) -> Option<String> {
    const CREDENTIALS: [&str; 6] = [
        "SUPABASE_SERVICE_KEY",
        "SUPABASE_ANON_KEY",
        "SUPABASE_PASSWORD_KEYS",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_API_KEY_SECRET",
        "TWILIO_VERIFY_SERVICE_SID",
    ];
    if server
        .public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == "https")
    {
        return Some("PUBLIC_URL begins with https://".to_owned());
    }
    let elsewhere = variables
        .get("DATABASE_URL")
        .and_then(|url| PostgresHost::of(url, variables))
        .filter(|host| !host.is_on_this_machine());
    if let Some(host) = elsewhere {
        let key = host.named_by;
        return Some(format!("{key} names a database on another machine"));
    }
    let set = CREDENTIALS.iter().find(|key| variables.get(key).is_some());
    set.map(|key| format!("{key} is set"))
}

/// Where to listen.
#[derive(Debug)]
pub struct ServerConfig {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Under which URL the world reaches this backend.
    pub public_url: Option<Url>,
}

impl ServerConfig {
    const DEFAULT_PORT: u16 = 8000;

    pub(super) fn read(variables: &Variables, found: &mut Problems) -> Self {
        let host = match variables.get("HOST") {
            None | Some("localhost") => IpAddr::from(Ipv4Addr::LOCALHOST),
            Some(text) => text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
                found.push(
                    "HOST",
                    "must be an IP address such as 127.0.0.1, 0.0.0.0 or ::",
                );
                IpAddr::from(Ipv4Addr::LOCALHOST)
            }),
        };
        let port = match variables.get("PORT").map(str::parse) {
            None => Self::DEFAULT_PORT,
            Some(Ok(port)) => port,
            Some(Err(_)) => {
                found.push("PORT", "must be a number from 0 to 65535");
                Self::DEFAULT_PORT
            }
        };
        let public_url = variables
            .get("PUBLIC_URL")
            .filter(|text| *text != "none")
            .and_then(|text| {
                let url = Url::parse(text).ok().filter(|url| {
                    matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/"
                });
                if url.is_none() {
                    found.push(
                        "PUBLIC_URL",
                        "must be a URL without a path, such as https://api.example.com",
                    );
                }
                url
            });
        Self {
            address: SocketAddr::new(host, port),
            public_url,
        }
    }

    /// Secrets and messages cross the open network only encrypted. Without the address a client cannot
    /// tell which pages are ours, and no browser can sign in.
    pub(super) fn check_public_url(
        &self,
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) {
        if environment == Environment::Production && variables.get("PUBLIC_URL").is_none() {
            found.push(
                "PUBLIC_URL",
                "is not set; set it to the address that people reach this under, or to none if no browser ever signs in",
            );
        }
        let is_plain = |url: &Url| url.scheme() != "https";
        if environment == Environment::Production && self.public_url.as_ref().is_some_and(is_plain)
        {
            found.push("PUBLIC_URL", "must begin with https:// in production");
        }
    }
}

/// Who may read the metrics.
#[derive(Debug)]
pub struct MetricsConfig {
    /// Bearer token of `/metrics`. Without one the route is open in
    /// development on a loopback address and closed elsewhere.
    pub token: Option<SecretString>,
}

impl MetricsConfig {
    const MIN_TOKEN_CHARS: usize = 16;

    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) -> Self {
        let token = variables.get("METRICS_TOKEN").map(SecretString::from);
        let short =
            |token: &SecretString| token.expose_secret().chars().count() < Self::MIN_TOKEN_CHARS;
        if environment == Environment::Production && token.as_ref().is_some_and(short) {
            found.push(
                "METRICS_TOKEN",
                "is shorter than 16 characters; make one with `openssl rand -hex 32`, or unset it to close /metrics",
            );
        } else if environment == Environment::Production
            && let Some(token) = variables.get("METRICS_TOKEN")
        {
            strength::check_token("METRICS_TOKEN", token, found);
        }
        Self { token }
    }
}

/// What to log.
#[derive(Debug)]
pub struct LoggingConfig {
    /// A filter as tracing reads it: `info`, `archety_backend=debug,sqlx=warn`.
    pub filter: String,
    /// For eyes or for programs.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One JSON object a line.
    Json,
}

impl LoggingConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) -> Self {
        // An empty part, as of a comma at the end, would count as a directive for errors alone.
        let directives = variables.get("LOG_LEVEL").unwrap_or("info").split(',');
        let directives: Vec<&str> = (directives.map(str::trim))
            .filter(|directive| !directive.is_empty())
            .collect();
        let filter = directives.join(",");
        if filter.parse::<Targets>().is_err() || !lets_lines_through(&filter) {
            found.push(
                "LOG_LEVEL",
                "must be error, warn, info, debug or trace, or such a level and exceptions from it (info,sqlx=debug); anything else would silence the log",
            );
        }
        let format = match environment {
            Environment::Development => LogFormat::Text,
            Environment::Production => LogFormat::Json,
        };
        Self { filter, format }
    }
}

/// Whether the filter lets lines of this crate through.
///
/// A word that is no level is a target to `Targets`: `verbose` would show every line of a crate of
/// that name and silence all others, errors included.
fn lets_lines_through(filter: &str) -> bool {
    const OURS: &str = "archety_backend";
    let mut shown = false;
    for directive in filter.split(',').map(str::trim) {
        let (target, level) = directive.rsplit_once('=').unwrap_or(("", directive));
        // Spans and fields cannot be filtered by. An empty filter would count as one for errors alone.
        if directive.is_empty() || target.contains('[') {
            return false;
        }
        let Ok(level) = level.trim().parse::<LevelFilter>() else {
            return false;
        };
        let covers_us = OURS.starts_with(target.trim()) || target.trim().starts_with(OURS);
        shown |= covers_us && level != LevelFilter::OFF;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_without_app_env_is_not_guessed_at() {
        let refusal = |pairs: &[(&str, &str)]| {
            let mut found = Problems::default();
            let variables = Variables::of(pairs.iter().copied());
            let server = ServerConfig::read(&variables, &mut found);
            Environment::read(&variables, &server, &mut found);
            found.into_list().pop().map(|problem| problem.to_string())
        };
        for (key, value) in [
            ("PUBLIC_URL", "https://api.example.com"),
            ("DATABASE_URL", "postgres://u:p@db.example.com/a"),
            ("DATABASE_URL", "postgresql://u:p@10.0.0.4:5432/a"),
            ("DATABASE_URL", "postgres:///a?host=db.example.com"),
            ("DATABASE_URL", "postgres://u@localhost.example.com/a"),
            ("SUPABASE_SERVICE_KEY", "sb_secret_x"),
            ("TWILIO_AUTH_TOKEN", "00"),
            ("TWILIO_API_KEY_SECRET", "00"),
        ] {
            for host in ["127.0.0.1", "0.0.0.0"] {
                let pairs = [(key, value), ("HOST", host)];
                let message = refusal(&pairs).expect(value);
                for part in ["APP_ENV", key, "production", "development"] {
                    assert!(message.contains(part), "{message}");
                }
                for chosen in ["development", "production"] {
                    let chosen = ("APP_ENV", chosen);
                    assert_eq!(refusal(&[pairs[0], pairs[1], chosen]), None);
                }
            }
        }
        for (key, value) in [
            ("PUBLIC_URL", "http://localhost:8000"),
            ("DATABASE_URL", "sqlite://archety.db"),
            ("DATABASE_URL", "postgres://u@localhost/a"),
            ("DATABASE_URL", "postgres://u@127.0.0.2:5433/a"),
            ("DATABASE_URL", "postgres://u@[::1]/a"),
            ("DATABASE_URL", "postgres:///a"),
            ("DATABASE_URL", "postgres:///a?host=/run/postgresql"),
            ("DATABASE_URL", "postgres://%2Frun%2Fpostgresql/a"),
        ] {
            assert_eq!(refusal(&[(key, value)]), None, "{value}");
        }
    }

    #[test]
    fn a_log_level_that_would_silence_the_log_is_refused() {
        let is_refused = |filter: &str| {
            let mut found = Problems::default();
            let variables = Variables::of([("LOG_LEVEL", filter)]);
            LoggingConfig::read(&variables, Environment::Production, &mut found);
            !found.as_slice().is_empty()
        };
        for filter in [
            "verbose",
            "warning",
            "informational,sqlx=warn",
            "off",
            "0",
            "sqlx=warn",
            "archety_bakend=debug",
            "archety_backend=off",
            "archety_backend",
            "info,verbose",
            "[request]=debug",
            "info,[request]=debug",
            "info,archety_backend[request]=debug",
            ",",
            "a=b=c",
        ] {
            assert!(is_refused(filter), "{filter} was taken");
        }
        for filter in [
            "info",
            "WARN",
            "trace",
            "archety_backend=debug,info",
            "info,sqlx=off",
            "off,archety_backend=info",
            "archety_backend::http=debug",
        ] {
            assert!(!is_refused(filter), "{filter} was refused");
        }
    }

    #[test]
    fn an_empty_part_of_a_log_level_changes_nothing() {
        for (given, taken) in [("info,", "info"), (" info,, sqlx=debug", "info,sqlx=debug")] {
            let mut found = Problems::default();
            let variables = Variables::of([("LOG_LEVEL", given)]);
            let logging = LoggingConfig::read(&variables, Environment::Production, &mut found);
            assert!(found.as_slice().is_empty(), "{given}");
            assert_eq!(logging.filter, taken);
        }
    }
}
