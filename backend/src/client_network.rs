//! The networks in which a client's address is counted by rate limits.
//!
//! One customer of a provider has a whole IPv6 network: a /64 at home, a /56 or a /48 with a rented server. So an
//! IPv6 address counts in its /64, its /56 and its /48. Most limits are higher for a wider network.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network in which an address is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork {
    /// A /32 of IPv4; a /64, /56 or /48 of IPv6.
    pub(crate) range: IpNet,
    /// How many times the limit of the narrowest network is allowed in this network.
    pub(crate) allowance: usize,
}

/// The narrowest network in which an address is counted.
pub(crate) fn client_network(address: IpAddr) -> IpNet {
    let narrowest = client_networks(address).next();
    narrowest.expect("every address has a network").range
}

/// The networks in which an address is counted, the narrowest first.
pub(crate) fn client_networks(address: IpAddr) -> impl Iterator<Item = ClientNetwork> {
    let address = address.to_canonical();
    let widths: &[(u8, usize)] = match address {
        IpAddr::V4(_) => &[(32, 1)],
        IpAddr::V6(_) => &[(64, 1), (56, 2), (48, 4)],
    };
    widths
        .iter()
        .map(move |&(prefix, allowance)| ClientNetwork {
            range: IpNet::new_assert(address, prefix).trunc(),
            allowance,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_of_one_64_share_a_network() {
        let network_of = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff:1"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_eq!(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"));
        assert_ne!(network_of("192.0.2.1"), network_of("192.0.2.2"));
    }

    #[test]
    fn an_ipv6_address_is_counted_in_three_networks_and_an_ipv4_address_in_one() {
        let networks_of = |text: &str| -> Vec<String> {
            client_networks(text.parse().unwrap())
                .map(|network| network.range.to_string())
                .collect()
        };
        assert_eq!(
            networks_of("2001:db8:1:2345::9"),
            [
                "2001:db8:1:2345::/64",
                "2001:db8:1:2300::/56",
                "2001:db8:1::/48"
            ]
        );
        assert_eq!(networks_of("192.0.2.7"), ["192.0.2.7/32"]);
        assert_eq!(networks_of("::ffff:192.0.2.7"), ["192.0.2.7/32"]);
    }
}
