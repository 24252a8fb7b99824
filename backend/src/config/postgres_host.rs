//! The host of a Postgres server, found by the rules of the database driver.

use std::net::IpAddr;

use url::Url;

use super::Variables;

/// The host of a Postgres server. A host in the query of the URL takes the place of the URL's own. If the URL has
/// neither, the host is taken from the environment. A path or an empty host means a unix socket.
#[derive(Debug)]
pub(super) struct PostgresHost {
    /// The environment variable that names the host.
    pub(super) named_by: &'static str,
    host: String,
}

impl PostgresHost {
    /// `None` if `url` is not a URL of Postgres.
    pub(super) fn of(url: &str, variables: &Variables) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return None;
        }
        let in_query = last_parameter(&url, ["host", "hostaddr"]);
        let host = in_query.unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
        let in_environment = ["PGHOSTADDR", "PGHOST"]
            .into_iter()
            .find_map(|key| Some((key, variables.get(key)?)));
        Some(match in_environment {
            Some((named_by, value)) if host.is_empty() => Self {
                named_by,
                host: value.to_owned(),
            },
            _ => Self {
                named_by: "DATABASE_URL",
                host,
            },
        })
    }

    pub(super) fn is_on_this_machine(&self) -> bool {
        let host = &self.host;
        let without_brackets = host.trim_matches(['[', ']']);
        // The path of a socket begins with a slash, which is `%2F` where a URL has its host.
        let is_socket = host.is_empty()
            || host.starts_with('/')
            || host.to_ascii_lowercase().starts_with("%2f");
        is_socket
            || without_brackets.eq_ignore_ascii_case("localhost")
            || without_brackets
                .parse::<IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether data for the server stays on this machine or in the encrypted network of one project on Railway.
    pub(super) fn is_private(&self) -> bool {
        let host = self.host.to_ascii_lowercase();
        self.is_on_this_machine() || host.ends_with(".railway.internal")
    }
}

/// The value of the last parameter with one of these names in the query of a URL. The driver takes the last one.
pub(super) fn last_parameter(url: &Url, names: [&str; 2]) -> Option<String> {
    let pairs = url.query_pairs();
    let (_, value) = pairs.filter(|(key, _)| names.contains(&&**key)).last()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str, environment: &[(&str, &str)]) -> PostgresHost {
        let variables = Variables::of(environment.iter().copied());
        PostgresHost::of(url, &variables).expect("a URL of Postgres")
    }

    #[test]
    fn a_host_is_found_where_the_driver_finds_it() {
        for (url, environment, named_by, is_on_this_machine) in [
            ("postgres://u@127.0.0.1/a", &[][..], "DATABASE_URL", true),
            ("postgres://u@[::1]:6000/a", &[], "DATABASE_URL", true),
            ("postgres://u@LOCALHOST/a", &[], "DATABASE_URL", true),
            ("postgres:///a?host=/run/pg", &[], "DATABASE_URL", true),
            ("postgres://%2Frun%2Fpg/a", &[], "DATABASE_URL", true),
            ("postgres:///a", &[], "DATABASE_URL", true),
            ("postgres://u@db.example.com/a", &[], "DATABASE_URL", false),
            (
                "postgres://u@localhost/a?host=10.0.0.7",
                &[],
                "DATABASE_URL",
                false,
            ),
            (
                "postgresql://u@localhost/a?hostaddr=10.0.0.7",
                &[],
                "DATABASE_URL",
                false,
            ),
            (
                "postgres:///a",
                &[("PGHOST", "db.example.com")],
                "PGHOST",
                false,
            ),
            (
                "postgres:///a",
                &[("PGHOSTADDR", "10.0.0.7"), ("PGHOST", "/run")],
                "PGHOSTADDR",
                false,
            ),
            ("postgres:///a", &[("PGHOST", "/run/pg")], "PGHOST", true),
            // The host of the URL counts before the environment.
            (
                "postgres://localhost/a",
                &[("PGHOST", "db.example.com")],
                "DATABASE_URL",
                true,
            ),
        ] {
            let host = host(url, environment);
            assert_eq!(
                (host.named_by, host.is_on_this_machine()),
                (named_by, is_on_this_machine),
                "{url}"
            );
        }
        assert!(PostgresHost::of("sqlite://a.db", &Variables::default()).is_none());
    }

    #[test]
    fn only_this_machine_and_railways_network_are_private() {
        for (url, is_private) in [
            ("postgres://u@postgres.railway.internal/a", true),
            ("postgres://u@Db.Railway.Internal:5432/a", true),
            ("postgres://u@localhost/a", true),
            ("postgres://u@railway.internal.example.com/a", false),
            ("postgres://u@10.0.0.7/a", false),
            ("postgres://u@db/a", false),
        ] {
            assert_eq!(host(url, &[]).is_private(), is_private, "{url}");
        }
    }
}
