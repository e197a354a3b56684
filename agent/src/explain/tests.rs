//! What a destination does where chance, the missing port or the state of
//! a neighbour has a say.

mod misses;

use std::net::SocketAddr;

use super::*;
use crate::{
    fixture::{self, ETH0, ETH0_7, ETH1},
    shape,
};

const SYSLOG: &str = "
  interfaces: [eth0]
  match:
    addresses: ['192.0.2.10', '2001:db8::10']
    ports: [{port: 514}, {port: 600, endPort: 610}]
    sources: ['198.51.100.0/24', '2001:db8:5::/48']
  action: Clone
  destinations:
  - {name: siem, upstreams: [{address: 203.0.113.5, port: 5514}]}
";

fn host(tables: &Tables) -> Host {
    Host {
        names: fixture::names(),
        attached: tables.attachments.keys().copied().collect(),
        broadcasts: ["192.0.2.255".parse().unwrap()].into(),
    }
}

fn question(interface: u32, source: &str, destination: &str) -> Question {
    let (source, source_port) = match source.parse::<SocketAddr>() {
        Ok(source) => (source.ip(), Some(source.port())),
        Err(_) => (source.parse().unwrap(), None),
    };
    Question {
        interface,
        source,
        source_port,
        destination: destination.parse().unwrap(),
        vlan: None,
        length: None,
        ttl: 64,
    }
}

fn ask(forwards: &[(&str, &str)], question: &Question) -> Explanation {
    let tables = fixture::tables(forwards);
    explain(&tables, &host(&tables), question)
}

/// Kind and words of all that misses.
fn misses(explanation: &Explanation) -> Vec<(Kind, &str)> {
    assert_eq!(explanation.verdict, Verdict::Next);
    assert!(explanation.forward.is_none() && explanation.destinations.is_empty());
    let misses = explanation.misses.iter();
    misses.map(|miss| (miss.kind, &miss.text[..])).collect()
}

fn miss(interface: u32, source: &str, destination: &str) -> Vec<Miss> {
    let question = question(interface, source, destination);
    ask(&[("syslog", SYSLOG)], &question).misses
}

/// A forward of port 514 whose one destination has these options.
fn one(action: &str, destination: &str) -> String {
    format!(
        "
  interfaces: [eth0]
  match: {{addresses: ['192.0.2.10', '2001:db8::10'], ports: [{{port: 514}}]}}
  action: {action}
  destinations:
  - {{name: out, {destination}}}
"
    )
}

fn hit(source: &str) -> Question {
    question(ETH0, source, "192.0.2.10:514")
}

#[test]
fn the_wire_is_shown_as_it_will_be() {
    let spec = one(
        "Clone",
        "sourceAddress: Rewrite, upstreams: [{address: 198.18.0.1}]",
    );
    let explanation = ask(&[("copy", &spec)], &hit("198.51.100.7:4000"));
    let text = "\
packet:   198.51.100.7:4000 to 192.0.2.10:514 on eth0, TTL 64
forward:  default/copy: Clone, listens on port 514 of 192.0.2.10
verdict:  Clone: the original goes on to the stack, unchanged

destination out: sent
  strategy:  SourceIP, one upstream to choose
  upstream:  198.18.0.1, weight 1
  next hop:  203.0.113.9 (02:00:00:01:00:09) on eth1, MTU 1500
  wire:      192.0.2.10:4000 to 198.18.0.1:514, TTL 63, on eth1
  frame:     from 02:00:00:00:00:11 to 02:00:00:01:00:09
";
    assert_eq!(explanation.to_string(), text);
}

#[test]
fn each_drop_has_its_reason() {
    let silent = one("Clone", "upstreams: [{address: 203.0.113.10}]");
    let v4 = one("Clone", "upstreams: [{address: 203.0.113.1}]");
    let away = one("Clone", "upstreams: [{address: 240.0.0.1}]");
    let v6 = question(ETH0, "[2001:db8:5::1]:1", "[2001:db8::10]:514");
    let last_hop = Question {
        ttl: 1,
        ..hit("198.51.100.7:1")
    };
    let long = Question {
        length: Some(1501),
        ..hit("198.51.100.7:1")
    };
    for (spec, question, reason) in [
        (&silent, hit("198.51.100.7:1"), "neighbour_unresolved"),
        (&away, hit("198.51.100.7:1"), "no_route"),
        (&v4, v6, "no_upstream"),
        (&v4, last_hop, "ttl_expired"),
        (&v4, long, "mtu_exceeded"),
    ] {
        let explanation = ask(&[("copy", spec)], &question);
        let destination = &explanation.destinations[0];
        assert_eq!(destination.outcome, Outcome::Dropped, "{reason}");
        let upstream = destination.upstreams.first().and_then(|one| one.drop);
        assert_eq!(destination.drop.or(upstream), Some(reason));
        assert!(explanation.to_string().contains(reason), "{explanation}");
        // Clone lets the original go on whatever happens to the copies.
        assert_eq!(explanation.verdict, Verdict::Clone);
    }
}

#[test]
fn a_forward_passes_or_drops_where_nothing_is_available() {
    for (line, verdict, outcome) in [
        ("", Verdict::Drop, Outcome::Dropped),
        ("  whenUnavailable: Pass\n", Verdict::Pass, Outcome::Passed),
    ] {
        let spec = one("Forward", "upstreams: [{address: 240.0.0.1}]");
        let spec = spec.replace("  destinations", &format!("{line}  destinations"));
        let explanation = ask(&[("move", &spec)], &hit("198.51.100.7:1"));
        assert_eq!(explanation.verdict, verdict);
        assert_eq!(explanation.destinations[0].outcome, outcome);
        assert_eq!(explanation.other_verdicts, []);
    }
    // A TTL that is spent is not the destinations' fault.
    let spec = one("Forward", "upstreams: [{address: 203.0.113.1}]");
    let spec = spec.replace("  destinations", "  whenUnavailable: Pass\n  destinations");
    let last_hop = Question {
        ttl: 1,
        ..hit("198.51.100.7:1")
    };
    assert_eq!(ask(&[("move", &spec)], &last_hop).verdict, Verdict::Drop);
}

