//! On which machine a Postgres is, as the driver will find it.

use std::net::IpAddr;

use url::Url;

use super::Variables;

/// The server's host. Drivers take it from the query of the URL too, and from the environment where the
/// URL has none; a path, or nothing at all, is a unix socket.
#[derive(Debug)]
pub(super) struct PostgresHost {
    /// The variable that names it.
    pub(super) named_by: &'static str,
    host: String,
}

impl PostgresHost {
    /// The host of `url`; none if that is no URL of a Postgres.
    pub(super) fn of(url: &str, variables: &Variables) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return None;
        }
        let in_query = url
            .query_pairs()
            .filter(|(key, _)| matches!(&**key, "host" | "hostaddr"))
            .last();
        let host = match in_query {
            Some((_, host)) => host.into_owned(),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
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
        let bare = host.trim_matches(['[', ']']);
        let is_socket = host.is_empty()
            || host.starts_with('/')
            || host.to_ascii_lowercase().starts_with("%2f");
        is_socket
            || bare.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether what is sent there stays on this machine or in the encrypted network of one project.
    pub(super) fn is_private(&self) -> bool {
        let host = self.host.to_ascii_lowercase();
        self.is_on_this_machine() || host.ends_with(".railway.internal")
    }
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
        for (url, environment, named_by, is_here) in [
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
            // The URL goes before the environment.
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
                (named_by, is_here),
                "{url}"
            );
        }
        assert!(PostgresHost::of("sqlite://a.db", &Variables::default()).is_none());
    }

    #[test]
    fn a_private_network_is_one_that_nobody_else_is_in() {
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
