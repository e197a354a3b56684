//! Eight destinations that all decide otherwise: each gets its own, whatever became of those before.

use udplb_tests::{
    agent::forward,
    lab::{Lab, shapes},
    packet::{Checksum, Tag, Udp},
    rows::{Family, Row, Theme, both, upstreams},
};

const CLONED: u16 = 7000;
const FORWARDED: u16 = 7001;
/// Its last destination that sends is not its last one.
const EARLY: u16 = 7002;
/// Every destination sends.
const FULL: u16 = 7003;
const FULL_FORWARD: u16 = 7004;

fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    lab.host("node").ip_batch(
        "route add unreachable 203.0.113.0/24
         route add unreachable 2001:db8:dead::/48
         link set eth2 mtu 1400
        ",
    );
    lab
}

const MIXED: [(&str, &str); 8] = [
    ("shown", ""),
    ("left-out", "sampling: {oneIn: 1000000000, per: Packet}, "),
    ("hidden", "sourceAddress: Rewrite, "),
    ("narrow", ""),
    ("unrouted", ""),
    ("silent", ""),
    ("direct", "destinationAddress: Preserve, "),
    ("last", "sourceAddress: Rewrite, "),
];

fn mixed_upstreams(name: &str) -> String {
    match name {
        "narrow" => upstreams(2, Some(5002)),
        "unrouted" => "[{address: 203.0.113.1}, {address: '2001:db8:dead::1'}]".to_owned(),
        "silent" => format!(
            "[{{address: {}}}, {{address: '{}'}}]",
            silent(Family::V4),
            silent(Family::V6)
        ),
        "direct" => upstreams(1, None),
        _ => upstreams(1, Some(5001)),
    }
}

fn silent(family: Family) -> String {
    family.beside_collector(1, 99)
}

fn config() -> String {
    let document = |name: &str, port: u16, action: &str, destinations: String| {
        forward(
            name,
            &format!(
                "  match: {{ports: [{{port: {port}}}]}}\n  action: {action}\n  destinations:\n{destinations}"
            ),
        )
    };
    let mixed = |order: &[(&str, &str)]| -> String {
        order
            .iter()
            .map(|(name, options)| {
                format!(
                    "  - {{name: {name}, {options}upstreams: {}}}\n",
                    mixed_upstreams(name)
                )
            })
            .collect()
    };
    let full: String = (0..8)
        .map(|number| {
            format!(
                "  - {{name: d{number}, upstreams: {}}}\n",
                upstreams(1, Some(5010 + number))
            )
        })
        .collect();
    let mut early = MIXED;
    early.rotate_left(5);
    [
        document("cloned", CLONED, "Clone", mixed(&MIXED)),
        document("forwarded", FORWARDED, "Forward", mixed(&MIXED)),
        document("early", EARLY, "Forward", mixed(&early)),
        document("full", FULL, "Clone", full.clone()),
        document("full-forward", FULL_FORWARD, "Forward", full),
    ]
    .concat()
}

/// A packet too long for `narrow`.
fn long(family: Family, port: u16) -> Udp {
    Udp {
        payload: vec![0x33; 1401],
        ..family.datagram(port)
    }
}

/// What becomes of it at one of the mixed destinations.
fn mixed(row: Row, family: Family, forward: &str, name: &str) -> Row {
    let at = format!("{forward}/{name}");
    let node = family.node().parse().unwrap();
    let upstream = family.collector_at(1, 5001);
    match name {
        "shown" => row.copied(&at, &upstream),
        "left-out" => row.sampled_out(&at),
        "narrow" => row.dropped(&at, "mtu_exceeded"),
        "unrouted" => row.dropped(&at, "no_route"),
        "silent" => row.dropped(&at, "neighbour_unresolved"),
        "direct" => row.copied_directly(&at, &family.collector(1)),
        _ => row.copied_from(&at, &upstream, node),
    }
}

fn all_mixed(row: Row, family: Family, forward: &str) -> Row {
    MIXED.iter().fold(row.matches(forward), |row, (name, _)| {
        mixed(row, family, forward, name)
    })
}

fn full(row: Row, family: Family, forward: &str) -> Row {
    (0..8).fold(row.matches(forward), |row, number| {
        row.copied(
            &format!("{forward}/d{number}"),
            &family.collector_at(1, 5010 + number),
        )
    })
}

fn rows(family: Family) -> Vec<Row> {
    let row = |what: &str, catches, datagram: &Udp| {
        Row::new(format!("{what}, {}", family.name()), catches, datagram)
    };
    let left_behind = "a copy that keeps what the one before was given";
    let mut rows = vec![
        all_mixed(
            row("eight ways cloned", left_behind, &long(family, CLONED)),
            family,
            "cloned",
        ),
        all_mixed(
            row(
                "eight ways cloned from a tagged frame",
                left_behind,
                &long(family, CLONED),
            )
            .tagged(&[Tag::vlan(5)]),
            family,
            "cloned",
        ),
        all_mixed(
            row(
                "eight ways forwarded",
                left_behind,
                &long(family, FORWARDED),
            ),
            family,
            "forwarded",
        )
        .consumed(),
    ];
    // `silent`, `direct`, `last`, `shown`, `left-out`, `hidden`, and two that do not send.
    let mut early = MIXED;
    early.rotate_left(5);
    let start = row(
        "a last destination that does not send",
        "a packet that is consumed because nobody is last",
        &long(family, EARLY),
    )
    .matches("early");
    rows.push(
        early
            .iter()
            .fold(start, |row, (name, _)| mixed(row, family, "early", name))
            .consumed(),
    );
    for (what, port, forward) in [
        ("cloned", FULL, "full"),
        ("forwarded", FULL_FORWARD, "full-forward"),
    ] {
        let catches = "a destination left out, or handled twice";
        let datagram = family.datagram(port);
        let mut unchecked = datagram.clone();
        unchecked.checksum = Checksum::Zero;
        let kinds = [
            row(&format!("eight times {what}"), catches, &datagram),
            row(
                &format!("eight times {what} without a checksum"),
                catches,
                &unchecked,
            ),
            row(
                &format!("eight times {what} with a sum by hardware"),
                "a sum that is wrong after many changes",
                &datagram,
            )
            .summed(),
            row(
                &format!("eight times {what} without a checksum and with a sum by hardware"),
                "a sum that is wrong after many changes",
                &unchecked,
            )
            .summed(),
            row(
                &format!("eight times {what} with a checksum left to the device"),
                catches,
                &datagram,
            )
            .pending(Checksum::Pending, Checksum::Pending),
        ];
        rows.extend(kinds.map(|row| {
            let row = full(row, family, forward);
            if what == "cloned" {
                row
            } else {
                row.consumed()
            }
        }));
    }
    rows
}

pub(crate) fn theme() -> Theme {
    let unreachable = vec![
        silent(Family::V4),
        silent(Family::V6),
        "203.0.113.1".to_owned(),
        "2001:db8:dead::1".to_owned(),
    ];
    Theme {
        unreachable,
        ..Theme::new("fanout", lab, config(), both(rows))
    }
}
