//! The pages that may send requests: our own pages, and those of `WEB_ORIGINS`.

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue, Method};
use url::{Host, Url};

use crate::config::{Site, WebConfig};
use crate::http::api_error::OriginFault;

/// Whether the page that sent a request belongs to our site or to another one. An error if the page may not send
/// requests.
pub(super) fn check(
    method: &Method,
    headers: &HeaderMap,
    web: &WebConfig,
) -> Result<Site, OriginFault> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let site = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.to_str().ok().and_then(|origin| site_of(origin, web)),
        (Some(_), Some(_)) => None,
        (None, _) => site_without_origin(method, headers, web),
    };
    let site = site.ok_or(OriginFault::NotListed)?;
    if site == Site::Same && fetch_site(headers) == Some(b"cross-site") {
        return Err(OriginFault::OtherSite);
    }
    Ok(site)
}

/// The value of `Sec-Fetch-Site`: the browser's own judgement how the page's origin is related to ours.
fn fetch_site(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("sec-fetch-site").map(HeaderValue::as_bytes)
}

/// The site of the page that sent a request without `Origin`; `None` if the page may not send it. Browsers omit this
/// header when a page reads from its own origin, and when a person follows a link.
fn site_without_origin(method: &Method, headers: &HeaderMap, web: &WebConfig) -> Option<Site> {
    let is_read = method.is_safe();
    match fetch_site(headers) {
        Some(b"same-origin" | b"none") => Some(Site::Same),
        // A page of a sibling domain may belong to another owner, so it may only read. A request of an old browser,
        // which does not send `Sec-Fetch-Site`, may also come from such a page.
        Some(b"same-site") | None if is_read => Some(Site::Same),
        Some(_) => None,
        // A request that changes something needs a listed referrer.
        None => {
            let referrer = Url::parse(headers.get(REFERER)?.to_str().ok()?).ok()?;
            site_of(&referrer.origin().ascii_serialization(), web)
        }
    }
}

/// The site of the pages of `origin`; `None` if they may not send requests.
fn site_of(origin: &str, web: &WebConfig) -> Option<Site> {
    if web.own_origin.as_deref() == Some(origin) {
        return Some(Site::Same);
    }
    let listed = web.origins.iter().find(|listed| listed.origin == origin);
    listed
        .map(|listed| listed.site)
        .or_else(|| (web.allows_localhost && is_localhost(origin)).then_some(Site::Same))
}

/// Whether an origin belongs to this machine, on any port.
fn is_localhost(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    // `Url::parse` also accepts a path after the port, which an `Origin` header never has.
    is_local && url.origin().ascii_serialization() == origin
}

/// Whether pages of this origin may read answers.
pub(super) fn may_read(origin: &str, web: &WebConfig) -> bool {
    site_of(origin, web).is_some()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::config::WebOrigin;

    fn web() -> WebConfig {
        let origin = |origin: &str, site| WebOrigin {
            origin: origin.to_owned(),
            site,
        };
        WebConfig {
            own_origin: Some("https://api.example.com".to_owned()),
            origins: vec![
                origin("https://app.example.com", Site::Same),
                origin("https://app.example.org", Site::Cross),
            ],
            allows_localhost: false,
        }
    }

    fn accepted_site(method: &Method, pairs: &[(&str, &str)]) -> Option<Site> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        check(method, &headers, &web()).ok()
    }

    #[test]
    fn only_listed_pages_may_call() {
        let origin = |text| accepted_site(&Method::POST, &[("origin", text)]);
        assert_eq!(origin("https://api.example.com"), Some(Site::Same));
        assert_eq!(origin("https://app.example.com"), Some(Site::Same));
        assert_eq!(origin("https://app.example.org"), Some(Site::Cross));
        for forged in [
            "null",
            "https://app.example.com.evil.example",
            "https://evilapp.example.com",
            "http://app.example.com",
            "https://app.example.com:444",
            "https://app.example.com/",
            "http://localhost:3000",
            "*",
            "",
        ] {
            assert_eq!(origin(forged), None, "{forged}");
        }
        let twice = [("origin", "https://app.example.com"); 2];
        assert_eq!(accepted_site(&Method::POST, &twice), None);
    }

    #[test]
    fn a_request_without_an_origin_is_judged_by_its_fetch_site_and_referrer() {
        let with_fetch_site =
            |method: &Method, site| accepted_site(method, &[("sec-fetch-site", site)]);
        for method in [Method::GET, Method::POST] {
            assert_eq!(with_fetch_site(&method, "same-origin"), Some(Site::Same));
            assert_eq!(with_fetch_site(&method, "cross-site"), None);
        }
        assert_eq!(with_fetch_site(&Method::GET, "same-site"), Some(Site::Same));
        assert_eq!(with_fetch_site(&Method::POST, "same-site"), None);
        assert_eq!(
            with_fetch_site(&Method::POST, "same-origin, cross-site"),
            None
        );
        assert_eq!(accepted_site(&Method::GET, &[]), Some(Site::Same));
        assert_eq!(accepted_site(&Method::POST, &[]), None);
        let referrer = |text| accepted_site(&Method::POST, &[("referer", text)]);
        assert_eq!(
            referrer("https://app.example.com/page?q=1"),
            Some(Site::Same)
        );
        assert_eq!(
            referrer("https://evil.example/https://app.example.com"),
            None
        );
    }

    #[test]
    fn a_page_of_our_site_that_the_browser_takes_for_another_site_is_refused() {
        let with_origin_and_site = |origin, site| {
            accepted_site(
                &Method::GET,
                &[("origin", origin), ("sec-fetch-site", site)],
            )
        };
        assert_eq!(
            with_origin_and_site("https://app.example.com", "same-site"),
            Some(Site::Same)
        );
        assert_eq!(
            with_origin_and_site("https://app.example.com", "cross-site"),
            None
        );
        assert_eq!(
            with_origin_and_site("https://app.example.org", "cross-site"),
            Some(Site::Cross)
        );
    }

    #[test]
    fn pages_of_this_machine_may_call_in_development() {
        let site_in_development = |origin| {
            let web = WebConfig {
                allows_localhost: true,
                ..WebConfig::default()
            };
            site_of(origin, &web)
        };
        for local in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:8000",
        ] {
            assert_eq!(site_in_development(local), Some(Site::Same), "{local}");
        }
        for other in [
            "http://localhost.evil.example",
            "http://localhost:3000/",
            "null",
        ] {
            assert_eq!(site_in_development(other), None, "{other}");
        }
    }
}
