//! Our cookies: their names, the headers that set them, and the cookies that a browser sent.
//!
//! The prefix `__Host-` keeps other hosts of the domain from setting our cookies. Browsers refuse the prefix on
//! a developer's plain `http://localhost`, so the cookies have other names there. A cookie that came twice has no
//! value, because nothing shows which of the two is ours.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{Site, WebConfig};

/// One of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum CookieKind {
    /// The session's refresh token.
    Session,
    /// A random value that a browser has before it is signed in.
    PreSession,
    /// Proves that a number was confirmed on this device before.
    Device,
}

/// The names and attributes of cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieRules {
    /// The cookies of a backend that browsers reach by https.
    Https,
    /// The cookies for a developer's `http://localhost`.
    PlainLocalhost,
}

impl CookieRules {
    /// The rules are `PlainLocalhost` only for a development backend without https.
    pub fn of(web: &WebConfig) -> Self {
        let is_https = web
            .own_origin
            .as_deref()
            .is_some_and(|origin| origin.starts_with("https://"));
        if web.allows_localhost && !is_https {
            Self::PlainLocalhost
        } else {
            Self::Https
        }
    }

    /// Whether browsers send the cookies over https only.
    pub(in crate::http) fn are_secure(self) -> bool {
        self == Self::Https
    }

    const fn name(self, kind: CookieKind) -> &'static str {
        match (self, kind) {
            (Self::Https, CookieKind::Session) => "__Host-archety_session",
            (Self::Https, CookieKind::PreSession) => "__Host-archety_pre",
            (Self::Https, CookieKind::Device) => "__Host-archety_device",
            (Self::PlainLocalhost, CookieKind::Session) => "archety_dev",
            (Self::PlainLocalhost, CookieKind::PreSession) => "archety_dev_pre",
            (Self::PlainLocalhost, CookieKind::Device) => "archety_dev_device",
        }
    }

    /// The header that sets a cookie for `max_age`.
    pub(in crate::http) fn set(
        self,
        kind: CookieKind,
        value: &str,
        max_age: Duration,
        site: Site,
    ) -> (HeaderName, HeaderValue) {
        let max_age =
            cookie::time::Duration::try_from(max_age).unwrap_or(cookie::time::Duration::MAX);
        let mut cookie = Cookie::build((self.name(kind), value))
            .path("/")
            .http_only(true)
            .secure(self.are_secure())
            .max_age(max_age)
            .build();
        if site == Site::Cross && self.are_secure() {
            cookie.set_same_site(SameSite::None);
            cookie.set_partitioned(true);
        } else {
            cookie.set_same_site(SameSite::Lax);
        }
        let text = cookie.to_string();
        let value = HeaderValue::from_str(&text).expect("our names and values are plain ASCII");
        (SET_COOKIE, value)
    }

    /// The header that removes a cookie.
    pub(in crate::http) fn clear(self, kind: CookieKind, site: Site) -> (HeaderName, HeaderValue) {
        self.set(kind, "", Duration::ZERO, site)
    }
}

/// Our cookies of one request, in the order in which they came.
pub(in crate::http) struct ReceivedCookies(Vec<(CookieKind, String)>);

impl ReceivedCookies {
    pub(super) fn read(headers: &HeaderMap, rules: CookieRules) -> Self {
        let kinds = [
            CookieKind::Session,
            CookieKind::PreSession,
            CookieKind::Device,
        ];
        let texts = headers.get_all(COOKIE).iter();
        let cookies = texts
            .filter_map(|text| text.to_str().ok())
            .flat_map(|text| Cookie::split_parse(text).flatten());
        let received = cookies.filter_map(|cookie| {
            let kind = kinds
                .into_iter()
                .find(|kind| rules.name(*kind) == cookie.name())?;
            Some((kind, cookie.value().to_owned()))
        });
        Self(received.collect())
    }

    /// Whether any of our cookies came.
    pub(super) fn has_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The value of a cookie that came exactly once and is not empty.
    pub(in crate::http) fn get(&self, kind: CookieKind) -> Option<&str> {
        let mut values = self.values(kind);
        let value = values.next().filter(|value| !value.is_empty());
        value.filter(|_| values.next().is_none())
    }

    /// Whether a cookie came at all, even if twice or empty.
    pub(in crate::http) fn contains(&self, kind: CookieKind) -> bool {
        self.values(kind).next().is_some()
    }

    fn values(&self, kind: CookieKind) -> impl Iterator<Item = &str> {
        let of_kind = self.0.iter().filter(move |(received, _)| *received == kind);
        of_kind.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(own_origin: Option<&str>, allows_localhost: bool) -> CookieRules {
        CookieRules::of(&WebConfig {
            own_origin: own_origin.map(str::to_owned),
            origins: Vec::new(),
            allows_localhost,
        })
    }

    #[test]
    fn cookies_have_the_names_and_attributes_of_their_rules() {
        let set = |rules: CookieRules, site| {
            let (_, value) = rules.set(CookieKind::Session, "v", Duration::from_mins(1), site);
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
        let development = rules(None, true);
        assert_eq!(
            set(development, Site::Same),
            "archety_dev=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"
        );
        let without_url = rules(None, false);
        assert!(set(without_url, Site::Same).starts_with("__Host-"));
    }

    #[test]
    fn a_cookie_that_came_twice_has_no_value() {
        let rules = rules(None, true);
        let received = |texts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(COOKIE, HeaderValue::from_static(text));
            }
            ReceivedCookies::read(&headers, rules)
        };
        let cookies = received(&["a=b; archety_dev=token", "archety_dev_pre=x"]);
        assert_eq!(cookies.get(CookieKind::Session), Some("token"));
        assert_eq!(cookies.get(CookieKind::PreSession), Some("x"));
        assert_eq!(cookies.get(CookieKind::Device), None);
        for twice in [
            &["archety_dev=a; archety_dev=b"][..],
            &["archety_dev=a", "archety_dev=a"],
        ] {
            let twice = received(twice);
            assert_eq!(twice.get(CookieKind::Session), None);
            assert!(
                twice.has_any(),
                "the cookie still shows that a browser sent the request"
            );
        }
        let foreign = received(&["archety_dev_session=a; __Host-archety_session=b"]);
        assert!(!foreign.has_any());
    }
}
