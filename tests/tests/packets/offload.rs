//! Checksum offload switched off, at the sender or where copies leave.

use udplb_tests::{
    lab::{Lab, shapes},
    packet::Checksum,
    rows::{Family, Row, Theme, both},
};

use super::plain;

const CATCHES: &str = "a checksum that nobody completes, or somebody completes twice";

/// The sender's stack computes checksums itself.
fn sender_without(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    lab.host("sender").set_transmit_checksum("eth0", false);
    lab
}

/// The node's devices cannot complete what senders left to theirs.
fn node_without(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    for interface in ["eth1", "eth2"] {
        lab.host("node").set_transmit_checksum(interface, false);
    }
    lab
}

fn rows(family: Family, [arrives, leaves]: [Checksum; 2]) -> Vec<Row> {
    let datagram = family.datagram(0);
    let mut odd = datagram.clone();
    odd.payload.truncate(5);
    let mut absent = datagram.clone();
    absent.checksum = Checksum::Zero;
    let pending = |row: Row| row.pending(arrives, leaves);
    [
        plain::sent("a checksum left to the device", CATCHES, &datagram, pending),
        plain::sent("an odd length left to the device", CATCHES, &odd, pending),
        plain::sent("a finished checksum", CATCHES, &datagram, |row| row),
        plain::sent(
            "no checksum",
            "a checksum made up by a device",
            &absent,
            |row| row,
        ),
    ]
    .concat()
}

pub(crate) mod at_sender {
    use super::{Checksum, Theme, both, plain, rows, sender_without};

    pub(crate) fn theme() -> Theme {
        let rows = both(|family| rows(family, [Checksum::Right, Checksum::Right]));
        Theme::new("offload-sender", sender_without, plain::config(), rows)
    }
}

pub(crate) mod at_node {
    use super::{Checksum, Theme, both, node_without, plain, rows};

    pub(crate) fn theme() -> Theme {
        let rows = both(|family| rows(family, [Checksum::Pending, Checksum::Right]));
        Theme::new("offload-node", node_without, plain::config(), rows)
    }
}
