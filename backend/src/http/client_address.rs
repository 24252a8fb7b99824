//! The address of the client: the peer's address, or the address that a trusted proxy names in a header.
//!
//! Any client can write such headers, so they count only from trusted proxies, and only the header that
//! `CLIENT_IP_HEADER` names. Proxies append to `X-Forwarded-For` on the right, so it is read from the right end:
//! the first address that is not a trusted proxy is the client.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::config::{ClientIpHeader, TrustedProxies};
use crate::throttle::Throttle;

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Time between two warnings of a proxy that names no client.
const WARNING_INTERVAL: Duration = Duration::from_hours(1);

/// Finds the addresses of clients.
#[derive(Debug)]
pub struct ClientAddresses {
    proxies: TrustedProxies,
    header: ClientIpHeader,
    warning: Throttle,
}

impl ClientAddresses {
    /// `proxies` may name a client's address in `header`.
    pub fn new(proxies: TrustedProxies, header: ClientIpHeader) -> Self {
        Self {
            proxies,
            header,
            warning: Throttle::new(WARNING_INTERVAL),
        }
    }

    /// The client of a request with these headers, which came from `peer`.
    pub(super) fn client_of(&self, peer: IpAddr, headers: &HeaderMap, now: Timestamp) -> IpAddr {
        if !self.proxies.contains(peer) {
            return peer;
        }
        let client = match self.header {
            ClientIpHeader::RealIp => real_ip(headers),
            ClientIpHeader::ForwardedFor => self.forwarded_for(headers),
        };
        client.unwrap_or_else(|| {
            self.warn(now);
            peer
        })
    }

    /// The client in `X-Forwarded-For`. If all addresses are of trusted proxies, the leftmost one is the client.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut hops: Vec<IpAddr> = Vec::new();
        for value in headers.get_all(FORWARDED_FOR) {
            // Proxies write nothing but addresses. So an entry that is no address was sent by the client, and all
            // entries of proxies are to the right of it.
            for entry in value.as_bytes().split(|byte| *byte == b',') {
                match std::str::from_utf8(entry).ok().and_then(parse_address) {
                    Some(address) => hops.push(address),
                    None => hops.clear(),
                }
            }
        }
        let client = hops.iter().rev().find(|hop| !self.proxies.contains(**hop));
        client.or(hops.first()).copied()
    }

    /// Logs that a trusted proxy does not name one client, at most once an hour.
    fn warn(&self, now: Timestamp) {
        if self.warning.take_turn(now) {
            tracing::warn!(
                header = self.header.into_str(),
                "a trusted proxy names no client, or several; its own address is counted instead (CLIENT_IP_HEADER, TRUSTED_PROXIES)"
            );
        }
    }
}

/// The address in `X-Real-IP`; `None` if the header did not come exactly once, or has no address.
fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(REAL_IP).iter();
    match (values.next(), values.next()) {
        (Some(address), None) => parse_address(address.to_str().ok()?),
        _ => None,
    }
}

/// Whether any header of a proxy names a client on another machine, or hides the client.
pub(super) fn names_a_client_elsewhere(headers: &HeaderMap) -> bool {
    let texts = |name: HeaderName| {
        let values = headers.get_all(name).into_iter();
        values
            .map(|value: &HeaderValue| value.to_str().unwrap_or("unreadable").to_owned())
            .collect::<Vec<_>>()
    };
    let plain = [texts(REAL_IP), texts(FORWARDED_FOR)].concat();
    let plain = plain.iter().flat_map(|text| text.split(','));
    let forwarded = texts(FORWARDED);
    let forwarded = forwarded.iter().flat_map(|text| text.split([',', ';']));
    let forwarded = forwarded.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    plain
        .chain(forwarded)
        .any(|text| !parse_address(text).is_some_and(|address| address.is_loopback()))
}

