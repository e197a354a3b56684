//! IPv4 options, IPv6 extension headers, and header fields that nobody may touch.

use udplb_tests::{
    lab::shapes,
    packet::Udp,
    rows::{Family, Row, Theme, both},
};

use super::plain;

// Numbers of extension headers.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const AUTHENTICATION: u8 = 51;
const NO_NEXT: u8 = 59;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Where the headers end that are looked behind: the UDP header starts within so many bytes of the frame.
const REACH: usize = 512;
const LINK_AND_IP: usize = 14 + 40;

fn changed(family: Family, change: impl FnOnce(&mut Udp)) -> Udp {
    let mut datagram = family.datagram(0);
    change(&mut datagram);
    datagram
}

/// An extension header of that many bytes, filled with one long padding option.
fn extension(number: u8, length: usize) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; length];
    bytes[1] = u8::try_from(length / 8 - 1).unwrap();
    if number != ROUTING {
        bytes[2] = 1;
        bytes[3] = u8::try_from((length - 4).min(255)).unwrap();
    }
    (number, bytes)
}

fn in_both() -> Vec<Row> {
    both(|family| {
        [
            plain::sent(
                "a class with congestion marks",
                "a traffic class lost or its marks changed",
                &changed(family, |udp| udp.traffic_class = 0xbb),
                |row| row,
            ),
            plain::sent(
                "an identification of all ones",
                "an identification or flow label written over",
                &changed(family, |udp| udp.identification = 0xffff),
                |row| row,
            ),
            plain::sent(
                "bytes behind the datagram",
                "a length that is taken from the wrong header",
                &family.datagram(0),
                |row| row.trailed_by(&[0xa5; 7]),
            ),
            plain::sent(
                "bytes behind the packet",
                "padding counted, or taken for a lie",
                &family.datagram(0),
                |row| row.padded_with(&[0x5a; 13]),
            ),
        ]
        .concat()
    })
}

fn options() -> Vec<Row> {
    let row = |what, catches, options: Vec<u8>| {
        plain::sent(
            what,
            catches,
            &changed(Family::V4, |udp| udp.options = options),
            |row| row,
        )
    };
    let timestamps = [[0x44, 12, 5, 0].as_slice(), &[0; 8]].concat();
    [
        row(
            "a router alert",
            "ports read at a fixed place",
            vec![0x94, 4, 0, 0],
        ),
        row("timestamps", "options cut off or summed twice", timestamps),
        row(
            "a record of the route",
            "options that follow the hop count",
            [&[1, 7, 11, 4], &[0; 8][..]].concat(),
        ),
        row(
            "as many options as fit",
            "a header of 60 bytes refused",
            vec![1; 40],
        ),
    ]
    .concat()
}

fn extensions() -> Vec<Row> {
    let with =
        |extensions: Vec<(u8, Vec<u8>)>| changed(Family::V6, |udp| udp.extensions = extensions);
    let longest = REACH - LINK_AND_IP - 8;
    let longest = longest - longest % 8;
    let taken = [
        ("hop-by-hop options", vec![extension(HOP_BY_HOP, 8)]),
        ("destination options", vec![extension(DESTINATION, 16)]),
        (
            "a routing header with nowhere left to go",
            vec![extension(ROUTING, 24)],
        ),
        (
            "hop-by-hop and destination options",
            vec![extension(HOP_BY_HOP, 8), extension(DESTINATION, 8)],
        ),
        (
            "four extension headers",
            vec![
                extension(HOP_BY_HOP, 8),
                extension(DESTINATION, 8),
                extension(ROUTING, 8),
                extension(DESTINATION, 8),
            ],
        ),
        (
            "the longest extension header in reach",
            vec![extension(DESTINATION, longest)],
        ),
    ];
    let left = [
        (
            "an extension header out of reach",
            vec![extension(DESTINATION, longest + 8)],
        ),
        (
            "an authentication header",
            vec![extension(AUTHENTICATION, 16)],
        ),
        ("a mobility header", vec![extension(MOBILITY, 8)]),
        ("a header that none follows", vec![extension(NO_NEXT, 8)]),
        (
            "options in front of a mobility header",
            vec![extension(HOP_BY_HOP, 8), extension(MOBILITY, 8)],
        ),
    ];
    let taken = taken.map(|(what, extensions)| {
        plain::sent(
            what,
            "ports or checksum looked for at a wrong place",
            &with(extensions),
            |row| row,
        )
    });
    let left = left.map(|(what, extensions)| {
        plain::not_ours(
            what,
            "bytes behind an unknown header taken for ports",
            &with(extensions),
            |row| row,
        )
    });
    [taken.concat(), left.concat()].concat()
}

pub(crate) fn theme() -> Theme {
    let rows = [in_both(), options(), extensions()].concat();
    Theme::new("headers", shapes::two_collectors, plain::config(), rows)
}
