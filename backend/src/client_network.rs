//! Whom an address stands for where something is counted by address.
//!
//! One customer of a provider has a whole network of IPv6 addresses: a /64 at home, a /56 or a /48 with
//! a rented server. So an address counts for each of these networks, and a wider one may have more.

use std::net::{IpAddr, Ipv6Addr};

/// A network that an address counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork {
    /// The network's first address.
    pub(crate) address: IpAddr,
    /// Bits that are the same within it: 32 for an address of IPv4; 64, 56 or 48.
    pub(crate) prefix: u8,
    /// How many times as much as the narrowest network it may have.
    pub(crate) allowance: usize,
}

/// The address itself, or the first one of its /64.
pub(crate) fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => first_of(v6, 64),
    }
}

/// Every network that the address counts for, the narrowest first.
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
    fn a_network_of_ipv6_counts_as_one() {
        let of = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn an_address_counts_for_each_network_around_it() {
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
