//! What a destination takes, and which upstream gets it: sampling, rate limit, balance.

use std::ops::RangeInclusive;

use udplb_tests::{
    agent::forward,
    lab::{Lab, shapes},
    packet::Udp,
    rows::{Family, Row, Theme, both, upstreams},
};

/// One in so many that none is taken while tests run.
const NEVER: &str = "1000000000";

/// By strategy, the ports of the upstreams that a flow gets, in both families. Tables and hashes are the same on every node and
/// after every restart, so these stay.
const CHOICES: [(&str, [u16; 2]); 4] = [
    ("SourceIP", [5016, 5005]),
    ("SourcePort", [5002, 5005]),
    ("SourceIPPort", [5016, 5002]),
    ("FiveTuple", [5001, 5014]),
];

/// Ports of the upstreams among which a strategy chooses.
const UPSTREAMS: RangeInclusive<u16> = 5001..=5016;

const SAMPLED: u16 = 6000;
const SAMPLED_FORWARD: u16 = 6001;
/// A limited forward for each family: a limit remembers.
const LIMITED: [u16; 2] = [6010, 6011];
const SAVED: [u16; 2] = [6020, 6021];
const BALANCED: u16 = 6030;

fn lab(name: &str) -> Lab {
    shapes::two_collectors(name)
}

fn document(name: &str, port: u16, action: &str, destinations: &[(&str, &str, String)]) -> String {
    let destinations: String = destinations
        .iter()
        .map(|(name, options, upstreams)| {
            format!("  - {{name: {name}, {options}upstreams: {upstreams}}}\n")
        })
        .collect();
    forward(
        name,
        &format!(
            "  match: {{ports: [{{port: {port}}}]}}\n  action: {action}\n  destinations:\n{destinations}"
        ),
    )
}

fn config() -> String {
    let packets = format!("sampling: {{oneIn: {NEVER}, per: Packet}}, ");
    let flows = format!("sampling: {{oneIn: {NEVER}, per: Flow}}, ");
    let sampled = [
        (
            "all",
            "sampling: {oneIn: 1, per: Packet}, ",
            upstreams(1, None),
        ),
        ("packets", &packets[..], upstreams(2, None)),
        ("flows", &flows[..], upstreams(2, None)),
        (
            "every-flow",
            "sampling: {oneIn: 1, per: Flow}, ",
            upstreams(2, None),
        ),
    ];
    let limited = [(
        "one",
        "rateLimit: {packetsPerSecond: 1, burst: 3}, ",
        upstreams(1, None),
    )];
    let mut config = document("sampled", SAMPLED, "Clone", &sampled)
        + &document("sampled-forward", SAMPLED_FORWARD, "Forward", &sampled[..3]);
    for port in LIMITED.into_iter().chain(SAVED) {
        config += &document(&format!("f{port}"), port, "Clone", &limited);
    }
    for (port, (strategy, _)) in (BALANCED..).zip(CHOICES) {
        let upstreams: Vec<String> = both(|family| {
            UPSTREAMS
                .map(|port| format!("{{address: '{}', port: {port}}}", family.collector(1)))
                .collect()
        });
        let options = format!("strategy: {strategy}, ");
        let destination = ("one", &options[..], format!("[{}]", upstreams.join(", ")));
        config += &document(&strategy.to_lowercase(), port, "Clone", &[destination]);
    }
    config
}

fn row(family: Family, what: &str, catches: &'static str, datagram: &Udp) -> Row {
    Row::new(format!("{what}, {}", family.name()), catches, datagram)
}

fn sampling(family: Family) -> Vec<Row> {
    let (first, second) = (family.collector(1), family.collector(2));
    let mut spent = family.datagram(SAMPLED);
    spent.ttl = 1;
    vec![
        row(
            family,
            "sampling",
            "one in one that leaves packets out, or one in many that takes them",
            &family.datagram(SAMPLED),
        )
        .matches("sampled")
        .copied("sampled/all", &first)
        .sampled_out("sampled/packets")
        .sampled_out("sampled/flows")
        .copied("sampled/every-flow", &second),
        row(
            family,
            "sampling of what is forwarded",
            "a packet left to the stack that sampling left out",
            &family.datagram(SAMPLED_FORWARD),
        )
        .matches("sampled-forward")
        .copied("sampled-forward/all", &first)
        .sampled_out("sampled-forward/packets")
        .sampled_out("sampled-forward/flows")
        .consumed(),
        row(
            family,
            "sampling of spent packets",
            "a packet counted as dropped that sampling had left out",
            &spent,
        )
        .matches("sampled")
        .dropped("sampled/all", "ttl_expired")
        .sampled_out("sampled/packets")
        .sampled_out("sampled/flows")
        .dropped("sampled/every-flow", "ttl_expired"),
    ]
}

fn limits(family: Family) -> Vec<Row> {
    let upstream = family.collector(1);
    let [limited, saved] = [LIMITED, SAVED].map(|ports| family.choose(ports[0], ports[1]));
    let mut spent = family.datagram(saved);
    spent.ttl = 1;
    let after_burst = |row: Row, port: u16| {
        let at = format!("f{port}/one");
        row.times(5)
            .matches(&format!("f{port}"))
            .copied(&at, &upstream)
            .copied(&at, &upstream)
            .copied(&at, &upstream)
            .dropped_times(2, &at, "rate_limited")
    };
    vec![
        after_burst(
            row(
                family,
                "more than a burst",
                "a burst of one more or less",
                &family.datagram(limited),
            ),
            limited,
        ),
        row(
            family,
            "packets that are dropped anyway",
            "a limit spent on packets that are not sent",
            &spent,
        )
        .times(5)
        .matches(&format!("f{saved}"))
        .dropped(&format!("f{saved}/one"), "ttl_expired"),
        after_burst(
            row(
                family,
                "a burst after packets that were dropped anyway",
                "a limit spent on packets that are not sent",
                &family.datagram(saved),
            ),
            saved,
        ),
    ]
}

fn balance(family: Family) -> Vec<Row> {
    (BALANCED..)
        .zip(CHOICES)
        .map(|(port, (strategy, choices))| {
            let forward = strategy.to_lowercase();
            let upstream = family.collector_at(1, choices[family.choose(0, 1)]);
            row(
                family,
                &format!("balance by {strategy}"),
                "a hash of other fields, or a table read at a wrong place",
                &family.datagram(port),
            )
            .matches(&forward)
            .copied(&format!("{forward}/one"), &upstream)
        })
        .collect()
}

pub(crate) fn theme() -> Theme {
    let rows = both(|family| [sampling(family), limits(family), balance(family)].concat());
    Theme::new("selection", lab, config(), rows)
}
