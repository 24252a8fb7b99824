//! What a handler knows about the request beside its content.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName};

use crate::config::TrustedProxies;
use crate::ids::RequestId;

/// Where proxies put the client's address. `X-Forwarded-For` is a list that clients may begin.
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Names the request and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) request_id: RequestId,
    pub(super) client: IpAddr,
}

/// The other end of the connection, put into each request by the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Self>().cloned();
        Ok(context.expect("the frame around every route puts it there"))
    }
}

/// The address that a request came from: the peer's, or what a proxy of ours says it was.
pub(super) fn client_of(
    extensions: &Extensions,
    headers: &HeaderMap,
    proxies: &TrustedProxies,
) -> IpAddr {
    // Requests that come in without a connection are a test's.
    let peer = extensions
        .get::<Peer>()
        .map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |peer| peer.0);
    if !proxies.contains(peer) {
        return peer;
    }
    let mut told = headers.get_all(REAL_IP).iter();
    match (told.next(), told.next()) {
        (Some(address), None) => address
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse::<IpAddr>().ok())
            .map_or(peer, |address| address.to_canonical()),
        _ => peer,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_proxy_of_ours_is_believed() {
        let proxies = TrustedProxies::parse("100.64.0.0/10").expect("a list");
        let client = |peer: &str, told: &[&'static str]| {
            let mut extensions = Extensions::new();
            extensions.insert(Peer(peer.parse().expect("an address")));
            let mut headers = HeaderMap::new();
            for address in told {
                headers.append(REAL_IP, HeaderValue::from_static(address));
            }
            client_of(&extensions, &headers, &proxies).to_string()
        };
        assert_eq!(client("100.64.0.2", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("100.64.0.2", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        for unclear in [&[][..], &["unknown"], &["203.0.113.9", "203.0.113.8"]] {
            assert_eq!(client("100.64.0.2", unclear), "100.64.0.2");
        }
    }
}
