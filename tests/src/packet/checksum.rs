//! The Internet checksum (RFC 1071), written for tests alone. Pure.

use super::{Checksum, Ip, Packet, Transport, Udp};

/// Ones' complement sum of 16-bit words, not inverted.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut total: u64 = 0;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        total += words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum::<u64>();
        total += rest.first().map_or(0, |last| u64::from(*last) << 8);
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap()
}

/// Sum of the pseudo-header of a transport segment.
pub fn pseudo_header(ip: &Ip, segment: &[u8]) -> u16 {
    let length = u32::try_from(segment.len()).unwrap().to_be_bytes();
    let (source, destination) = (ip.source, ip.destination);
    let octets = |address| match address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    };
    sum(&[
        &octets(source),
        &octets(destination),
        &length,
        &[0, ip.protocol],
    ])
}

/// What the receiver of a UDP or TCP packet adds up: all ones where the checksum is right.
pub fn total(packet: &Packet) -> u16 {
    let pseudo = pseudo_header(packet.ip.as_ref().expect("no IP packet"), packet.segment());
    sum(&[&pseudo.to_be_bytes(), packet.segment()])
}

/// The checksum with which `copy` is as wrong as `sent`: a damaged datagram stays damaged by the same amount, so that
/// its receiver notices.
pub fn as_wrong_as(sent: &Udp, copy: &Udp) -> Checksum {
    let without = Udp {
        checksum: Checksum::Is(0),
        ..copy.clone()
    };
    let [sent, without] =
        [sent, &without].map(|datagram| total(&Packet::parse_ip(&datagram.packet())));
    match sum(&[&sent.to_be_bytes(), &(!without).to_be_bytes()]) {
        0 => Checksum::Is(0xffff),
        field => Checksum::Is(field),
    }
}

/// Whether every checksum of the packet is right. A zero UDP checksum means none over IPv4 and is wrong over
/// IPv6. With `pending` the transport checksum must be what the stack leaves for the device to complete.
pub fn verify(packet: &Packet, pending: bool) -> Result<(), String> {
    let Some(ip) = &packet.ip else { return Ok(()) };
    if ip.version == 4 && sum(&[&ip.header]) != 0xffff {
        return Err(format!(
            "IPv4 header checksum is wrong: the header sums up to {:#06x}",
            sum(&[&ip.header])
        ));
    }
    if ip.fragment {
        return Ok(());
    }
    let segment = packet.segment();
    let pseudo = pseudo_header(ip, segment);
    let (field, found) = match &packet.transport {
        Transport::Udp { checksum, .. } => ("UDP", *checksum),
        Transport::Tcp { checksum, .. } => ("TCP", *checksum),
        Transport::Other => return Ok(()),
    };
    if pending {
        return if found == pseudo {
            Ok(())
        } else {
            Err(format!(
                "pending {field} checksum is {found:#06x}, the pseudo-header sums up to {pseudo:#06x}"
            ))
        };
    }
    if field == "UDP" && found == 0 {
        return if ip.version == 4 {
            Ok(())
        } else {
            Err("UDP checksum is zero over IPv6".to_owned())
        };
    }
    match sum(&[&pseudo.to_be_bytes(), segment]) {
        0xffff => Ok(()),
        total => Err(format!(
            "{field} checksum {found:#06x} is wrong: the segment sums up to {total:#06x}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_example_of_rfc_1071() {
        assert_eq!(
            sum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]),
            0xddf2
        );
    }

    #[test]
    fn pads_an_odd_part_at_its_end() {
        assert_eq!(sum(&[&[0x12]]), 0x1200);
    }
}
