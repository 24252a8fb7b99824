//! `DATABASE_CA`, and how connections to a Postgres on another machine are protected.
//!
//! The driver's own default tries to encrypt, goes on in plain text if the server declines, and does not check
//! which server answers. That is not enough for another machine: in production the server must prove with a
//! certificate that it is the one that the URL names, or the connection fails.

use url::Url;

use super::postgres_host::{PostgresHost, last_parameter};
use super::{Environment, Reader, Variables};

const CA: &str = "DATABASE_CA";
/// The `sslmode` in which the server is verified.
const VERIFIED: &str = "verify-full";

/// How connections to Postgres are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseTls {
    /// Whether the server must prove with a certificate that it is the one that the URL names.
    pub is_verified: bool,
    /// PEM certificates of the authority that signs the server's certificate. `None` stands for the public
    /// authorities, as in browsers.
    pub authority: Option<Vec<u8>>,
}

impl DatabaseTls {
    /// Reads the protection of connections to the Postgres at `url`.
    pub(super) fn read(url: &str, reader: &mut Reader) -> Self {
        let authority = reader.get(CA).and_then(|text| match read_pem(text) {
            Ok(pem) => Some(pem),
            Err(fault) => {
                reader.refuse(CA, fault);
                None
            }
        });
        let host = PostgresHost::of(url, reader.variables);
        let is_private = host.is_none_or(|host| host.is_private());
        let mode = ssl_mode(url, reader.variables);
        let is_verified = match mode.as_deref() {
            Some(mode) => mode == VERIFIED,
            None => authority.is_some() || (!is_private && reader.is_production()),
        };
        if !is_private && !is_verified {
            report_unverified(mode.as_deref(), reader);
        }
        if authority.is_some() && !is_verified {
            let message = format!("counts for nothing with another sslmode than {VERIFIED}");
            reader.warn(CA, message);
        }
        Self {
            is_verified,
            authority,
        }
    }
}

/// Reports that a server on another machine is not verified. `mode` is the configured `sslmode`; without one, only
/// development leaves a server unverified.
fn report_unverified(mode: Option<&str>, reader: &mut Reader) {
    let Some(mode) = mode else {
        let message =
            format!("which server answers is not verified; add ?sslmode={VERIFIED}, or set {CA}");
        return reader.warn("DATABASE_URL", message);
    };
    let fault = match reader.environment {
        Environment::Production => "is refused for",
        Environment::Development => "is not safe for",
    };
    let message = format!(
        "sslmode={mode} {fault} a database on another machine, which could be read or \
         replaced on the way; leave it out, which means {VERIFIED}, and set {CA} if the \
         authority is the provider's own (Supabase: prod-ca-2021.crt from its dashboard)"
    );
    reader.refuse_in_production("DATABASE_URL", message);
}

/// The last `sslmode` in the URL, or else `PGSSLMODE`, in lower case.
fn ssl_mode(url: &str, variables: &Variables) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let in_url = last_parameter(&url, ["sslmode", "ssl-mode"]);
    let mode = in_url.or_else(|| variables.get("PGSSLMODE").map(str::to_owned));
    mode.map(|mode| mode.to_ascii_lowercase())
}

