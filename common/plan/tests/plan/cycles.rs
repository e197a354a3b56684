//! Forwards whose copies would go round.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use udplb_api::{UdpForward, condition::Reason};
use udplb_plan::{ClusterPlan, Node, Nodes, Rejection, cluster};

use crate::{
    common::{forward, plan, rejection, running},
    node::created,
};

const ADDRESSES: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

/// Nodes a, b and c with one address each; a has the role edge.
pub(crate) fn nodes() -> Nodes {
    let named = ["a", "b", "c"].into_iter().zip(ADDRESSES);
    named
        .map(|(name, address)| {
            let role = if name == "a" { "edge" } else { "core" };
            let node = Node {
                labels: BTreeMap::from([("role".to_owned(), role.to_owned())]),
                addresses: BTreeSet::from([address.parse().unwrap()]),
            };
            (name.to_owned(), node)
        })
        .collect()
}

/// Port 514 of every address, to these upstreams; `rest` takes the place of fields of the spec.
pub(crate) fn sends(name: &str, second: usize, upstreams: &[&str], rest: &Value) -> UdpForward {
    let upstreams: Vec<Value> = upstreams.iter().map(|text| upstream(text)).collect();
    let mut spec = json!({ "destinations": [{ "name": "out", "upstreams": upstreams }] });
    for (field, value) in rest.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let matches = match spec.as_object_mut().unwrap().remove("match") {
        Some(matches) => matches,
        None => json!({ "ports": [{ "port": 514 }] }),
    };
    let at = format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
    created(forward(name, &matches, &spec), &at)
}

fn upstream(text: &str) -> Value {
    match text.split_once(':') {
        Some((address, port)) => {
            json!({ "address": address, "port": port.parse::<u16>().unwrap() })
        }
        None => json!({ "address": text }),
    }
}

fn rejected(plan: &ClusterPlan) -> Vec<(&str, String)> {
    let all = plan.rejected.iter();
    all.map(|(key, why)| {
        assert_eq!(why.reason(), Reason::ForwardingLoop, "{why}");
        (key.name.as_str(), why.to_string())
    })
    .collect()
}

pub(crate) fn on(role: &str) -> Value {
    json!({ "nodeSelector": { "matchLabels": { "role": role } } })
}

fn with(mut value: Value, more: &Value) -> Value {
    for (field, field_value) in more.as_object().unwrap() {
        value[field] = field_value.clone();
    }
    value
}

/// What one node sends to another comes back to the same forward there, and goes on to the next.
#[test]
fn a_forward_that_sends_to_its_own_nodes_closes_a_circle_alone() {
    let alone = |upstreams: &[&str], rest: &Value| {
        let plan = cluster(&[sends("f", 0, upstreams, rest)], &nodes(), 10);
        rejected(&plan).into_iter().map(|(_, why)| why).next()
    };
    let none = json!({});
    assert_eq!(
        alone(&["198.51.100.9", "192.0.2.2"], &none).unwrap(),
        "copies for upstream 192.0.2.2 of destination out come back to this forward: write another address or port, or choose other nodes with nodeSelector"
    );
    assert_eq!(
        alone(&["192.0.2.2:514"], &none).unwrap(),
        "copies for upstream 192.0.2.2:514 of destination out come back to this forward: write another address or port, or choose other nodes with nodeSelector"
    );
    assert_eq!(alone(&["192.0.2.2:515"], &none), None);
    assert_eq!(alone(&["192.0.2.9"], &none), None);
    assert_eq!(alone(&["192.0.2.2"], &on("edge")), None);
    assert_ne!(alone(&["192.0.2.1"], &on("edge")), None);
    assert_eq!(alone(&["192.0.2.2"], &json!({ "state": "Paused" })), None);
    // A virtual address that it names alone is its nodes', a collector in a prefix is not.
    let listens =
        |address: &str| json!({ "match": { "ports": [{ "port": 514 }], "addresses": [address] } });
    assert_ne!(alone(&["198.51.100.9"], &listens("198.51.100.9")), None);
    assert_eq!(alone(&["198.51.100.9"], &listens("198.51.100.0/24")), None);
    assert_ne!(alone(&["192.0.2.3"], &listens("192.0.2.0/24")), None);
    assert_eq!(alone(&["192.0.2.3"], &listens("192.0.2.2")), None);
    // A host that has the address and does not run the forward takes nothing.
    assert_eq!(
        alone(&["192.0.2.3"], &with(on("edge"), &listens("192.0.2.3"))),
        None
    );
}

