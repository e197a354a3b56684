//! Sizes from nothing to more than a link carries.

use udplb_tests::{
    lab::{Lab, shapes},
    packet::Udp,
    rows::{Family, Row, Theme, both},
};

use super::plain;

/// What the links to the sender and to collector2 carry, bytes of an IP packet; collector1's carries 1,500.
const LARGE: usize = 4000;
const SMALL: usize = 1500;

fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    for (host, interface) in [
        ("sender", "eth0"),
        ("node", "eth0"),
        ("node", "eth2"),
        ("collector2", "eth0"),
    ] {
        drop(
            lab.host(host)
                .ip(&format!("link set {interface} mtu {LARGE}")),
        );
    }
    lab
}

/// A datagram in an IP packet of that length.
fn of_length(family: Family, length: usize) -> Udp {
    let headers = family.choose(20, 40) + 8;
    with_data(family, length - headers)
}

fn with_data(family: Family, length: usize) -> Udp {
    Udp {
        payload: (0..=255).cycle().take(length).collect(),
        ..family.datagram(0)
    }
}

/// Only the destination with the large link sends.
fn too_long_for_one(family: Family, length: usize) -> [Row; 2] {
    let catches = "a copy longer than its link, or dropped where it fits";
    let datagram = of_length(family, length);
    plain::not_ours(
        &format!("a packet of {length} bytes"),
        catches,
        &datagram,
        |row| row,
    )
    .into_iter()
    .zip(["cloned", "forwarded"])
    .map(|(row, forward)| {
        let node = datagram.destination.ip();
        let row = row
            .matches(forward)
            .dropped(&format!("{forward}/one"), "mtu_exceeded")
            .copied_from(
                &format!("{forward}/two"),
                &family.collector_at(2, 6514),
                node,
            );
        if forward == "cloned" {
            row
        } else {
            row.consumed()
        }
    })
    .collect::<Vec<_>>()
    .try_into()
    .expect("two rows each")
}

fn rows(family: Family) -> Vec<Row> {
    let small = [0, 1, 2, 7, 8, 17, 18, 255, 256, 1001].map(|length| {
        let what = format!("{length} bytes of data");
        plain::sent(
            &what,
            "a size that a header or a sum is cut by",
            &with_data(family, length),
            |row| row,
        )
    });
    let edge = [SMALL - 1, SMALL].map(|length| {
        let what = format!("a packet of {length} bytes");
        plain::sent(
            &what,
            "a copy dropped although it just fits",
            &of_length(family, length),
            |row| row,
        )
    });
    let large = [SMALL + 1, LARGE].map(|length| too_long_for_one(family, length));
    [small.concat(), edge.concat(), large.concat()].concat()
}

pub(crate) fn theme() -> Theme {
    Theme::new("sizes", lab, plain::config(), both(rows))
}
