//! Multicast and broadcast: ours where they are named, and copies carry an address of the node's.

use udplb_tests::{
    agent::forward,
    lab::{Lab, Mac, shapes},
    packet::Udp,
    rows::{Family, Row, Theme, both, upstreams},
};

const PORT: u16 = 4000;
/// Everything of both families, but no group by name.
const PREFIXES: u16 = 4001;
/// No address named at all.
const OWN: u16 = 4002;
const FORWARDED: u16 = 4003;

fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    drop(lab.host("node").ip("route add blackhole 224.0.0.0/4"));
    lab
}

fn config() -> String {
    let document = |name: &str, action: &str, matched: String| {
        let (shown, hidden) = (upstreams(1, None), upstreams(2, None));
        forward(
            name,
            &format!(
                "
  match: {{{matched}}}
  action: {action}
  destinations:
  - {{name: one, upstreams: {shown}}}
  - {{name: two, sourceAddress: Rewrite, upstreams: {hidden}}}
"
            ),
        )
    };
    let groups = "addresses: [239.1.2.3, 239.8.0.0/16, 255.255.255.255, 10.0.1.255, 'ff05::1:3', 'ff15::/16']";
    [
        document(
            "groups",
            "Clone",
            format!("{groups}, ports: [{{port: {PORT}}}]"),
        ),
        document(
            "prefixes",
            "Clone",
            format!("addresses: [0.0.0.0/0, '::/0'], ports: [{{port: {PREFIXES}}}]"),
        ),
        document("own", "Clone", format!("ports: [{{port: {OWN}}}]")),
        document(
            "moved",
            "Forward",
            format!("{groups}, ports: [{{port: {FORWARDED}}}]"),
        ),
    ]
    .concat()
}

/// A group, and the link-layer address of its frames.
fn groups(family: Family) -> Vec<(&'static str, &'static str, Mac)> {
    family.choose(
        vec![
            ("a named group", "239.1.2.3", Mac([0x01, 0, 0x5e, 1, 2, 3])),
            (
                "a group in a named prefix",
                "239.8.9.10",
                Mac([0x01, 0, 0x5e, 8, 9, 10]),
            ),
            ("everybody", "255.255.255.255", Mac::BROADCAST),
            ("everybody on the link", "10.0.1.255", Mac::BROADCAST),
        ],
        vec![
            ("a named group", "ff05::1:3", Mac([0x33, 0x33, 0, 1, 0, 3])),
            (
                "a group in a named prefix",
                "ff15::9",
                Mac([0x33, 0x33, 0, 0, 0, 9]),
            ),
        ],
    )
}

fn sent(row: Row, family: Family, forward: &str) -> Row {
    let node = family.node().parse().unwrap();
    row.matches(forward)
        .copied(&format!("{forward}/one"), &family.collector(1))
        .copied_from(&format!("{forward}/two"), &family.collector(2), node)
}

fn rows(family: Family) -> Vec<Row> {
    let mut rows = Vec::new();
    let row = |what: &str, catches, datagram: &Udp, mac| {
        Row::new(format!("{what}, {}", family.name()), catches, datagram).to_mac(mac)
    };
    for (what, address, mac) in groups(family) {
        let to = |port| family.datagram_to(address, port);
        let shows_group = "copies that claim to come from a group";
        rows.push(sent(
            row(what, shows_group, &to(PORT), mac),
            family,
            "groups",
        ));
        rows.push(
            sent(
                row(&format!("{what}, moved"), shows_group, &to(FORWARDED), mac),
                family,
                "moved",
            )
            .consumed(),
        );
        rows.push(row(
            &format!("{what} at a prefix for all"),
            "a group taken that nobody named",
            &to(PREFIXES),
            mac,
        ));
        rows.push(row(
            &format!("{what} at a port for the node"),
            "a group taken that nobody named",
            &to(OWN),
            mac,
        ));
    }
    let (other, mac) = family.choose(
        ("239.1.2.4", Mac([0x01, 0, 0x5e, 1, 2, 4])),
        ("ff05::1:4", Mac([0x33, 0x33, 0, 1, 0, 4])),
    );
    rows.push(row(
        "a group beside the named one",
        "all groups taken where one is named",
        &family.datagram_to(other, PORT),
        mac,
    ));
    rows.push(row(
        "a unicast address at a port of groups",
        "unicast taken where groups are named",
        &family.datagram(PORT),
        Mac::of("node", "eth0"),
    ));
    let unicast = row(
        "a unicast address at a prefix for all",
        "a prefix for all that takes nothing",
        &family.datagram(PREFIXES),
        Mac::of("node", "eth0"),
    );
    rows.push(sent(unicast, family, "prefixes"));
    rows
}

pub(crate) fn theme() -> Theme {
    Theme::new("groups", lab, config(), both(rows))
}
