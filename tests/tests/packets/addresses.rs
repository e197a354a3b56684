//! What a copy's addresses and port are, for every way to say it.

use udplb_tests::{
    agent::forward,
    lab::shapes,
    rows::{Family, Row, Theme, both},
};

/// How a forward treats addresses.
#[derive(Clone, Copy, Debug)]
struct Mode {
    name: &'static str,
    port: u16,
    action: &'static str,
    options: &'static str,
    upstream_port: Option<u16>,
    catches: &'static str,
}

const DIRECT: &str = "destinationAddress: Preserve, ";
const HIDDEN: &str = "sourceAddress: Rewrite, ";

const fn mode(
    name: &'static str,
    port: u16,
    action: &'static str,
    options: &'static str,
    upstream_port: Option<u16>,
    catches: &'static str,
) -> Mode {
    Mode {
        name,
        port,
        action,
        options,
        upstream_port,
        catches,
    }
}

const MODES: [Mode; 10] = [
    mode(
        "clone",
        1001,
        "Clone",
        "",
        Some(5001),
        "source and destination swapped",
    ),
    mode(
        "clone-same-port",
        1002,
        "Clone",
        "",
        None,
        "port 0 written where none is given",
    ),
    mode(
        "clone-hidden",
        1003,
        "Clone",
        HIDDEN,
        Some(5003),
        "the sender's address shown in spite of Rewrite",
    ),
    mode(
        "clone-hidden-same-port",
        1004,
        "Clone",
        HIDDEN,
        None,
        "the source port changed together with the address",
    ),
    mode(
        "clone-direct",
        1005,
        "Clone",
        DIRECT,
        None,
        "the destination rewritten in spite of Preserve",
    ),
    mode(
        "forward",
        1006,
        "Forward",
        "",
        Some(5006),
        "a byte in the wrong order in port or address",
    ),
    mode(
        "forward-same-port",
        1007,
        "Forward",
        "",
        None,
        "port 0 written where none is given",
    ),
    mode(
        "forward-hidden",
        1008,
        "Forward",
        HIDDEN,
        Some(5008),
        "the sender's address shown in spite of Rewrite",
    ),
    mode(
        "forward-hidden-same-port",
        1009,
        "Forward",
        HIDDEN,
        None,
        "the source port changed together with the address",
    ),
    mode(
        "forward-direct",
        1010,
        "Forward",
        DIRECT,
        None,
        "the destination rewritten in spite of Preserve",
    ),
];

/// Every destination address that a forward without `addresses` takes, by family, and how it is called.
fn own_addresses(family: Family) -> [(&'static str, &'static str); 2] {
    family.choose(
        [
            ("the address of the interface", "10.0.1.1"),
            ("an address of another interface", "10.0.3.1"),
        ],
        [
            ("the address of the interface", "2001:db8:1::1"),
            ("an address of another interface", "2001:db8:3::1"),
        ],
    )
}

fn document(mode: &Mode) -> String {
    let Mode {
        name,
        port,
        action,
        options,
        upstream_port,
        ..
    } = *mode;
    let upstream_port = upstream_port.map_or_else(String::new, |port| format!(", port: {port}"));
    let [v4, v6] = [Family::V4, Family::V6].map(|family| family.collector(1));
    forward(
        name,
        &format!(
            "
  match: {{ports: [{{port: {port}}}]}}
  action: {action}
  destinations:
  - {{name: one, {options}upstreams: [{{address: {v4}{upstream_port}}}, {{address: '{v6}'{upstream_port}}}]}}
"
        ),
    )
}

fn rows(family: Family, mode: &Mode) -> Vec<Row> {
    let upstream = mode
        .upstream_port
        .map_or_else(|| family.collector(1), |port| family.collector_at(1, port));
    let at = format!("{}/one", mode.name);
    let row = |(what, address): (&str, &str)| {
        let datagram = family.datagram_to(address, mode.port);
        let name = format!("{} to {what}, {}", mode.name, family.name());
        let row = Row::new(name, mode.catches, &datagram).matches(mode.name);
        let row = match mode.options {
            DIRECT => row.copied_directly(&at, &upstream),
            HIDDEN => row.copied_from(&at, &upstream, datagram.destination.ip()),
            _ => row.copied(&at, &upstream),
        };
        if mode.action == "Forward" {
            row.consumed()
        } else {
            row
        }
    };
    own_addresses(family).into_iter().map(row).collect()
}

pub(crate) fn theme() -> Theme {
    let config = MODES.iter().map(document).collect();
    let rows = both(|family| MODES.iter().flat_map(|mode| rows(family, mode)).collect());
    Theme::new("addresses", shapes::two_collectors, config, rows)
}
