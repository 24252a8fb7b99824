//! `TRUSTED_PROXIES`: the peers (the other ends of connections) that may name a client's address in a header.
//!
//! Behind a proxy every connection comes from the proxy. If clients were told apart by the connection, the rate limits
//! would count all clients as one. The proxy therefore writes the client's address into a header. Any client can write
//! this header too, so the header is read only on connections from these peers.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Reader;

const NONE: &str = "none";

/// Addresses and networks of our own proxies. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// The header in which a proxy names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(ascii_case_insensitive, const_into_str)]
pub enum ClientIpHeader {
    /// One address.
    #[strum(serialize = "X-Real-IP")]
    RealIp,
    /// A list that each proxy adds to at its right end.
    #[strum(serialize = "X-Forwarded-For")]
    ForwardedFor,
}

impl TrustedProxies {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.required("TRUSTED_PROXIES");
        reader.value("TRUSTED_PROXIES", Self::parse)
    }

    /// Reads `none` or a comma-separated list.
    pub fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self::default());
        }
        let networks = text.split(',').map(|entry| parse_network(entry.trim()));
        networks.collect::<Option<_>>().map(Self)
    }

    /// Whether `peer` is one of the proxies.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&peer))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        let networks: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

/// Reads a network, or an address, which counts as a network of one.
fn parse_network(text: &str) -> Option<IpNet> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let network = prefix.map_or(Ok(address.into()), |prefix| IpNet::new(address, prefix));
    // Peers are compared by their IPv4 address, even on an IPv6 socket, so an IPv4-mapped network becomes IPv4. Its
    // prefix loses the 96 bits of `::ffff:`.
    let network = match (network.ok()?, address.to_canonical()) {
        (IpNet::V6(v6), IpAddr::V4(v4)) => {
            IpNet::new(v4.into(), v6.prefix_len().checked_sub(96)?).ok()?
        }
        (network, _) => network,
    };
    // A wider network also contains other people's addresses: 10.0.0.0/8 and fc00::/7 are the widest private ones.
    let min_prefix_len = if network.addr().is_ipv4() { 8 } else { 7 };
    (network.prefix_len() >= min_prefix_len).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(list: &str, peer: &str) -> bool {
        let proxies = TrustedProxies::parse(list).expect("a list");
        proxies.contains(peer.parse().expect("an address"))
    }

    #[test]
    fn a_network_contains_its_own_addresses_alone() {
        let list = "192.0.2.7, 100.64.0.0/10,fd00::/8";
        for peer in ["192.0.2.7", "100.64.0.0", "100.127.255.255", "fd12::1"] {
            assert!(trusts(list, peer), "{peer}");
        }
        for peer in ["192.0.2.6", "100.63.255.255", "100.128.0.0", "fe80::1"] {
            assert!(!trusts(list, peer), "{peer}");
        }
        assert!(trusts("10.0.0.0/8", "10.255.255.255"));
        assert!(!trusts("10.0.0.0/8", "11.0.0.0"));
        assert!(!trusts("10.0.0.0/8", "2001:db8::1"));
        assert!(!trusts("none", "127.0.0.1"));
        assert!(trusts("::ffff:10.0.0.7", "10.0.0.7"));
        assert!(trusts("::ffff:100.64.0.0/106", "100.127.0.1"));
        assert!(!trusts("::ffff:100.64.0.0/106", "100.128.0.1"));
    }

    #[test]
    fn a_bad_or_too_wide_network_is_refused_and_valid_ones_are_displayed() {
        for bad in [
            "all",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/1,128.0.0.0/1",
            "2000::/3",
            "::ffff:0.0.0.0/96",
            "::ffff:10.0.0.0/80",
            "10.0.0.0/-1",
            "10.0.0.1,",
            "example.com",
        ] {
            assert_eq!(TrustedProxies::parse(bad), None, "{bad}");
        }
        let shown = TrustedProxies::parse("10.0.0.1,::1/128").map(|list| list.to_string());
        assert_eq!(shown.as_deref(), Some("10.0.0.1/32,::1/128"));
    }
}