/// A sender that the others do not listen to ends the circle; a rewritten source is the node's.
#[test]
fn what_nobody_takes_for_its_source_goes_no_further() {
    let alone = |sources: &str, source_address: &str| {
        let rest = json!({
            "match": { "ports": [{ "port": 514 }], "sources": [sources] },
            "destinations": [{
                "name": "out", "sourceAddress": source_address, "upstreams": [{ "address": "192.0.2.2" }],
            }],
        });
        rejected(&cluster(&[sends("f", 0, &[], &rest)], &nodes(), 10)).len()
    };
    assert_eq!(alone("198.51.100.0/24", "Preserve"), 1);
    assert_eq!(alone("198.51.100.0/24", "Rewrite"), 0);
    assert_eq!(alone("192.0.2.0/30", "Rewrite"), 1);

    let takes =
        |sources: &str| json!({ "match": { "ports": [{ "port": 514 }], "sources": [sources] } });
    let pair = |theirs: &str| {
        let forwards = [
            sends(
                "old",
                0,
                &["192.0.2.2"],
                &with(on("edge"), &takes("198.51.100.0/24")),
            ),
            sends(
                "young",
                1,
                &["192.0.2.1"],
                &with(on("core"), &takes(theirs)),
            ),
        ];
        rejected(&cluster(&forwards, &nodes(), 10)).len()
    };
    assert_eq!(pair("198.51.100.128/25"), 1);
    assert_eq!(pair("203.0.113.0/24"), 0);
}

/// With its destination kept, a packet is for whoever listens where the upstream is.
#[test]
fn a_kept_destination_is_taken_where_the_upstream_is() {
    let direct = |address: &str, to: &str| {
        let rest = json!({
            "match": { "ports": [{ "port": 514 }], "addresses": [address] },
            "destinations": [{
                "name": "out", "destinationAddress": "Preserve", "upstreams": [{ "address": to }],
            }],
        });
        let balancer = sends("balancer", 0, &[], &with(on("edge"), &rest));
        let server = sends("server", 1, &["192.0.2.1"], &on("core"));
        rejected(&cluster(&[balancer, server], &nodes(), 10)).len()
    };
    assert_eq!(direct("198.51.100.9", "192.0.2.9"), 0);
    assert_eq!(direct("192.0.2.1", "192.0.2.2"), 1);
    assert_eq!(direct("192.0.2.1", "192.0.2.1"), 1);
}

#[test]
fn the_youngest_of_a_circle_stays_out_and_is_told_the_way() {
    let port = |port: u16| json!({ "match": { "ports": [{ "port": port }] } });
    let chain: Vec<UdpForward> = (0..6)
        .map(|index| {
            let next = format!("192.0.2.{}:{}", index % 3 + 1, 600 + (index + 1) % 6);
            let listens = port(600 + u16::try_from(index).unwrap());
            sends(&format!("f{index}"), index, &[&next], &listens)
        })
        .collect();
    let plan = cluster(&chain, &nodes(), 10);
    assert_eq!(
        rejected(&plan),
        [(
            "f5",
            "copies for upstream 192.0.2.3:600 of destination out come back: change it, or what one of these listens on or sends to: default/f0, default/f1, default/f2 and 2 more".to_owned()
        )]
    );
    assert_eq!(rejected(&cluster(&chain[1..], &nodes(), 10)), []);
}

/// One host leaves out upstreams that are its own listeners; that two forwards send to each other is told as well.
#[test]
fn a_file_is_held_to_the_same() {
    let named = |name: &str, own: &str, next: &str| {
        let listens = json!({ "match": { "ports": [{ "port": 514 }], "addresses": [own] } });
        sends(name, 0, &[next], &listens)
    };
    let plan = plan(&[
        named("there", "192.0.2.1", "192.0.2.2"),
        named("back", "192.0.2.2", "192.0.2.1"),
        sends(
            "unknown",
            0,
            &["192.0.2.3"],
            &json!({ "match": { "ports": [{ "port": 515 }] } }),
        ),
    ]);
    assert_eq!(running(&plan), ["there", "unknown"]);
    assert_eq!(
        rejection(&plan, "back").to_string(),
        "copies for upstream 192.0.2.1 of destination out come back: change it, or what one of these listens on or sends to: default/there"
    );
}

/// A forward as few numbers, from which both the object and the judgement are made.
#[derive(Clone, Debug)]
struct Drawn {
    port: u16,
    /// Place in `ADDRESSES`; none: every address of the node.
    address: Option<usize>,
    edge_only: bool,
    upstreams: Vec<(usize, Option<u16>)>,
    paused: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let port = 600..604_u16;
    let upstreams = prop::collection::vec((0..4_usize, prop::option::of(port.clone())), 1..3);
    let address = prop::option::of(0..ADDRESSES.len());
    (
        port,
        address,
        any::<bool>(),
        upstreams,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(port, address, edge_only, upstreams, paused)| Drawn {
            port,
            address,
            edge_only,
            upstreams,
            paused,
        })
}

