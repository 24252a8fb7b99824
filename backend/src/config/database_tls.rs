//! `DATABASE_CA`, and how a connection to a remote Postgres is kept private.
//!
//! The driver's own default tries to encrypt, goes on in plain text if the server declines, and never asks
//! who answers. To another machine that is not enough: a connection is encrypted to the server that the
//! URL names, proven by a certificate, or there is none.

use url::Url;

use super::postgres_host::PostgresHost;
use super::{Environment, Problems, Variables};

const CA: &str = "DATABASE_CA";
const VERIFIED: &str = "verify-full";

/// How a connection to Postgres is kept private.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseTls {
    /// Whether only the server that the URL names will do, whatever else the URL says.
    pub is_verified: bool,
    /// Certificates of the authority, PEM; without them those that every browser trusts.
    pub authority: Option<Vec<u8>>,
}

impl DatabaseTls {
    /// For the Postgres at `url`.
    pub(super) fn read(
        url: &str,
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Self {
        let authority = variables.get(CA).and_then(|text| match read_pem(text) {
            Ok(pem) => Some(pem),
            Err(fault) => {
                found.push(CA, fault);
                None
            }
        });
        let is_private = PostgresHost::of(url, variables).is_none_or(|host| host.is_private());
        let mode = mode(url, variables);
        let is_verified = match mode.as_deref() {
            Some(VERIFIED) => true,
            Some(mode) => {
                if !is_private {
                    let (list, message) = match environment {
                        Environment::Production => (&mut *found, "is refused for"),
                        Environment::Development => (&mut *warnings, "is not safe for"),
                    };
                    let message = format!(
                        "sslmode={mode} {message} a database on another machine, which could be read or \
                         replaced on the way; leave it out, which means {VERIFIED}, and set {CA} if the \
                         authority is the provider's own (Supabase: prod-ca-2021.crt from its dashboard)"
                    );
                    list.push("DATABASE_URL", message);
                }
                false
            }
            None => authority.is_some() || (!is_private && environment == Environment::Production),
        };
        if mode.is_none() && !is_verified && !is_private {
            warnings.push(
                "DATABASE_URL",
                format!(
                    "which server answers is not verified; add ?sslmode={VERIFIED}, or set {CA}"
                ),
            );
        }
        if authority.is_some() && !is_verified {
            let message = format!("counts for nothing with another sslmode than {VERIFIED}");
            warnings.push(CA, message);
        }
        Self {
            is_verified,
            authority,
        }
    }
}

/// What the URL or the environment asks for; the last one counts.
fn mode(url: &str, variables: &Variables) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let in_url = url
        .query_pairs()
        .filter(|(key, _)| matches!(&**key, "sslmode" | "ssl-mode"))
        .last();
    let mode = match in_url {
        Some((_, mode)) => mode.into_owned(),
        None => variables.get("PGSSLMODE")?.to_owned(),
    };
    Some(mode.to_ascii_lowercase())
}

/// PEM as it is, or the file that holds it. Where a variable cannot have several lines, `\n` ends one.
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

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    struct Outcome {
        is_verified: bool,
        found: Vec<&'static str>,
        warned: Vec<&'static str>,
    }

    fn read(url: &str, environment: Environment, variables: &[(&str, &str)]) -> Outcome {
        let (mut found, mut warnings) = (Problems::default(), Problems::default());
        let variables = Variables::of(variables.iter().copied());
        let tls = DatabaseTls::read(url, &variables, environment, &mut found, &mut warnings);
        let keys = |problems: Problems| problems.into_list().iter().map(|it| it.key).collect();
        Outcome {
            is_verified: tls.is_verified,
            found: keys(found),
            warned: keys(warnings),
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
                .found
                .is_empty()
        );
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            for key in ["sslmode", "ssl-mode"] {
                let refused = production(&format!("{remote}?{key}={mode}"));
                assert_eq!(refused.found, ["DATABASE_URL"], "{mode}");
            }
            let variables = [("PGSSLMODE", mode)];
            let refused = read(remote, Environment::Production, &variables);
            assert_eq!(refused.found, ["DATABASE_URL"], "{mode}");
        }
        let last = format!("{remote}?sslmode=verify-full&sslmode=disable");
        assert_eq!(production(&last).found, ["DATABASE_URL"]);
    }

    #[test]
    fn what_stays_on_the_machine_or_in_the_project_needs_none() {
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
                let near = read(&format!("{url}{query}"), Environment::Production, &[]);
                assert!(!near.is_verified && near.found.is_empty() && near.warned.is_empty());
            }
            let chosen = read(url, Environment::Production, &[(CA, PEM)]);
            let url = format!(
                "{url}{}sslmode=require",
                if url.contains('?') { '&' } else { '?' }
            );
            let idle = read(&url, Environment::Production, &[(CA, PEM)]);
            assert_eq!((idle.is_verified, idle.warned), (false, vec![CA]));
            assert!(
                chosen.is_verified,
                "who names an authority wants to be sure"
            );
        }
    }

    #[test]
    fn development_is_warned() {
        let remote = "postgres://u:p@db.example.com/a";
        for (url, expected) in [
            (remote.to_owned(), &["DATABASE_URL"][..]),
            (format!("{remote}?sslmode=require"), &["DATABASE_URL"]),
            (format!("{remote}?sslmode=verify-full"), &[]),
        ] {
            let told = read(&url, Environment::Development, &[]);
            assert_eq!((told.found, &told.warned[..]), (vec![], expected), "{url}");
        }
    }

    #[test]
    fn an_authority_is_text_or_a_file() {
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
