//! Our cookies: their names, how they are written, which of them a browser sent.
//!
//! `__Host-` keeps other hosts of the domain from setting them; on a developer's plain
//! `http://localhost` browsers refuse that, so there they have another name. A cookie that came twice
//! counts as not sent: which of the two is ours cannot be told.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::config::{Site, WebConfig};

/// One of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum CookieKind {
    /// The session's refresh token.
    Session,
    /// A random value that a browser has before it is signed in.
    PreSession,
    /// Tells that a number was confirmed on this device before.
    Device,
}

/// How cookies are named and written here.
#[derive(Clone, Copy, Debug)]
pub struct CookieRules {
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Https,
    /// A developer's `http://localhost`.
    PlainLocalhost,
}

impl CookieRules {
    /// Secure cookies, unless this is a developer's own machine without https.
    pub fn of(web: &WebConfig) -> Self {
        let is_https = web
            .own
            .as_deref()
            .is_some_and(|own| own.starts_with("https://"));
        let transport = if web.allows_localhost && !is_https {
            Transport::PlainLocalhost
        } else {
            Transport::Https
        };
        Self { transport }
    }

    /// Whether everything here goes over https.
    pub(in crate::http) fn are_secure(self) -> bool {
        self.transport == Transport::Https
    }

    const fn name(self, kind: CookieKind) -> &'static str {
        match (self.transport, kind) {
            (Transport::Https, CookieKind::Session) => "__Host-archety_session",
            (Transport::Https, CookieKind::PreSession) => "__Host-archety_pre",
            (Transport::Https, CookieKind::Device) => "__Host-archety_device",
            (Transport::PlainLocalhost, CookieKind::Session) => "archety_dev",
            (Transport::PlainLocalhost, CookieKind::PreSession) => "archety_dev_pre",
            (Transport::PlainLocalhost, CookieKind::Device) => "archety_dev_device",
        }
    }

    /// Sets a cookie for `max_age`.
    pub(in crate::http) fn set(
        self,
        kind: CookieKind,
        value: &str,
        max_age: Duration,
        site: Site,
    ) -> HeaderValue {
        let max_age =
            cookie::time::Duration::try_from(max_age).unwrap_or(cookie::time::Duration::MAX);
        let mut cookie = Cookie::build((self.name(kind), value))
            .path("/")
            .http_only(true)
            .max_age(max_age)
            .build();
        let is_secure = self.transport == Transport::Https;
        cookie.set_secure(is_secure);
        if site == Site::Cross && is_secure {
            cookie.set_same_site(SameSite::None);
            cookie.set_partitioned(true);
        } else {
            cookie.set_same_site(SameSite::Lax);
        }
        let text = cookie.to_string();
        HeaderValue::from_str(&text).expect("our names and values are plain ASCII")
    }

    /// Takes a cookie away.
    pub(in crate::http) fn clear(self, kind: CookieKind, site: Site) -> HeaderValue {
        self.set(kind, "", Duration::ZERO, site)
    }
}

/// Our cookies of one request.
#[derive(Default)]
pub(in crate::http) struct ShownCookies {
    session: Shown,
    pre_session: Shown,
    device: Shown,
}

#[derive(Default)]
enum Shown {
    #[default]
    No,
    Once(String),
    Twice,
}

impl Shown {
    fn add(&mut self, value: &str) {
        *self = match self {
            Self::No => Self::Once(value.to_owned()),
            Self::Once(_) | Self::Twice => Self::Twice,
        };
    }

    fn value(&self) -> Option<&str> {
        match self {
            Self::Once(value) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}

impl ShownCookies {
    pub(super) fn read(headers: &HeaderMap, rules: CookieRules) -> Self {
        let mut shown = Self::default();
        for header in headers.get_all(COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            for cookie in Cookie::split_parse(text).flatten() {
                let name = cookie.name();
                for (kind, slot) in [
                    (CookieKind::Session, &mut shown.session),
                    (CookieKind::PreSession, &mut shown.pre_session),
                    (CookieKind::Device, &mut shown.device),
                ] {
                    if name == rules.name(kind) {
                        slot.add(cookie.value());
                    }
                }
            }
        }
        shown
    }

    pub(super) fn any(&self) -> bool {
        [&self.session, &self.pre_session, &self.device]
            .into_iter()
            .any(|shown| !matches!(shown, Shown::No))
    }

    /// The value of a cookie that came exactly once.
    pub(in crate::http) fn get(&self, kind: CookieKind) -> Option<&str> {
        self.slot(kind).value()
    }

    /// Whether it came at all, be it twice.
    pub(in crate::http) fn came(&self, kind: CookieKind) -> bool {
        !matches!(self.slot(kind), Shown::No)
    }

    fn slot(&self, kind: CookieKind) -> &Shown {
        match kind {
            CookieKind::Session => &self.session,
            CookieKind::PreSession => &self.pre_session,
            CookieKind::Device => &self.device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(own: Option<&str>, allows_localhost: bool) -> CookieRules {
        CookieRules::of(&WebConfig {
            own: own.map(str::to_owned),
            origins: Vec::new(),
            allows_localhost,
        })
    }

    #[test]
    fn cookies_are_written_so_that_only_we_get_them() {
        let set = |rules: CookieRules, site| {
            let value = rules.set(CookieKind::Session, "v", Duration::from_mins(1), site);
            value.to_str().expect("ASCII").to_owned()
        };
        let production = rules(Some("https://api.example.com"), false);
        assert_eq!(
            set(production, Site::Same),
            "__Host-archety_session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"
        );
        assert_eq!(
            set(production, Site::Cross),
            "__Host-archety_session=v; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=60"
        );
        let laptop = rules(None, true);
        assert_eq!(
            set(laptop, Site::Same),
            "archety_dev=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"
        );
        let without_url = rules(None, false);
        assert!(set(without_url, Site::Same).starts_with("__Host-"));
    }

    #[test]
    fn a_cookie_that_came_twice_was_not_sent() {
        let rules = rules(None, true);
        let shown = |texts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(COOKIE, HeaderValue::from_static(text));
            }
            ShownCookies::read(&headers, rules)
        };
        let one = shown(&["a=b; archety_dev=token", "archety_dev_pre=x"]);
        assert_eq!(one.get(CookieKind::Session), Some("token"));
        assert_eq!(one.get(CookieKind::PreSession), Some("x"));
        assert_eq!(one.get(CookieKind::Device), None);
        for twice in [
            &["archety_dev=a; archety_dev=b"][..],
            &["archety_dev=a", "archety_dev=a"],
        ] {
            let twice = shown(twice);
            assert_eq!(twice.get(CookieKind::Session), None);
            assert!(twice.any(), "it is still a browser's");
        }
        let other = shown(&["archety_dev_session=a; __Host-archety_session=b"]);
        assert!(!other.any());
    }
}