/// The fourth is nobody's.
fn address(place: usize) -> &'static str {
    ADDRESSES.get(place).copied().unwrap_or("198.51.100.9")
}

fn object(index: usize, drawn: &Drawn) -> UdpForward {
    let mut matches = json!({ "ports": [{ "port": drawn.port }] });
    if let Some(place) = drawn.address {
        matches["addresses"] = json!([address(place)]);
    }
    let mut rest = if drawn.edge_only {
        on("edge")
    } else {
        json!({})
    };
    rest["match"] = matches;
    rest["state"] = json!(if drawn.paused { "Paused" } else { "Active" });
    let upstreams: Vec<String> = (drawn.upstreams.iter())
        .map(|(place, port)| match port {
            Some(port) => format!("{}:{port}", address(*place)),
            None => address(*place).to_owned(),
        })
        .collect();
    let mut distinct: Vec<&str> = upstreams.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    sends(&format!("f{index:02}"), index, &distinct, &rest)
}

/// Node n has the nth address; the first is the only edge.
fn leads(from: &Drawn, to: &Drawn) -> bool {
    let takes = |(place, port): &(usize, Option<u16>)| {
        *place < ADDRESSES.len()
            && (!to.edge_only || *place == 0)
            && to.address.is_none_or(|own| own == *place)
            && port.unwrap_or(from.port) == to.port
    };
    !from.paused && !to.paused && from.upstreams.iter().any(takes)
}

/// Whether packets of one come to the other by way of those, however many turns it takes.
fn reaches(all: &[Drawn], running: &BTreeSet<usize>, from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut here = BTreeSet::from([from]);
    while !here.is_empty() {
        if here.iter().any(|at| leads(&all[*at], &all[to])) {
            return true;
        }
        let next = running
            .iter()
            .filter(|next| here.iter().any(|at| leads(&all[*at], &all[**next])));
        here = next.copied().filter(|next| seen.insert(*next)).collect();
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn those_that_run_close_no_circle_and_those_that_do_not_would(all in prop::collection::vec(drawn(), 1..12)) {
        let objects: Vec<UdpForward> = all.iter().enumerate().map(|(index, one)| object(index, one)).collect();
        let plan = cluster(&objects, &nodes(), 100);
        let place = |name: &str| name[1..].parse::<usize>().unwrap();
        let running: BTreeSet<usize> = plan.accepted.keys().map(|key| place(&key.name)).collect();
        for &index in &running {
            prop_assert!(!reaches(&all, &running, index, index), "f{index:02} runs in a circle");
        }
        for (key, rejection) in &plan.rejected {
            let index = place(&key.name);
            if let Rejection::ForwardingLoop { way, .. } = rejection {
                let older: BTreeSet<usize> = running.range(..index).copied().collect();
                prop_assert!(reaches(&all, &older, index, index), "{key} closes no circle");
                let way: Vec<usize> = way.iter().map(|key| place(&key.name)).collect();
                let round: Vec<usize> = [&[index], &way[..], &[index]].concat();
                prop_assert!(round.windows(2).all(|two| leads(&all[two[0]], &all[two[1]])), "{key}: {way:?}");
            }
        }
    }
}

/// Every port has its listener, and every forward sends to a hundred of them.
#[test]
fn a_thousand_forwards_with_a_hundred_upstreams_each() {
    let forwards: Vec<UdpForward> = (0..1_000_usize)
        .map(|index| {
            let destinations: Vec<Value> = (0..2)
                .map(|half| {
                    let upstreams: Vec<Value> = (0..50)
                        .map(|step| {
                            let port = 1_000 + (index + 1 + 50 * half + step) % 1_000;
                            json!({ "address": ADDRESSES[step % 3], "port": port })
                        })
                        .collect();
                    json!({ "name": format!("d{half}"), "upstreams": upstreams })
                })
                .collect();
            let port = json!({ "match": { "ports": [{ "port": 1_000 + index }] }, "destinations": destinations });
            sends(&format!("f{index:03}"), index, &[], &port)
        })
        .collect();
    let start = std::time::Instant::now();
    let plan = cluster(&forwards, &nodes(), 1_000);
    println!("planned in {:?}", start.elapsed());
    // The first 900 only lead to younger ones; of the others, each leads to one of the first.
    assert_eq!(plan.accepted.len(), 900);
    assert_eq!(rejected(&plan).len(), 100);
}
