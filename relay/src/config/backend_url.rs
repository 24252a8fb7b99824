//! The backend's address: `https`, or `http` on this machine.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// An address that [`BackendUrl::parse`] has accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendUrl(Url);

impl BackendUrl {
    /// Accepts `https://…`, and `http://…` on loopback. The path is the prefix of every route.
    pub fn parse(text: &str) -> Result<Self, InvalidBackendUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidBackendUrl::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidBackendUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBackendUrl::Query);
        }
        match url.scheme() {
            "https" if url.has_host() => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(InvalidBackendUrl::Plain),
            _ => Err(InvalidBackendUrl::Malformed),
        }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The URL of `route`, which begins with a slash.
    pub fn join(&self, route: &str) -> Url {
        let mut url = self.0.clone();
        let prefix = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}{route}"));
        url
    }
}

/// Scheme and host only: the path may contain a token.
impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendUrl({self})")
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

/// Why a text is no address of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackendUrl {
    #[error("is not an address; write it as https://backend.example.com")]
    Malformed,
    /// `http` to another machine.
    #[error("must begin with https://; plain http is for a backend on this machine only")]
    Plain,
    #[error("must not hold a user or password; the secret goes into RELAY_WEBHOOK_SECRET")]
    Credentials,
    #[error("must not hold a `?` or `#`")]
    Query,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine_is_accepted() {
        for good in [
            "https://b.example.com",
            "https://b.example.com:8443/prefix/",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "http://localhost:8000",
        ] {
            assert!(BackendUrl::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://b.example.com", InvalidBackendUrl::Plain),
            ("http://localhost.example.com", InvalidBackendUrl::Plain),
            ("http://127.0.0.1.example.com", InvalidBackendUrl::Plain),
            ("ftp://b.example.com", InvalidBackendUrl::Malformed),
            ("b.example.com", InvalidBackendUrl::Malformed),
            ("", InvalidBackendUrl::Malformed),
            ("https://u:p@b.example.com", InvalidBackendUrl::Credentials),
            ("https://b.example.com?token=1", InvalidBackendUrl::Query),
        ] {
            assert_eq!(BackendUrl::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn routes_are_appended_to_the_path_and_paths_are_not_shown() {
        let url = BackendUrl::parse("https://b.example.com/hook-token/").expect("valid");
        assert_eq!(
            url.join("/a/b").as_str(),
            "https://b.example.com/hook-token/a/b"
        );
        assert_eq!(url.to_string(), "https://b.example.com");
    }
}
