//! `PUBLIC_URL` and `WEB_ORIGINS`: the pages that may send requests, and whether their cookies arrive.
//!
//! A browser sends a `SameSite=Lax` cookie only from pages of the backend's own site: same scheme, same
//! registrable domain by the public suffix list. Two subdomains of a platform such as
//! `*.up.railway.app` are two sites. An origin of another site must be marked
//! (`https://app.example.org;cross-site`), and gets `SameSite=None; Partitioned` cookies.

use url::{Host, Url};

use super::{Environment, Reader, ServerConfig, is_loopback, parse_base_url};

/// The pages that may send requests with cookies.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// The origin of `PUBLIC_URL`, which the backend's own pages have.
    pub own_origin: Option<String>,
    /// Every other origin whose pages may send requests with cookies.
    pub origins: Vec<WebOrigin>,
    /// Whether browsers that speak plain HTTP to localhost may sign in. Only in development on a loopback `HOST`.
    pub allows_localhost: bool,
}

/// An origin whose pages may send requests with cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    /// `https://app.example.com`, as browsers send it.
    pub origin: String,
    pub site: Site,
}

/// Whether an origin has the scheme and the registrable domain of `PUBLIC_URL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Same,
    /// Another site, marked with `;cross-site`.
    Cross,
}

const KEY: &str = "WEB_ORIGINS";
const CROSS_SITE: &str = ";cross-site";

impl WebConfig {
    pub(super) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        let allows_localhost = server.is_local_development(reader.environment);
        let own_url = server.public_url.as_ref();
        let mut origins = Vec::new();
        for entry in reader.list(KEY) {
            let (text, is_marked) = match entry.strip_suffix(CROSS_SITE) {
                Some(text) => (text.trim(), true),
                None => (entry, false),
            };
            let Some(url) = parse_origin(text, reader.environment) else {
                reader.refuse_invalid(KEY);
                continue;
            };
            let is_same = match own_url {
                Some(own_url) => same_site(own_url, &url),
                // Without `PUBLIC_URL` it is not known by which name the developer opens the backend: to a browser,
                // `127.0.0.1` and `localhost` are two sites. So every name of this machine is accepted.
                None => allows_localhost && is_loopback(&url),
            };
            if !is_marked && !is_same {
                reader.refuse(KEY, cross_site_message(own_url, &url));
                continue;
            }
            origins.push(WebOrigin {
                origin: url.origin().ascii_serialization(),
                site: if is_same { Site::Same } else { Site::Cross },
            });
        }
        Self {
            own_origin: own_url.map(|url| url.origin().ascii_serialization()),
            origins,
            allows_localhost,
        }
    }
}

fn cross_site_message(own_url: Option<&Url>, url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    match own_url {
        None => format!("{origin}: set PUBLIC_URL too, so that it is known whether cookies arrive"),
        Some(own_url) => format!(
            "{origin} is another site than PUBLIC_URL ({}), so that cookies would not arrive; serve both under one domain, or choose {origin}{CROSS_SITE}",
            own_url.origin().ascii_serialization()
        ),
    }
}

/// Parses an origin. Patterns such as `https://*.example.com` are refused, because origins are compared as whole texts
/// and no page would match.
fn parse_origin(text: &str, environment: Environment) -> Option<Url> {
    let is_pattern = |url: &Url| url.host_str().is_some_and(|host| host.contains('*'));
    parse_base_url(text, environment).filter(|url| !is_pattern(url))
}

/// Whether both URLs have the same scheme and the same registrable domain.
fn same_site(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && match (one.host(), other.host()) {
            (Some(Host::Domain(one)), Some(Host::Domain(other))) => {
                one == other || {
                    let one = psl::domain_str(one);
                    one.is_some() && one == psl::domain_str(other)
                }
            }
            (one, other) => one == other,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_no_origin() {
        let parse = |text: &str| parse_origin(text, Environment::Production);
        for text in [
            "https://*.example.com",
            "https://app-*.example.com",
            "https://*",
            "https://%2A.example.com",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("https://app.example.com").is_some());
    }

    #[test]
    fn a_site_is_a_scheme_and_a_registrable_domain() {
        let same = |one: &str, other: &str| {
            same_site(
                &Url::parse(one).expect("a URL"),
                &Url::parse(other).expect("a URL"),
            )
        };
        assert!(same("https://api.example.com", "https://app.example.com"));
        assert!(same("https://api.example.com", "https://example.com:8443"));
        assert!(same("https://a.example.co.uk", "https://b.example.co.uk"));
        assert!(!same("https://a.co.uk", "https://b.co.uk"));
        assert!(!same(
            "https://a.up.railway.app",
            "https://b.up.railway.app"
        ));
        assert!(!same("https://api.example.com", "http://app.example.com"));
        assert!(!same("https://api.example.com", "https://api.example.org"));
        assert!(same("http://127.0.0.1:8000", "http://127.0.0.1:3000"));
        assert!(!same("http://127.0.0.1:8000", "http://127.0.0.2:3000"));
    }
}
