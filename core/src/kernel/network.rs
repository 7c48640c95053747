//! Networks that something is let in from: IPv4 and IPv6 addresses and CIDR blocks, as people write them.
//!
//! Invariant: an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is the IPv4 address, whichever way either
//! side is written: a socket that listens on both shows one and means the other.

use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Why something is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// Neither address nor CIDR block.
    #[error(
        "write an address such as 192.0.2.7 or 2001:db8::1, or a network such as 192.0.2.0/24 or 2001:db8::/32"
    )]
    Unreadable,
    /// Bits are set behind the prefix, so either the address or the length is a slip.
    #[error(
        "this network has bits set behind its length: {0} would be the network, or leave the length out for one address"
    )]
    HostBits(IpNet),
}

/// Reads an address (a network of one) or a CIDR block.
pub fn parse(text: &str) -> Result<IpNet, NotANetwork> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let net: IpNet = text.parse().map_err(|_| NotANetwork::Unreadable)?;
    if net.trunc() != net {
        return Err(NotANetwork::HostBits(net.trunc()));
    }
    Ok(canonical(net))
}

/// Whether `address` is in one of `networks`.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks
        .iter()
        .any(|network| canonical(*network).contains(&address))
}

/// A mapped block as the IPv4 block that it means.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().filter(|_| v6.prefix_len() >= 96);
    mapped
        .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok())
        .map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(network: &str, address: &str) -> bool {
        contains(&[parse(network).unwrap()], address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_of_both_kinds_are_read_and_slips_are_named() {
        assert!(inside("192.0.2.7", "192.0.2.7") && !inside("192.0.2.7", "192.0.2.8"));
        assert!(inside(" 10.0.0.0/8 ", "10.255.0.1") && !inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1") && !inside("2001:db8::/32", "2001:db9::1"));
        let slip = parse("192.0.2.7/24").unwrap_err();
        assert_eq!(slip, NotANetwork::HostBits("192.0.2.0/24".parse().unwrap()));
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "example.com",
            "10.0.0.1:80",
            "1.2.3.4/-1",
            "::/129",
        ] {
            assert_eq!(parse(text), Err(NotANetwork::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_on_either_side() {
        assert!(inside("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(inside("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(inside("::ffff:10.1.2.3", "10.1.2.3"));
        // everything of IPv6 is not everything of IPv4
        assert!(!inside("::/0", "10.1.2.3") && inside("0.0.0.0/0", "::ffff:10.1.2.3"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_read_again(text in "[0-9a-fA-F:./ ]{0,50}") {
            if let Ok(network) = parse(&text) {
                prop_assert_eq!(parse(&network.to_string()), Ok(network));
            }
        }

        #[test]
        fn a_network_holds_what_shares_its_first_bits_and_nothing_else(net: u32, other: u32, length in 0_u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let network = Ipv4Net::new((net & mask).into(), length).unwrap();
            let read = parse(&network.to_string()).unwrap();
            prop_assert_eq!(contains(&[read], IpAddr::V4(other.into())), net & mask == other & mask);
        }
    }
}
