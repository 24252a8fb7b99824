//! The facts about a request besides its content: its id, the client's address, and the verified relay.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{Request, Version};

use super::route::HandlerArgument;
use crate::ids::RequestId;
use crate::relay::auth::Caller;

/// The facts about one request. The middleware makes them, and handlers and extractors share them.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) request_id: RequestId,
    /// The client's address, also behind a trusted proxy.
    pub(super) client: IpAddr,
    /// The relay that sent the request. It is set once the relay is verified, and then the answer is signed.
    pub(super) relay: Arc<OnceLock<Arc<Caller>>>,
}

/// The address of the other end of the connection. The server adds it to the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// The address from the extensions of a request. A request without a connection, which only tests make, counts as
    /// sent by this machine.
    pub(super) fn of(extensions: &http::Extensions) -> IpAddr {
        extensions
            .get::<Self>()
            .map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |peer| peer.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<Self>().cloned();
        Ok(context.expect("the middleware around every route adds the context"))
    }
}

impl HandlerArgument for Context {}

/// Why the host of a request is not valid (RFC 9112 § 3.2). The server adds the fault to the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str)]
pub(super) enum HostFault {
    #[strum(serialize = "the request has no Host header")]
    Missing,
    #[strum(serialize = "the request has more than one Host header")]
    Repeated,
    #[strum(serialize = "the Host header is no host")]
    Malformed,
}

impl HostFault {
    /// The fault of a request's host; `None` if the host is valid.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(_), Some(_)) => Some(Self::Repeated),
            (Some(host), None) => {
                let is_host = host.as_bytes().is_empty()
                    || Authority::try_from(host.as_bytes())
                        .is_ok_and(|authority| !authority.as_str().contains('@'));
                (!is_host).then_some(Self::Malformed)
            }
            // HTTP/2 may have the host in the target instead. HTTP/1.0 needs no host.
            (None, _) => {
                let in_target = request.uri().authority().is_some();
                let is_optional = request.version() < Version::HTTP_11;
                (!in_target && !is_optional).then_some(Self::Missing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(version: Version, target: &str, hosts: &[&str]) -> Option<HostFault> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        HostFault::of(&request.body(()).expect("valid"))
    }

    #[test]
    fn a_request_must_have_one_valid_host() {
        for (hosts, expected) in [
            (&["api.example.com"][..], None),
            (&["[2001:db8::1]:8000"], None),
            (&["localhost:8000"], None),
            (&[""], None),
            (&[], Some(HostFault::Missing)),
            (
                &["a.example.com", "a.example.com"],
                Some(HostFault::Repeated),
            ),
            (
                &["a.example.com, b.example.com"],
                Some(HostFault::Malformed),
            ),
            (&["user@a.example.com"], Some(HostFault::Malformed)),
            (&["a.example.com/path"], Some(HostFault::Malformed)),
        ] {
            assert_eq!(
                fault(Version::HTTP_11, "/healthz", hosts),
                expected,
                "{hosts:?}"
            );
        }
        assert_eq!(fault(Version::HTTP_10, "/healthz", &[]), None);
        assert_eq!(fault(Version::HTTP_2, "https://a.example.com/", &[]), None);
        assert_eq!(fault(Version::HTTP_2, "/", &[]), Some(HostFault::Missing));
    }
}
