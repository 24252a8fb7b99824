//! `HOST`: the IP address that the server listens on.

use std::net::{IpAddr, Ipv4Addr};

/// Parses `localhost`, or an IP address with or without square brackets. `None` for other text.
pub(super) fn parse_host(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        text => text.trim_matches(['[', ']']).parse().ok(),
    }
}