/// The certificates in `text`, which is PEM or the path of a PEM file, or else the message of the problem. A variable
/// that can have only one line may write `\n` for each line end of its PEM.
fn read_pem(text: &str) -> Result<Vec<u8>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let (pem, source) = if text.contains("-----BEGIN") {
        (text.replace("\\n", "\n"), "it".to_owned())
    } else {
        let read = std::fs::read_to_string(text);
        let pem = read.map_err(|error| {
            format!("must be a certificate in PEM, or the path of a file with one; {text}: {error}")
        })?;
        (pem, text.to_owned())
    };
    let is_whole = pem
        .split_once(BEGIN)
        .is_some_and(|(_, rest)| rest.contains(END));
    if is_whole {
        Ok(pem.into_bytes())
    } else {
        Err(format!(
            "{source} holds no whole certificate ({BEGIN} … {END})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Problems;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    struct TlsRead {
        is_verified: bool,
        refused: Vec<&'static str>,
        warned: Vec<&'static str>,
    }

    fn read(url: &str, environment: Environment, variables: &[(&str, &str)]) -> TlsRead {
        let variables = Variables::of(variables.iter().copied());
        let mut reader = Reader::new(&variables, environment);
        let tls = DatabaseTls::read(url, &mut reader);
        let keys = |problems: Problems| problems.0.iter().map(|it| it.key).collect();
        TlsRead {
            is_verified: tls.is_verified,
            refused: keys(reader.problems),
            warned: keys(reader.warnings),
        }
    }

    #[test]
    fn production_verifies_a_remote_database_or_refuses_it() {
        let remote = "postgres://u:p@db.example.com/a";
        let production = |url: &str| read(url, Environment::Production, &[]);
        assert!(production(remote).is_verified);
        assert!(production(&format!("{remote}?sslmode=verify-full")).is_verified);
        assert!(
            production(&format!("{remote}?sslmode=VERIFY-FULL"))
                .refused
                .is_empty()
        );
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            for key in ["sslmode", "ssl-mode"] {
                let outcome = production(&format!("{remote}?{key}={mode}"));
                assert_eq!(outcome.refused, ["DATABASE_URL"], "{mode}");
            }
            let variables = [("PGSSLMODE", mode)];
            let outcome = read(remote, Environment::Production, &variables);
            assert_eq!(outcome.refused, ["DATABASE_URL"], "{mode}");
        }
        let last = format!("{remote}?sslmode=verify-full&sslmode=disable");
        assert_eq!(production(&last).refused, ["DATABASE_URL"]);
    }

    #[test]
    fn a_database_on_this_machine_or_in_the_railway_project_needs_no_certificate() {
        for url in [
            "postgres://u@localhost/a",
            "postgres:///a?host=/run/pg",
            "postgres://u@postgres.railway.internal/a",
        ] {
            for end in ["", "&sslmode=disable", "&sslmode=prefer"] {
                let query = if url.contains('?') {
                    end.to_owned()
                } else {
                    end.replacen('&', "?", 1)
                };
                let unverified = read(&format!("{url}{query}"), Environment::Production, &[]);
                assert!(!unverified.is_verified);
                assert!(unverified.refused.is_empty() && unverified.warned.is_empty());
            }
            let with_authority = read(url, Environment::Production, &[(CA, PEM)]);
            let url = format!(
                "{url}{}sslmode=require",
                if url.contains('?') { '&' } else { '?' }
            );
            let with_require = read(&url, Environment::Production, &[(CA, PEM)]);
            assert!(!with_require.is_verified);
            assert_eq!(with_require.warned, [CA]);
            assert!(
                with_authority.is_verified,
                "an authority that is named is checked"
            );
        }
    }

    #[test]
    fn development_is_warned_of_an_unverified_server() {
        let remote = "postgres://u:p@db.example.com/a";
        for (url, expected) in [
            (remote.to_owned(), &["DATABASE_URL"][..]),
            (format!("{remote}?sslmode=require"), &["DATABASE_URL"]),
            (format!("{remote}?sslmode=verify-full"), &[]),
        ] {
            let tls = read(&url, Environment::Development, &[]);
            assert_eq!((tls.refused, &tls.warned[..]), (vec![], expected), "{url}");
        }
    }

    #[test]
    fn an_authority_is_given_as_pem_or_as_a_file() {
        assert_eq!(read_pem(PEM).as_deref(), Ok(PEM.as_bytes()));
        let one_line = PEM.trim().replace('\n', "\\n");
        assert_eq!(read_pem(&one_line).as_deref(), Ok(PEM.trim().as_bytes()));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.crt");
        std::fs::write(&file, PEM).expect("written");
        let path = file.to_str().expect("text");
        assert_eq!(read_pem(path).as_deref(), Ok(PEM.as_bytes()));
        std::fs::write(&file, "not a certificate").expect("written");
        let half = "-----BEGIN CERTIFICATE-----\nAAAA";
        for wrong in [path, "/nowhere/ca.crt", half, "-----BEGIN PRIVATE KEY-----"] {
            assert!(read_pem(wrong).is_err(), "{wrong}");
        }
    }
}