#[test]
fn only_the_last_destination_waits_for_a_neighbour() {
    let spec = one("Forward", "upstreams: [{address: 203.0.113.10}]");
    let waits = ask(&[("move", &spec)], &hit("198.51.100.7:1"));
    let wire = waits.destinations[0].upstreams[0].wire.as_ref().unwrap();
    assert_eq!(
        (waits.verdict, wire.waits_for_a_neighbour()),
        (Verdict::Forward, true)
    );

    let with = |options: &str| {
        spec.clone()
            + &format!("  - {{name: then, {options} upstreams: [{{address: 203.0.113.1}}]}}\n")
    };
    let followed = ask(&[("move", &with(""))], &hit("198.51.100.7:1"));
    let [first, then] = &followed.destinations[..] else {
        panic!("{followed}")
    };
    assert_eq!(first.upstreams[0].drop, Some("neighbour_unresolved"));
    assert_eq!(
        (first.outcome, then.outcome),
        (Outcome::Dropped, Outcome::Sent)
    );

    let maybe = with("sampling: {oneIn: 2, per: Packet},");
    let maybe = ask(&[("move", &maybe)], &hit("198.51.100.7:1"));
    assert_eq!(maybe.destinations[0].outcome, Outcome::Depends);
    assert_eq!(
        maybe.destinations[0].conditions,
        ["no later destination sends the packet: only the last can wait for a neighbour"]
    );
}

const SEVERAL: &str =
    "upstreams: [{address: 203.0.113.1}, {address: 203.0.113.2}, {address: 240.0.0.1}]";

#[test]
fn what_is_up_to_chance_is_told_as_all_that_can_happen() {
    let spec = one("Forward", &format!("strategy: Random, {SEVERAL}"));
    let explanation = ask(&[("move", &spec)], &hit("198.51.100.7:1"));
    let destination = &explanation.destinations[0];
    assert_eq!(destination.upstreams.len(), 3);
    assert_eq!(destination.outcome, Outcome::Depends);
    assert_eq!(explanation.verdict, Verdict::Forward);
    assert_eq!(explanation.other_verdicts, [Verdict::Drop]);

    let spec = one(
        "Clone",
        "sampling: {oneIn: 10, per: Packet}, rateLimit: {packetsPerSecond: 50000, burst: 5000}, \
         upstreams: [{address: 203.0.113.1}]",
    );
    let explanation = ask(&[("copy", &spec)], &hit("198.51.100.7:1"));
    assert_eq!(explanation.destinations[0].outcome, Outcome::Depends);
    assert_eq!(
        explanation.destinations[0].conditions,
        [
            "sampling takes 1 of 10 packets, by chance",
            "the rate limit of 50000 packets/s (burst 5000) is not spent"
        ]
    );
}

#[test]
fn without_the_source_port_what_needs_it_stays_open() {
    let spec = one("Clone", &format!("strategy: SourcePort, {SEVERAL}"));
    let open = ask(&[("copy", &spec)], &hit("198.51.100.7"));
    assert_eq!(open.destinations[0].upstreams.len(), 3);
    assert_eq!(
        open.destinations[0].conditions,
        ["strategy SourcePort needs the source's port: write it to know which upstream"]
    );
    let settled = ask(&[("copy", &spec)], &hit("198.51.100.7:4000"));
    assert_eq!(settled.destinations[0].upstreams.len(), 1);
    assert!(settled.destinations[0].table.unwrap().index.is_some());
    let by_address = one("Clone", SEVERAL);
    let settled = ask(&[("copy", &by_address)], &hit("198.51.100.7"));
    assert_eq!(settled.destinations[0].upstreams.len(), 1);

    let spec = one(
        "Clone",
        "sampling: {oneIn: 10, per: Flow}, upstreams: [{address: 203.0.113.1}]",
    );
    let open = ask(&[("copy", &spec)], &hit("198.51.100.7"));
    assert_eq!(
        open.destinations[0].conditions,
        ["sampling takes 1 of 10 flows: write the source's port to know whether this one"]
    );
}

#[test]
fn the_json_is_as_documented() {
    let everything = one(
        "Forward",
        "sampling: {oneIn: 10, per: Packet}, rateLimit: {packetsPerSecond: 50000, burst: 5000}, \
         strategy: Random, upstreams: [{address: 203.0.113.1}, {address: 203.0.113.2}, \
         {address: 240.0.0.1}]",
    );
    let everything =
        everything.replace("  destinations", "  whenUnavailable: Pass\n  destinations");
    let everything = everything.replace("514}]}", "514}], sources: ['198.51.100.0/24']}");
    let question = Question {
        vlan: Some(8),
        length: Some(100),
        ..hit("198.51.100.7:1")
    };
    let last_hop = Question { ttl: 1, ..question };
    let other_port = question_to("192.0.2.10:515");
    let values: Vec<_> = [question, last_hop, other_port]
        .iter()
        .map(|question| serde_json::to_value(ask(&[("all", &everything)], question)).unwrap())
        .collect();
    shape::assert_documented("explain", &values);
}

fn question_to(destination: &str) -> Question {
    question(ETH0, "198.51.100.7:1", destination)
}
