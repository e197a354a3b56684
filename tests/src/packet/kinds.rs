//! Datagrams of every kind that a rewrite can get wrong. Pure.

use std::net::SocketAddr;

use super::{Checksum, Udp};

/// Variants of a datagram, with a name for each. One of them has a checksum of zero, sent as all ones, once its
/// destination is changed to `upstream`.
pub fn kinds(plain: &Udp, upstream: SocketAddr) -> Vec<(&'static str, Udp)> {
    let longest = if plain.source.is_ipv4() { 1472 } else { 1452 };
    let data = |length| (0..=255).cycle().take(length).collect();
    let like = |change: &dyn Fn(&mut Udp)| {
        let mut changed = plain.clone();
        change(&mut changed);
        changed
    };
    let mut kinds = vec![
        ("nothing odd", plain.clone()),
        ("an odd length", like(&|udp| udp.payload = data(333))),
        ("no data", like(&|udp| udp.payload = Vec::new())),
        ("the largest size", like(&|udp| udp.payload = data(longest))),
        (
            "a class and a label",
            like(&|udp| (udp.traffic_class, udp.identification) = (0xb9, 0xffff)),
        ),
        (
            "the lowest TTL that can be sent on",
            like(&|udp| udp.ttl = 2),
        ),
        ("the highest TTL", like(&|udp| udp.ttl = 255)),
        (
            "a zero checksum",
            like(&|udp| udp.checksum = Checksum::Zero),
        ),
        (
            "a wrong checksum",
            like(&|udp| udp.checksum = Checksum::Is(0x4321)),
        ),
        ("a checksum of all ones", all_ones(plain, plain)),
        (
            "a checksum that becomes all ones",
            all_ones(plain, &like(&|udp| udp.destination = upstream)),
        ),
    ];
    if plain.source.is_ipv4() {
        let router_alert = vec![0x94, 4, 0, 0];
        let timestamps = [[0x44, 12, 5, 0].as_slice(), &[0; 8]].concat();
        kinds.extend([
            (
                "a short option",
                like(&|udp| udp.options.clone_from(&router_alert)),
            ),
            ("options", like(&|udp| udp.options.clone_from(&timestamps))),
            (
                "as many options as fit",
                like(&|udp| udp.options = vec![1; 40]),
            ),
        ]);
    } else {
        let hop_by_hop = (0, vec![0, 0, 1, 4, 0, 0, 0, 0]);
        let destination = (60, [[0, 1, 1, 12].as_slice(), &[0; 12]].concat());
        let both = vec![hop_by_hop, destination.clone()];
        kinds.extend([
            (
                "an extension header",
                like(&|udp| udp.extensions = vec![destination.clone()]),
            ),
            (
                "two extension headers",
                like(&|udp| udp.extensions.clone_from(&both)),
            ),
        ]);
    }
    kinds
}

/// `datagram` with data that make the checksum of `other`, a datagram with the same data, all ones.
fn all_ones(datagram: &Udp, other: &Udp) -> Udp {
    let empty = Udp {
        payload: vec![0; 2],
        ..other.clone()
    }
    .segment();
    let full = Udp {
        payload: empty[6..8].to_vec(),
        ..other.clone()
    };
    assert_eq!(full.segment()[6..8], [0xff, 0xff]);
    Udp {
        payload: full.payload,
        ..datagram.clone()
    }
}