/// Parses an address as proxies write it, with or without a port, brackets or quotes.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"').trim();
    let address = text
        .parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn addresses(header: ClientIpHeader) -> ClientAddresses {
        let proxies = TrustedProxies::parse("100.64.0.0/10,fd00::/8").expect("a list");
        ClientAddresses::new(proxies, header)
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let client = |peer: &str, values: &[&'static str]| {
            let headers = headers(&REAL_IP, values);
            let peer = peer.parse().expect("an address");
            let client = addresses(ClientIpHeader::RealIp).client_of(peer, &headers, NOW);
            client.to_string()
        };
        assert_eq!(client("100.64.0.2", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("100.64.0.2", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        for unclear in [&[][..], &["unknown"], &["203.0.113.9", "203.0.113.8"]] {
            assert_eq!(client("100.64.0.2", unclear), "100.64.0.2");
        }
    }

    #[test]
    fn a_list_of_hops_is_read_from_its_right_end() {
        let client = |values: &[&'static str]| {
            let headers = headers(&FORWARDED_FOR, values);
            let peer = "100.64.0.2".parse().expect("an address");
            let client = addresses(ClientIpHeader::ForwardedFor).client_of(peer, &headers, NOW);
            client.to_string()
        };
        assert_eq!(client(&["203.0.113.9"]), "203.0.113.9");
        // The client itself wrote the left entry.
        assert_eq!(client(&["198.51.100.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["203.0.113.9, 100.64.0.7, fd00::1"]), "203.0.113.9");
        assert_eq!(client(&["198.51.100.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["x, 203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&["[2001:db8::9]:443"]), "2001:db8::9");
        assert_eq!(client(&["203.0.113.9, nonsense"]), "100.64.0.2");
        assert_eq!(client(&["100.64.0.9, 100.64.0.7"]), "100.64.0.9");
        assert_eq!(client(&[]), "100.64.0.2");
        // The proxy appended its entry to bytes that are no text.
        let not_text = HeaderValue::from_bytes(b"\xff\xfe, 203.0.113.9").expect("a value");
        let not_text = HeaderMap::from_iter([(FORWARDED_FOR, not_text)]);
        let peer = "100.64.0.2".parse().expect("an address");
        let client = addresses(ClientIpHeader::ForwardedFor).client_of(peer, &not_text, NOW);
        assert_eq!(client.to_string(), "203.0.113.9");
        // `X-Real-IP` is not read, because `X-Forwarded-For` is configured.
        let other = headers(&REAL_IP, &["203.0.113.9"]);
        let peer: IpAddr = "100.64.0.2".parse().expect("an address");
        assert_eq!(
            addresses(ClientIpHeader::ForwardedFor).client_of(peer, &other, NOW),
            peer
        );
    }

    #[test]
    fn a_client_on_another_machine_is_found_in_every_header() {
        for (name, value) in [
            (REAL_IP, "203.0.113.9"),
            (FORWARDED_FOR, "127.0.0.1, 203.0.113.9"),
            (FORWARDED_FOR, "unknown"),
            (FORWARDED, "for=203.0.113.9;proto=https"),
            (FORWARDED, "for=127.0.0.1, For=\"[2001:db8::1]:4711\""),
            (FORWARDED, "for=_hidden"),
        ] {
            assert!(
                names_a_client_elsewhere(&headers(&name, &[value])),
                "{value}"
            );
        }
        for (name, value) in [
            (REAL_IP, "127.0.0.1"),
            (FORWARDED_FOR, "::ffff:127.0.0.1"),
            (FORWARDED_FOR, "127.0.0.1, ::1"),
            (FORWARDED, "for=\"[::1]:4711\";host=localhost;proto=http"),
            (FORWARDED, "proto=http"),
        ] {
            assert!(
                !names_a_client_elsewhere(&headers(&name, &[value])),
                "{value}"
            );
        }
        assert!(!names_a_client_elsewhere(&HeaderMap::new()));
    }
}
