//! Link-layer addresses that follow from names. Pure.

use std::fmt;

/// A link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Where frames for everybody go.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address of an interface in a lab: locally administered, the same in every run.
    pub fn of(host: &str, interface: &str) -> Self {
        // FNV-1a: short, and names are few.
        let hash = host
            .bytes()
            .chain(*b" ")
            .chain(interface.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let mut mac = [0x02; 6];
        mac[1..].copy_from_slice(&hash.to_be_bytes()[3..]);
        Self(mac)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_local_unicast_and_differ_by_host_and_interface() {
        let macs = [
            Mac::of("node", "eth0"),
            Mac::of("node", "eth1"),
            Mac::of("nod", "eeth0"),
        ];
        for mac in macs {
            assert_eq!(mac.0[0] & 0b11, 0b10, "{mac}");
        }
        assert!(macs[0] != macs[1] && macs[0] != macs[2] && macs[1] != macs[2]);
    }
}
