//! A frame as a list of named fields that covers every byte of it. Pure.

use super::{Ip, Packet, Transport};

/// Name and value of every field, in the order of the bytes.
pub fn fields(packet: &Packet) -> Vec<(&'static str, String)> {
    let mut list = vec![
        ("ethernet destination", packet.destination_mac.to_string()),
        ("ethernet source", packet.source_mac.to_string()),
    ];
    for tag in &packet.tags {
        list.push((
            "vlan tag",
            format!("{:#06x} {:#06x}", tag.protocol, tag.control),
        ));
    }
    list.push(("ethernet type", format!("{:#06x}", packet.ether_type)));
    let Some(ip) = &packet.ip else {
        list.push(("content", hex(&packet.frame[14 + 4 * packet.tags.len()..])));
        return list;
    };
    if ip.version == 4 {
        version_4(ip, &mut list);
    } else {
        version_6(ip, &mut list);
    }
    let whole = packet.ip_packet();
    let extensions = whole.get(ip.header.len()..ip.headers).unwrap_or_default();
    if !extensions.is_empty() {
        list.push(("extension headers", hex(extensions)));
    }
    let mut rest = packet.segment();
    if let Transport::Udp {
        source,
        destination,
        checksum,
    } = packet.transport
    {
        list.push(("udp source port", source.to_string()));
        list.push(("udp destination port", destination.to_string()));
        list.push(("udp checksum", format!("{checksum:#06x}")));
        // An IP header that lies may leave less of it than there is.
        if let Some((header, data)) = rest.split_at_checked(8) {
            list.push(("udp length", word(header, 4).to_string()));
            rest = data;
        }
    }
    list.push(("data length", rest.len().to_string()));
    list.push(("data", hex(rest)));
    let padding = &packet.frame
        [packet.frame.len() - (packet.frame.len() - 14 - 4 * packet.tags.len() - whole.len())..];
    if !padding.is_empty() {
        list.push(("padding", hex(padding)));
    }
    list
}

fn version_4(ip: &Ip, list: &mut Vec<(&'static str, String)>) {
    let header = &ip.header[..];
    list.extend([
        (
            "ipv4 version and header length",
            format!("{:#04x}", header[0]),
        ),
        ("ipv4 tos", format!("{:#04x}", header[1])),
        ("ipv4 total length", word(header, 2).to_string()),
        ("ipv4 identification", format!("{:#06x}", word(header, 4))),
        ("ipv4 flags and offset", format!("{:#06x}", word(header, 6))),
        ("ipv4 ttl", header[8].to_string()),
        ("ipv4 protocol", header[9].to_string()),
        ("ipv4 checksum", format!("{:#06x}", word(header, 10))),
        ("ipv4 source", ip.source.to_string()),
        ("ipv4 destination", ip.destination.to_string()),
    ]);
    if header.len() > 20 {
        list.push(("ipv4 options", hex(&header[20..])));
    }
}

fn version_6(ip: &Ip, list: &mut Vec<(&'static str, String)>) {
    let header = &ip.header[..];
    list.extend([
        ("ipv6 version, class and flow label", hex(&header[..4])),
        ("ipv6 payload length", word(header, 4).to_string()),
        ("ipv6 next header", header[6].to_string()),
        ("ipv6 hop limit", header[7].to_string()),
        ("ipv6 source", ip.source.to_string()),
        ("ipv6 destination", ip.destination.to_string()),
    ]);
}

fn word(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([bytes[offset], bytes[offset + 1]])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
