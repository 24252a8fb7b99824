//! The settings of the server: its addresses, its environment, its log filter, and the token for its metrics.

use std::net::SocketAddr;

use secrecy::SecretString;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use url::Url;

use super::host::parse_host;
use super::postgres_host::PostgresHost;
use super::{Environment, Reader, strength};

/// The address to listen on, and the address that people use.
#[derive(Debug)]
pub struct ServerConfig {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// The address that people use. `None` if `PUBLIC_URL` is not set or is `none`.
    pub public_url: Option<Url>,
}

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let host = reader.value("HOST", parse_host);
        let port = reader.value("PORT", |text| text.parse().ok());
        let is_base = |url: &Url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/"
        };
        let public_url = reader.optional("PUBLIC_URL", |text| match text {
            "none" => Some(None),
            text => Url::parse(text).ok().filter(is_base).map(Some),
        });
        Self {
            address: SocketAddr::new(host, port),
            public_url: public_url.flatten(),
        }
    }

    /// Checks that `PUBLIC_URL` is an https URL or `none` in production. `none` has to be written out, because without
    /// a URL the backend does not know its own pages, and no browser can sign in. Without https, secrets and messages
    /// would travel unencrypted.
    pub(super) fn check_public_url(&self, reader: &mut Reader) {
        reader.required("PUBLIC_URL");
        let is_unencrypted = |url: &Url| url.scheme() != "https";
        if reader.is_production() && self.public_url.as_ref().is_some_and(is_unencrypted) {
            reader.refuse("PUBLIC_URL", "must begin with https:// in production");
        }
    }

    /// Whether this backend is in development and only programs on the same machine can reach it.
    pub fn is_local_development(&self, environment: Environment) -> bool {
        environment == Environment::Development && self.address.ip().is_loopback()
    }
}

/// Reads `APP_ENV`. Without it, a server that only this machine can reach is in development, and any other server in
/// production. If another setting shows a deployment, `APP_ENV` must be set: behind a proxy on the same host, a wrong
/// guess would open `/metrics` and the sign-in with fixed codes to the world.
pub(super) fn read_environment(reader: &mut Reader, server: &ServerConfig) -> Environment {
    if reader.is_set("APP_ENV") {
        let given = reader.optional("APP_ENV", |text| text.parse().ok());
        return given.unwrap_or(Environment::Production);
    }
    if let Some(sign) = sign_of_a_deployment(reader, server) {
        let message = format!(
            "is not set, and {sign}; set it to production for a deployment, or to development for work on this machine"
        );
        reader.refuse("APP_ENV", message);
    }
    if server.address.ip().is_loopback() {
        Environment::Development
    } else {
        Environment::Production
    }
}

/// The words that name a setting from which a deployment is recognised: a developer's machine does not need it.
/// `None` if there is no such setting.
fn sign_of_a_deployment(reader: &Reader, server: &ServerConfig) -> Option<String> {
    const CREDENTIALS: [&str; 6] = [
        "SUPABASE_SERVICE_KEY",
        "SUPABASE_ANON_KEY",
        "SUPABASE_PASSWORD_KEYS",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_API_KEY_SECRET",
        "TWILIO_VERIFY_SERVICE_SID",
    ];
    let public_url = server.public_url.as_ref();
    if public_url.is_some_and(|url| url.scheme() == "https") {
        return Some("PUBLIC_URL begins with https://".to_owned());
    }
    let database = reader.get("DATABASE_URL");
    let host = database.and_then(|url| PostgresHost::of(url, reader.variables));
    if let Some(host) = host.filter(|host| !host.is_on_this_machine()) {
        let key = host.named_by;
        return Some(format!("{key} names a database on another machine"));
    }
    let credential = CREDENTIALS.iter().find(|key| reader.is_set(key));
    credential.map(|key| format!("{key} is set"))
}

/// `METRICS_TOKEN`, the bearer token of `/metrics`. In production it must be hard to guess.
pub(super) fn read_metrics_token(reader: &mut Reader) -> Option<SecretString> {
    const KEY: &str = "METRICS_TOKEN";
    const MIN_CHARS: usize = 16;
    let token = reader.get(KEY)?;
    if reader.is_production() {
        if token.chars().count() < MIN_CHARS {
            reader.refuse(
                KEY,
                "is shorter than 16 characters; make one with `openssl rand -hex 32`, or unset it to close /metrics",
            );
        } else {
            strength::check_token(KEY, token, reader);
        }
    }
    Some(token.into())
}

/// `LOG_LEVEL` as directives of `tracing`: `info`, `archety_backend=debug,sqlx=warn`.
pub(super) fn read_log_filter(reader: &mut Reader) -> String {
    reader.value("LOG_LEVEL", |text| {
        // `Targets` would read an empty part, such as the one after a comma at the end, as `error`.
        let directives = text.split(',').map(str::trim);
        let directives: Vec<_> = directives.filter(|part| !part.is_empty()).collect();
        let filter = directives.join(",");
        let is_usable = filter.parse::<Targets>().is_ok() && lets_lines_through(&filter);
        is_usable.then_some(filter)
    })
}

/// Whether each directive has a level and no span or field, and one of them lets lines of this crate through.
///
/// `Targets` reads a word that is no level as a target: `verbose` would show every line of a crate of that name and
/// silence all others, errors included.
fn lets_lines_through(filter: &str) -> bool {
    const OWN_TARGET: &str = "archety_backend";
    let mut shown = false;
    for directive in filter.split(',').map(str::trim) {
        let (target, level) = directive.rsplit_once('=').unwrap_or(("", directive));
        // A target with `[` would filter by span or field. `Targets` would read an empty directive as `error`.
        if directive.is_empty() || target.contains('[') {
            return false;
        }
        let Ok(level) = level.trim().parse::<LevelFilter>() else {
            return false;
        };
        let covers_own_target =
            OWN_TARGET.starts_with(target.trim()) || target.trim().starts_with(OWN_TARGET);
        shown |= covers_own_target && level != LevelFilter::OFF;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;

    #[test]
    fn settings_of_a_deployment_require_app_env() {
        let refusal = |pairs: &[(&str, &str)]| {
            let variables = Variables::of(pairs.iter().copied());
            let mut reader = Reader::new(&variables, Environment::Production);
            let server = ServerConfig::read(&mut reader);
            read_environment(&mut reader, &server);
            reader.problems.0.pop().map(|problem| problem.to_string())
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
    fn a_log_level_that_would_silence_this_crate_is_refused() {
        let is_refused = |filter: &str| {
            let variables = Variables::of([("LOG_LEVEL", filter)]);
            let mut reader = Reader::new(&variables, Environment::Production);
            read_log_filter(&mut reader);
            !reader.problems.0.is_empty()
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
            assert!(is_refused(filter), "{filter} was accepted");
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
        for (text, expected) in [("info,", "info"), (" info,, sqlx=debug", "info,sqlx=debug")] {
            let variables = Variables::of([("LOG_LEVEL", text)]);
            let mut reader = Reader::new(&variables, Environment::Production);
            let filter = read_log_filter(&mut reader);
            assert!(reader.problems.0.is_empty(), "{text}");
            assert_eq!(filter, expected);
        }
    }
}
