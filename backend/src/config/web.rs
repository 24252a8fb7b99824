//! `PUBLIC_URL` and `WEB_ORIGINS`: from which pages browsers may call, and whether cookies reach us.
//!
//! A cookie that is `SameSite=Lax` is only sent from pages of our own site: same scheme, same
//! registrable domain by the public suffix list. Two subdomains of a platform such as
//! `*.up.railway.app` are two sites. An origin of another site has to be chosen as such
//! (`https://app.example.org;cross-site`), and gets `SameSite=None; Partitioned` cookies.

use url::{Host, Url};

use super::{Environment, Problems, ServerConfig, Variables};

/// Which pages may call, and how cookies are named and sent.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// The origin of `PUBLIC_URL`, which the backend's own pages have.
    pub own: Option<String>,
    /// Every other origin that may call with cookies.
    pub origins: Vec<WebOrigin>,
    /// Whether browsers that speak plain HTTP to localhost may sign in: development only.
    pub allows_localhost: bool,
}

/// An origin that may call with cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    /// As browsers send it: `https://app.example.com`.
    pub origin: String,
    /// Which cookies reach us from there.
    pub site: Site,
}

/// How an origin relates to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The same scheme and registrable domain.
    Same,
    /// Another one, chosen as such.
    Cross,
}

const KEY: &str = "WEB_ORIGINS";
const CROSS_SITE: &str = ";cross-site";

impl WebConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        server: &ServerConfig,
        found: &mut Problems,
    ) -> Self {
        let allows_localhost =
            environment == Environment::Development && server.address.ip().is_loopback();
        let own = server.public_url.as_ref();
        let mut origins = Vec::new();
        for entry in variables
            .get(KEY)
            .into_iter()
            .flat_map(|list| list.split(','))
        {
            let entry = entry.trim();
            let (text, chosen) = match entry.strip_suffix(CROSS_SITE) {
                Some(text) => (text.trim(), Site::Cross),
                None => (entry, Site::Same),
            };
            let Some(url) = parse_origin(text, environment) else {
                found.push(
                    KEY,
                    "must be origins such as https://app.example.com, separated by commas, without * (list each); https outside this machine",
                );
                continue;
            };
            let is_same = match own {
                Some(own) => same_site(own, &url),
                // The browser will tell whether it takes the page for a site of ours.
                None => allows_localhost && super::is_loopback(&url),
            };
            if chosen == Site::Same && !is_same {
                found.push(KEY, explain(own, &url));
                continue;
            }
            origins.push(WebOrigin {
                origin: url.origin().ascii_serialization(),
                site: if is_same { Site::Same } else { Site::Cross },
            });
        }
        Self {
            own: own.map(|url| url.origin().ascii_serialization()),
            origins,
            allows_localhost,
        }
    }
}

fn explain(own: Option<&Url>, url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    match own {
        None => format!("{origin}: set PUBLIC_URL too, so that it is known whether cookies arrive"),
        Some(own) => format!(
            "{origin} is another site than PUBLIC_URL ({}), so that cookies would not arrive; serve both under one domain, or choose {origin}{CROSS_SITE}",
            own.origin().ascii_serialization()
        ),
    }
}

fn parse_origin(text: &str, environment: Environment) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_near = environment == Environment::Development && super::is_loopback(&url);
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
    // Origins are compared whole: a pattern would be taken and then match no page.
    let is_pattern = url.host_str().is_some_and(|host| host.contains('*'));
    (is_bare && is_safe && url.has_host() && !is_pattern).then_some(url)
}

/// Same scheme and same registrable domain.
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
    fn a_platforms_subdomains_are_sites_of_their_own() {
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
