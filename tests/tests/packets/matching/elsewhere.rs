//! Sources, interfaces, and packets that are nobody's.

use udplb_tests::{
    lab::Mac,
    rows::{Family, Row},
};

use super::{other, ours};

pub(super) fn sources(family: Family) -> Vec<Row> {
    let from = |address: &str| {
        let mut datagram = family.datagram(3200);
        datagram.source.set_ip(address.parse().unwrap());
        datagram
    };
    let inside = ["10.0.1.0", "10.0.1.3", "192.0.2.7"].into_iter().zip([
        "2001:db8:1::",
        "2001:db8:1::3",
        "2001:db8:9::7",
    ]);
    let outside = ["10.0.1.4", "10.0.0.255", "192.0.2.6"].into_iter().zip([
        "2001:db8:1::4",
        "2001:db8::ffff",
        "2001:db8:9::6",
    ]);
    let mut rows = Vec::new();
    for (v4, v6) in inside {
        let address = family.choose(v4, v6);
        rows.push(ours(
            family,
            &format!("from {address}"),
            "a source that is named refused",
            &from(address),
            "sources",
        ));
    }
    for (v4, v6) in outside {
        let address = family.choose(v4, v6);
        rows.push(other(
            family,
            &format!("from {address}"),
            "a source that is not named taken",
            &from(address),
        ));
    }
    rows
}

pub(super) fn interfaces(family: Family) -> Vec<Row> {
    // From the collector, to the address of the link that it is on.
    let to_second = |port| {
        let mut datagram = family.datagram_to(&family.beside_collector(1, 1), port);
        datagram.source.set_ip(family.collector(1).parse().unwrap());
        datagram
    };
    let from_second = |row: Row| row.from_host("collector1", "eth1");
    vec![
        ours(
            family,
            "a port of both links, on the first",
            "the interface not part of a listener's key",
            &family.datagram(3300),
            "first-link",
        ),
        from_second(ours(
            family,
            "a port of both links, on the second",
            "the interface not part of a listener's key",
            &to_second(3300),
            "second-link",
        )),
        other(
            family,
            "a port of the second link, on the first",
            "a listener on every interface",
            &family.datagram(3301),
        ),
        from_second(ours(
            family,
            "a port of the second link, on the second",
            "a program on the first interface only",
            &to_second(3301),
            "second-link",
        )),
        from_second(other(
            family,
            "a port of the first link, on the second",
            "a listener on every interface",
            &to_second(2000),
        )),
    ]
}

pub(super) fn others(family: Family) -> Vec<Row> {
    let datagram = family.datagram(2000);
    let protocol = family.choose(14 + 9, 14 + 6);
    let bent = |what: &str, catches, bend: &dyn Fn(&mut Vec<u8>)| {
        other(family, what, catches, &datagram).bent(bend)
    };
    let mut rows = vec![
        other(
            family,
            "a frame for another host",
            "other hosts' frames taken in promiscuous mode",
            &datagram,
        )
        .to_mac(Mac([2, 1, 2, 3, 4, 5])),
        bent(
            "the type of ARP",
            "a frame's type not looked at",
            &|frame| frame[12..14].copy_from_slice(&[8, 6]),
        ),
        bent(
            "the type of the other family",
            "a header read as the other family's",
            &|frame| {
                let other: [u8; 2] = family.choose([0x86, 0xdd], [8, 0]);
                frame[12..14].copy_from_slice(&other);
            },
        ),
    ];
    for number in [1, 6, 47, 58, 132, 136] {
        rows.push(bent(
            &format!("protocol {number}"),
            "another protocol taken for UDP",
            &|frame| frame[protocol] = number,
        ));
    }
    rows
}
