//! What a handler knows about the request beside its content.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::ids::RequestId;

/// Names the request and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) request_id: RequestId,
    pub(super) peer: IpAddr,
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

/// Requests that come in without a connection are a test's.
pub(super) fn peer_of(extensions: &http::Extensions) -> IpAddr {
    extensions
        .get::<Peer>()
        .map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |peer| peer.0)
}
