//! What is built can be taken apart again, by code that is not ours where there is some.

use super::*;
use crate::packet::{Packet, Transport, checksum::verify};

const V4: [&str; 2] = ["10.0.0.1:1000", "10.0.0.2:514"];
const V6: [&str; 2] = ["[2001:db8::1]:1000", "[2001:db8::2]:514"];

fn ethernet() -> Ethernet {
    Ethernet::new(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]))
}

fn udp(ends: [&str; 2]) -> Udp {
    Udp::new(ends[0], ends[1], b"hello")
}

#[test]
fn plain_datagrams_have_right_checksums() {
    for ends in [V4, V6] {
        let packet = Packet::parse(&udp(ends).frame(&ethernet()));
        verify(&packet, false).unwrap();
        assert_eq!(packet.payload(), b"hello");
        assert_eq!(
            (packet.source(), packet.destination()),
            (ends[0].parse().unwrap(), ends[1].parse().unwrap())
        );
    }
}

#[test]
fn a_wrong_checksum_is_found() {
    for ends in [V4, V6] {
        let datagram = Udp {
            checksum: Checksum::Is(0x1234),
            ..udp(ends)
        };
        assert!(
            verify(&Packet::parse(&datagram.frame(&ethernet())), false)
                .unwrap_err()
                .contains("UDP")
        );
    }
    let mut frame = udp(V4).frame(&ethernet());
    frame[14 + 8] -= 1;
    assert!(
        verify(&Packet::parse(&frame), false)
            .unwrap_err()
            .contains("IPv4 header")
    );
}

#[test]
fn a_pending_checksum_is_the_pseudo_header() {
    for ends in [V4, V6] {
        let packet = Packet::parse(
            &Udp {
                checksum: Checksum::Pending,
                ..udp(ends)
            }
            .frame(&ethernet()),
        );
        verify(&packet, true).unwrap();
        assert!(verify(&packet, false).is_err());
    }
}

#[test]
fn tags_options_and_extensions_are_where_they_belong() {
    let tags = [Tag::service(7), Tag::vlan(9)];
    let datagram = Udp {
        options: vec![7, 7, 4, 0, 0, 0, 0, 0],
        ..udp(V4)
    };
    let packet = Packet::parse(&datagram.frame(&ethernet().tagged(&tags)));
    assert_eq!(packet.tags, tags);
    assert_eq!(packet.ip.as_ref().unwrap().header.len(), 28);
    verify(&packet, false).unwrap();

    let extensions = vec![
        (0, vec![0, 0, 1, 4, 0, 0, 0, 0]),
        (60, vec![0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    let packet = Packet::parse(
        &Udp {
            extensions,
            ..udp(V6)
        }
        .frame(&ethernet()),
    );
    assert!(matches!(packet.transport, Transport::Udp { .. }));
    verify(&packet, false).unwrap();
}

#[test]
fn fragments_put_together_are_the_segment() {
    for ends in [V4, V6] {
        let datagram = Udp::new(ends[0], ends[1], &[7; 3000]);
        let fragments = datagram.fragments(1024);
        assert_eq!(fragments.len(), 3);
        let mut data = Vec::new();
        for fragment in &fragments {
            let packet = Packet::parse(&ethernet().frame(datagram.ether_type(), fragment));
            assert!(packet.ip.as_ref().unwrap().fragment);
            verify(&packet, false).unwrap();
            data.extend_from_slice(packet.segment());
        }
        assert_eq!(data, datagram.segment());
    }
}
