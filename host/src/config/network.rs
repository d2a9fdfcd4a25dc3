//! Networks of clients, as `10.0.0.0/8` or as one address.

use std::fmt;
use std::net::IpAddr;

use super::checked::Refusal;

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many bits are the same.
    length: u8,
}

impl Network {
    /// Reads `ADDRESS/LENGTH`, or an address, which is a network of its own.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        const RULE: &str = r#"must be a network like "10.0.0.0/8" or "fd00::/8", or one address"#;
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| RULE)?;
        let most = bits(address);
        let length = length.map_or(Ok(most), str::parse).ok().filter(|length| *length <= most).ok_or(RULE)?;
        let network = Self { first: masked(address, length), length };
        if network.first != address {
            let rule = format!("must have zeros behind its first {length} bits");
            return Err(Refusal::near(rule, Some(&network.to_string())));
        }
        Ok(network.canonical())
    }

    /// True if the address is in the network. One of IPv4 that came over an IPv6 socket counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        bits(address) == bits(self.first) && masked(address, self.length) == self.first
    }

    /// `::ffff:10.0.0.0/104` is 10.0.0.0/8.
    fn canonical(self) -> Self {
        match (self.first.to_canonical(), self.length.checked_sub(96)) {
            (first @ IpAddr::V4(_), Some(length)) if self.first.is_ipv6() => Self { first, length },
            _ => self,
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with zeros behind its first `length` bits, which are at most as many as it has.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    let behind = u32::from(bits(address) - length);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)).into()),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_contains_the_addresses_with_its_first_bits() {
        let cases = [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("192.168.4.128/25", "192.168.4.200", true),
            ("192.168.4.128/25", "192.168.4.127", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fe80::1", true),
            ("::/0", "10.0.0.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::/0", "::ffff:10.1.2.3", false),
        ];
        for (network, address, expected) in cases {
            let parsed = Network::parse(network).ok().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{address} in {network}");
        }
    }

    #[test]
    fn network_is_written_so_that_it_is_read_again() {
        for (text, written) in [("10.1.2.3", "10.1.2.3/32"), ("fd00::/8", "fd00::/8"), ("::ffff:10.0.0.0/104", "10.0.0.0/8")] {
            let network = Network::parse(text).ok().unwrap();
            assert_eq!(network.to_string(), written);
            assert_eq!(Network::parse(written).ok(), Some(network));
        }
    }

    #[test]
    fn network_that_is_none_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "lan", "10.0.0.1/8", "fd00::1/64"]
        {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
