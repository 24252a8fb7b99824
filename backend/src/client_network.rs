//! Whom an address stands for where something is counted by address.
//!
//! One customer of a provider has a whole network of IPv6 addresses: a /64 at home, a /56 or a /48 with
//! a rented server. So an address counts for each of these networks, and a wider one may have more.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network that an address counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork {
    /// A /32 of IPv4; a /64, /56 or /48 of IPv6.
    pub(crate) range: IpNet,
    /// How many times as much as the narrowest network it may have.
    pub(crate) allowance: usize,
}

/// The narrowest network that the address counts for.
pub(crate) fn client_network(address: IpAddr) -> IpNet {
    let narrowest = client_networks(address).next();
    narrowest.expect("every address has a network").range
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
            range: IpNet::new_assert(address, prefix).trunc(),
            allowance,
        })
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
                .map(|network| network.range.to_string())
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
