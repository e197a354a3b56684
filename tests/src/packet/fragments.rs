//! The identification of fragments. Pure.

use super::checksum;

const HEADER_V6: usize = 40;
const FRAGMENT: u8 = 44;

/// Where the identification is, and how long it is; none in an IPv6 packet without a fragment header.
fn place(packet: &[u8]) -> Option<(usize, usize)> {
    if packet[0] >> 4 == 4 {
        return Some((4, 2));
    }
    let (mut next, mut offset) = (packet[6], HEADER_V6);
    while next != FRAGMENT {
        // Hop-by-hop options, routing, destination options.
        if ![0, 43, 60].contains(&next) {
            return None;
        }
        next = packet[offset];
        offset += (usize::from(packet[offset + 1]) + 1) * 8;
    }
    Some((offset + 4, 4))
}

/// The identification of an IP packet; none where an IPv6 packet has no fragment header.
pub fn identification(packet: &[u8]) -> Option<u32> {
    let (offset, length) = place(packet)?;
    let bytes = packet[offset..offset + length].iter();
    Some(bytes.fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// The same IP packet with another identification.
pub fn reidentified(packet: &[u8], identification: u32) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (offset, length) = place(&packet).expect("an identification");
    packet[offset..offset + length].copy_from_slice(&identification.to_be_bytes()[4 - length..]);
    if packet[0] >> 4 == 4 {
        let header = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let sum = !checksum::sum(&[&packet[..header]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Udp;

    #[test]
    fn only_the_identification_changes() {
        let v4 = Udp::new("10.0.0.1:1", "10.0.0.2:2", &[7; 64]);
        let other = Udp {
            identification: 0x4321,
            ..v4.clone()
        };
        for (packet, other) in v4.fragments(32).iter().zip(other.fragments(32)) {
            assert_eq!(identification(packet), Some(0x1234));
            assert_eq!(reidentified(packet, 0x4321), other);
        }
        let mut v6 = Udp::new("[2001:db8::1]:1", "[2001:db8::2]:2", &[7; 64]);
        assert_eq!(identification(&v6.packet()), None);
        v6.extensions = vec![(60, vec![0; 8])];
        let packet = v6.fragments(32).remove(1);
        let changed = reidentified(&packet, 0x8765_4321);
        assert_eq!(identification(&changed), Some(0x8765_4321));
        assert_eq!(reidentified(&changed, 0x1234), packet);
    }
}
