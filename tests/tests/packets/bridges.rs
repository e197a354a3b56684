//! Frames that come to a bridge and copies that leave by one: the bridge counts, its ports do not.

use udplb_tests::{
    lab::{Lab, shapes},
    packet::{Checksum, Udp},
    rows::{Family, Row, Theme, both},
};

use super::plain;

/// Puts `eth0` and `eth1` of the node into bridges, which have their addresses then.
fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    let node = lab.host("node");
    for (number, subnet) in [(0, 1), (1, 2)] {
        let mac = node.mac(&format!("eth{number}"));
        node.ip_batch(&format!(
            "address flush dev eth{number}
             link add br{number} address {mac} type bridge mcast_snooping 0 forward_delay 0
             link set eth{number} master br{number}
             link set br{number} up
             address add 10.0.{subnet}.1/24 dev br{number}
             address add 2001:db8:{subnet}::1/64 dev br{number} nodad
            "
        ));
    }
    node.ip_batch("route replace default via 10.0.1.2\nroute replace default via 2001:db8:1::2\n");
    lab
}

fn rows(family: Family) -> Vec<Row> {
    let datagram = family.datagram(0);
    let unchecked = Udp {
        checksum: Checksum::Zero,
        ..datagram.clone()
    };
    let spent = Udp {
        ttl: 1,
        ..datagram.clone()
    };
    let full = Udp {
        payload: vec![0x42; family.choose(1472, 1452)],
        ..datagram.clone()
    };
    let port = "a program on a bridge's port, which sees frames for the bridge as others'";
    let pending = |row: Row| row.pending(Checksum::Pending, Checksum::Pending);
    [
        plain::sent("a packet to a bridge", port, &datagram, |row| row),
        plain::sent("a packet without a checksum", port, &unchecked, |row| row),
        plain::sent("a full packet", "a bridge's MTU not found", &full, |row| {
            row
        }),
        plain::sent(
            "a checksum left to the device",
            "a checksum that a bridge's port completes",
            &datagram,
            pending,
        ),
        plain::dropped("a packet without hops", port, &spent, "ttl_expired"),
    ]
    .concat()
}

pub(crate) fn theme() -> Theme {
    Theme {
        interface: "br0",
        ..Theme::new("bridges", lab, plain::config(), both(rows))
    }
}
