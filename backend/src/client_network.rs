//! The networks in which a client's address is counted by rate limits.
//!
//! One customer of a provider has a whole IPv6 network: a /64 at home, a /56 or a /48 with a rented server. So an
//! IPv6 address counts in its /64, its /56 and its /48, and the limit of a wider network is higher.

use std::net::{IpAddr, Ipv6Addr};

/// A network in which an address is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork {
    /// The network's first address.
    pub(crate) address: IpAddr,
    /// Length of the network prefix: 32 for IPv4; 64, 56 or 48 for IPv6.
    pub(crate) prefix: u8,
    /// The multiple of the narrowest network's limit that this network has.
    pub(crate) allowance: usize,
}

/// An IPv4 address itself, or the first address of an IPv6 address's /64.
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => first_of(v6, 64),
    }
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
            address: match address {
                IpAddr::V4(v4) => v4.into(),
                IpAddr::V6(v6) => first_of(v6, prefix),
            },
            prefix,
            allowance,
        })
}

fn first_of(address: Ipv6Addr, prefix: u8) -> IpAddr {
    let mask = u128::MAX << (128 - u32::from(prefix));
    Ipv6Addr::from_bits(address.to_bits() & mask).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_of_one_64_share_a_network() {
        let of = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn an_ipv6_address_is_counted_in_three_networks() {
        let of = |text: &str| -> Vec<String> {
            client_networks(text.parse().unwrap())
                .map(|network| format!("{}/{}", network.address, network.prefix))
                .collect()
        };
        assert_eq!(
            of("2001:db8:1:2345::9"),
            [
                "2001:db8:1:2345::/64",
                "2001:db8:1:2300::/56",
                "2001:db8:1::/48"
            ]
        );
        assert_eq!(of("192.0.2.7"), ["192.0.2.7/32"]);
        assert_eq!(of("::ffff:192.0.2.7"), ["192.0.2.7/32"]);
    }
}
