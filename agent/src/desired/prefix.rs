//! Address prefixes in the form that the maps use. **pure**

use ipnet::IpNet;
use udplb_abi::address::{self, Address, Family, MAPPED_BITS};

/// Bits of an [`Address`].
pub const ADDRESS_BITS: u8 = 128;

/// A prefix over 16-byte addresses; an IPv4 prefix is 96 bits longer than it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: Address,
    length: u8,
}

impl Prefix {
    /// The prefix of this length that `address` is in.
    #[must_use]
    pub fn new(address: Address, length: u8) -> Self {
        let length = length.min(ADDRESS_BITS);
        Self {
            address: (u128::from_be_bytes(address) & mask(length)).to_be_bytes(),
            length,
        }
    }

    /// One address.
    #[must_use]
    pub const fn exact(address: Address) -> Self {
        Self {
            address,
            length: ADDRESS_BITS,
        }
    }

    /// What the maps hold for a prefix as people write it.
    #[must_use]
    pub fn from_net(net: IpNet) -> Self {
        let shift = match net {
            IpNet::V4(_) => MAPPED_BITS,
            IpNet::V6(_) => 0,
        };
        Self::new(address::from_ip(net.network()), net.prefix_len() + shift)
    }

    /// The address, with its host bits zero.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Bits that count, 0–128.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether this is a single address.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.length == ADDRESS_BITS
    }

    /// Whether `address` is in this prefix. IPv6 prefixes hold no IPv4 address: that `::/0` covers the
    /// mapped ones is an accident of the form.
    #[must_use]
    pub fn covers(&self, address: &Address) -> bool {
        self.family() == family_of(address) && self.spans(address)
    }

    /// The family that the prefix was written in.
    #[must_use]
    pub fn family(&self) -> Family {
        if self.length >= MAPPED_BITS {
            family_of(&self.address)
        } else {
            Family::V6
        }
    }

    /// The same addresses in prefixes that span no mapped IPv4 address, for a map that cannot tell.
    #[must_use]
    pub fn without_mapped(self) -> Vec<Self> {
        let mapped = address::mapped([0; 4]);
        if self.length >= MAPPED_BITS || !self.spans(&mapped) {
            return vec![self];
        }
        // All siblings along the way from this prefix down to ::ffff:0:0/96.
        (self.length..MAPPED_BITS)
            .map(|bit| {
                let flipped = u128::from_be_bytes(mapped) ^ (1 << (ADDRESS_BITS - 1 - bit));
                Self::new(flipped.to_be_bytes(), bit + 1)
            })
            .collect()
    }

    fn spans(&self, address: &Address) -> bool {
        let difference = u128::from_be_bytes(self.address) ^ u128::from_be_bytes(*address);
        difference & mask(self.length) == 0
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = address::to_ip(self.address);
        match (self.is_exact(), self.family()) {
            (true, _) => write!(formatter, "{address}"),
            (false, Family::V4) => write!(formatter, "{address}/{}", self.length - MAPPED_BITS),
            (false, Family::V6) => write!(formatter, "{address}/{}", self.length),
        }
    }
}

/// The family of an address.
#[must_use]
pub fn family_of(address: &Address) -> Family {
    if address.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
        Family::V4
    } else {
        Family::V6
    }
}

/// `length` leading ones.
const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        length => u128::MAX << (ADDRESS_BITS - length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::from_net(text.parse().unwrap())
    }

    fn address(text: &str) -> Address {
        address::from_ip(text.parse().unwrap())
    }

    #[test]
    fn a_prefix_holds_addresses_of_its_own_family_only() {
        assert!(prefix("192.0.2.0/24").covers(&address("192.0.2.255")));
        assert!(!prefix("192.0.2.0/24").covers(&address("192.0.3.0")));
        assert!(prefix("::/0").covers(&address("2001:db8::1")));
        assert!(!prefix("::/0").covers(&address("192.0.2.1")));
        assert!(prefix("0.0.0.0/0").covers(&address("192.0.2.1")));
        assert_eq!(prefix("192.0.2.77/24"), prefix("192.0.2.0/24"));
    }

    #[test]
    fn without_mapped_keeps_every_ipv6_address_and_no_ipv4_address() {
        let parts = prefix("::/0").without_mapped();
        assert_eq!(parts.len(), 96);
        for text in [
            "::",
            "::1",
            "2001:db8::1",
            "::fffe:1:1",
            "ff02::1",
            "0:0:1::",
        ] {
            let covering = parts.iter().filter(|part| part.spans(&address(text)));
            assert_eq!(covering.count(), 1, "{text}");
        }
        assert!(!parts.iter().any(|part| part.spans(&address("192.0.2.1"))));
        assert_eq!(
            prefix("2001:db8::/32").without_mapped(),
            [prefix("2001:db8::/32")]
        );
    }

    #[test]
    fn is_shown_as_people_write_it() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("192.0.2.1/32").to_string(), "192.0.2.1");
    }
}
