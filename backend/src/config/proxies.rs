//! `TRUSTED_PROXIES`: the peers whose word about a client's address counts.
//!
//! Behind a proxy every connection comes from the proxy, so that one stranger's failures would count
//! as everybody's. The client's own address stands in a header, which anybody can write; it is believed
//! from these peers alone.

use std::fmt;
use std::net::IpAddr;

use super::{Environment, Problems, Variables};

const KEY: &str = "TRUSTED_PROXIES";
const NONE: &str = "none";

/// Addresses and networks of our own proxies. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) -> Self {
        let Some(text) = variables.get(KEY) else {
            if environment == Environment::Production {
                found.push(
                    KEY,
                    "is not set; list the addresses or networks of the proxies in front, or set it to none",
                );
            }
            return Self::default();
        };
        Self::parse(text).unwrap_or_else(|| {
            found.push(
                KEY,
                "must be none, or addresses and networks such as 10.0.0.7,100.64.0.0/10,fd00::/8",
            );
            Self::default()
        })
    }

    /// Reads `none` or a comma-separated list.
    pub fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self::default());
        }
        let networks = text.split(',').map(|entry| Network::parse(entry.trim()));
        networks.collect::<Option<_>>().map(Self)
    }

    /// Whether `peer` is one of them.
    pub fn contains(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        for (n, Network { address, prefix }) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{address}/{prefix}")?;
        }
        Ok(())
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then_some(Self { address, prefix })
    }

    fn contains(self, peer: IpAddr) -> bool {
        let shared = match (self.address, peer) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => (own.to_bits() ^ peer.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(peer)) => (own.to_bits() ^ peer.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(list: &str, peer: &str) -> bool {
        let proxies = TrustedProxies::parse(list).expect("a list");
        proxies.contains(peer.parse().expect("an address"))
    }

    #[test]
    fn a_network_ends_at_its_last_bit() {
        let list = "192.0.2.7, 100.64.0.0/10,fd00::/8";
        for peer in ["192.0.2.7", "100.64.0.0", "100.127.255.255", "fd12::1"] {
            assert!(trusts(list, peer), "{peer}");
        }
        for peer in ["192.0.2.6", "100.63.255.255", "100.128.0.0", "fe80::1"] {
            assert!(!trusts(list, peer), "{peer}");
        }
        assert!(trusts("0.0.0.0/0", "203.0.113.9"));
        assert!(!trusts("0.0.0.0/0", "2001:db8::1"));
        assert!(!trusts("none", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "all",
            "10.0.0.0/33",
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
