//! Whose packet it is: ports, addresses, sources, interfaces.

#[path = "matching/elsewhere.rs"]
mod elsewhere;

use udplb_tests::{
    agent::forward,
    lab::{Lab, shapes},
    packet::Udp,
    rows::{Family, Row, Theme, both, upstreams},
};

/// Of each forward: its name, and its match and interfaces.
const FORWARDS: [(&str, &str); 9] = [
    (
        "ranges",
        "match: {ports: [{port: 2000, endPort: 2009}, {port: 2020}, {port: 65000}]}",
    ),
    (
        "exact",
        "match: {addresses: [198.51.100.7, '2001:db8:100::7'], ports: [{port: 3000}]}",
    ),
    (
        "half",
        "match: {addresses: [198.51.100.0/25, '2001:db8:100::/65'], ports: [{port: 3000}]}",
    ),
    (
        "whole",
        "match: {addresses: [198.51.100.0/24, '2001:db8:100::/64'], ports: [{port: 3000}]}",
    ),
    (
        "everything",
        "match: {addresses: ['::/0', 198.51.101.0/24], ports: [{port: 3100}]}",
    ),
    (
        "sources",
        "match: {ports: [{port: 3200}], sources: [10.0.1.0/30, '2001:db8:1::/126', 192.0.2.7, '2001:db8:9::7']}",
    ),
    (
        "first-link",
        "interfaces: [eth0]\n  match: {ports: [{port: 3300}]}",
    ),
    (
        "second-link",
        "interfaces: [eth1]\n  match: {ports: [{port: 3300}, {port: 3301}]}",
    ),
    (
        "one-address",
        "match: {addresses: [10.0.1.1, '2001:db8:1::1'], ports: [{port: 3400}]}",
    ),
];

fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    // What is not ours ends here.
    drop(lab.host("node").ip("route add blackhole 198.51.100.0/23"));
    lab
}

fn config() -> String {
    let document = |(name, matched): &(&str, &str)| {
        let (action, upstreams) = ("Clone", upstreams(2, None));
        forward(
            name,
            &format!(
                "  {matched}\n  action: {action}\n  destinations:\n  - {{name: one, upstreams: {upstreams}}}"
            ),
        )
    };
    FORWARDS.iter().map(document).collect()
}

/// A datagram that this forward takes.
fn ours(family: Family, what: &str, catches: &'static str, datagram: &Udp, forward: &str) -> Row {
    other(family, what, catches, datagram)
        .matches(forward)
        .copied(&format!("{forward}/one"), &family.collector(2))
}

/// A datagram that none takes.
fn other(family: Family, what: &str, catches: &'static str, datagram: &Udp) -> Row {
    Row::new(format!("{what}, {}", family.name()), catches, datagram)
}

fn ports(family: Family) -> Vec<Row> {
    let taken = [2000, 2001, 2009, 2020, 65_000].map(|port| {
        ours(
            family,
            &format!("port {port}"),
            "an edge of a range left out, or a port's bytes swapped",
            &family.datagram(port),
            "ranges",
        )
    });
    // 53,255 is 2,000 with its bytes swapped.
    let left = [1999, 2010, 2019, 2021, 53_255, 0, 65_535].map(|port| {
        other(
            family,
            &format!("port {port}"),
            "a range that is too long",
            &family.datagram(port),
        )
    });
    let mut from = family.datagram(9);
    from.source.set_port(2000);
    let source = other(
        family,
        "a source port of ours",
        "source and destination port mixed up",
        &from,
    );
    [&taken[..], &left, &[source]].concat()
}

fn addresses(family: Family) -> Vec<Row> {
    let at = |last: u8, port| {
        let address = family.choose(
            format!("198.51.100.{last}"),
            format!("2001:db8:100::{last:x}"),
        );
        family.datagram_to(&address, port)
    };
    let upper = family.datagram_to(
        family.choose("198.51.100.200", "2001:db8:100:0:8000::1"),
        3000,
    );
    let beyond = family.datagram_to(family.choose("198.51.101.1", "2001:db8:100:1::1"), 3000);
    let elsewhere = family.datagram_to(family.choose("10.0.2.1", "2001:db8:2::1"), 3400);
    vec![
        ours(
            family,
            "an exact address",
            "a prefix preferred to an exact address",
            &at(7, 3000),
            "exact",
        ),
        ours(
            family,
            "an address in two prefixes",
            "a shorter prefix preferred to a longer one",
            &at(8, 3000),
            "half",
        ),
        ours(
            family,
            "the first address of a prefix",
            "the first address of a prefix left out",
            &at(0, 3000),
            "half",
        ),
        ours(
            family,
            "an address in the longer prefix only",
            "a prefix compared by too many bits",
            &upper,
            "whole",
        ),
        other(
            family,
            "an address behind the prefix",
            "a prefix compared by too few bits",
            &beyond,
        ),
        other(
            family,
            "an exact address at another port",
            "the port not part of a listener's key",
            &at(7, 3001),
        ),
        ours(
            family,
            "the one address that is named",
            "a named address not taken",
            &family.datagram(3400),
            "one-address",
        ),
        other(
            family,
            "an address of the node that is not named",
            "all addresses taken where one is named",
            &elsewhere,
        ),
        other(
            family,
            "an address that nobody has",
            "addresses of others taken",
            &family.datagram_to(family.choose("10.0.1.99", "2001:db8:1::99"), 2000),
        ),
    ]
}

/// `::/0` is about IPv6, although the map knows IPv4 addresses as a part of it, and is asked for an IPv4 prefix's sake.
fn everything() -> Vec<Row> {
    let (v4, v6) = (Family::V4, Family::V6);
    vec![
        ours(
            v6,
            "an address in ::/0",
            "the empty prefix not found",
            &v6.datagram(3100),
            "everything",
        ),
        ours(
            v6,
            "a foreign address in ::/0",
            "the empty prefix not found",
            &v6.datagram_to("2001:db8:77::1", 3100),
            "everything",
        ),
        ours(
            v4,
            "an address in the prefix beside ::/0",
            "a prefix hidden by one of the other family",
            &v4.datagram_to("198.51.101.1", 3100),
            "everything",
        ),
        other(
            v4,
            "an address beside ::/0",
            "IPv4 taken for a part of IPv6",
            &v4.datagram(3100),
        ),
    ]
}

pub(crate) fn theme() -> Theme {
    let rows = both(|family| {
        [
            ports(family),
            addresses(family),
            elsewhere::sources(family),
            elsewhere::interfaces(family),
            elsewhere::others(family),
        ]
        .concat()
    });
    Theme::new("matching", lab, config(), [rows, everything()].concat())
}
