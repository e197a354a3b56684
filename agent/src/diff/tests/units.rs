//! Single cases, told in ops.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use udplb_abi::{
    address,
    forward::{ADDRESS_REWRITE, SAMPLING_PER_PACKET},
    hash::Strategy,
    next_hop::{LINK_HEADER, NextHopSlot, STATE_RESOLVED},
    record::identity,
};

use super::{generate::assemble, kernel::Kernel};
use crate::{
    desired::{
        Desired, Destination, Forward, Treatment, Upstream,
        group::{Match, Place},
        input::{Options, RateLimit},
        ports::PortSet,
        prefix::Prefix,
    },
    diff::{Cache, diff},
    op::Op,
    tables::capacity::Capacity,
};

fn upstream(address: &str) -> Upstream {
    Upstream {
        address: address::from_ip(address.parse().unwrap()),
        port: Some(514),
        weight: 1,
        usable: true,
    }
}

fn next_hop(last_byte: u8) -> NextHopSlot {
    NextHopSlot {
        neighbour: address::mapped([192, 0, 2, 1]),
        interface: 2,
        mtu: 1500,
        destination_mac: [2, 0, 0, 0, 0, last_byte],
        source_mac: [2, 0, 0, 0, 1, 0],
        state: STATE_RESOLVED,
        link_header: LINK_HEADER,
        padding: [0; 2],
    }
}

fn forward(name: &str, port: u16, upstreams: &[&str]) -> Forward {
    let destination = format!("{name}/out");
    let place = Place {
        interface: 2,
        prefix: Prefix::exact(address::mapped([10, 0, 0, 1])),
    };
    Forward {
        name: name.to_owned(),
        id: identity(name.as_bytes()),
        matches: vec![Match {
            ports: std::iter::once(port..=port).collect::<PortSet>(),
            places: [(place, [0; 16])].into_iter().collect(),
        }],
        treatment: Treatment {
            action: 0,
            when_unavailable: 0,
            sources: BTreeSet::new(),
            destinations: vec![Destination {
                id: identity(destination.as_bytes()),
                name: destination,
                options: Options {
                    strategy: Strategy::SourceIp,
                    source_address: ADDRESS_REWRITE,
                    destination_address: ADDRESS_REWRITE,
                    sampling_one_in: 1,
                    sampling_per: SAMPLING_PER_PACKET,
                    rate_limit: None,
                },
                upstreams: [
                    upstreams.iter().map(|one| upstream(one)).collect(),
                    Vec::new(),
                ],
            }],
        },
    }
}

fn desired(forwards: &[Forward]) -> Desired {
    let upstreams = forwards
        .iter()
        .flat_map(|one| &one.treatment.destinations[0].upstreams[0]);
    assemble(Desired {
        next_hops: upstreams.map(|one| (one.address, next_hop(1))).collect(),
        forwards: forwards.to_vec(),
        ..Desired::default()
    })
}

/// A kernel, and the ops of one pass after the other.
struct Run {
    kernel: Kernel,
    cache: Cache,
}

impl Run {
    fn new() -> Self {
        Self {
            kernel: Kernel::new(),
            cache: Cache::default(),
        }
    }

    fn pass(&mut self, desired: &Desired) -> Vec<Op> {
        let change = diff(
            desired,
            &self.kernel.tables,
            &Capacity::default(),
            &mut self.cache,
        );
        assert_eq!(change.failures, []);
        change.ops.iter().for_each(|op| self.kernel.apply(op));
        change.ops
    }
}

#[test]
fn a_new_link_layer_address_is_one_slot_and_one_store_for_each_upstream() {
    let mut run = Run::new();
    let mut state = desired(&[
        forward("a/a", 1, &["203.0.113.1", "203.0.113.2"]),
        forward("a/b", 2, &["203.0.113.1"]),
    ]);
    let _ = run.pass(&state);
    state
        .next_hops
        .values_mut()
        .for_each(|one| *one = next_hop(2));
    let ops = run.pass(&state);
    let stores = ops
        .iter()
        .filter(|op| matches!(op, Op::SetNextHop { slot: 2, .. }));
    assert_eq!(stores.count(), 3, "{ops:?}");
    assert_eq!(
        ops[0],
        Op::WriteNextHop {
            slot: 2,
            value: next_hop(2)
        }
    );
    assert_eq!(ops[4], Op::Grace);
    assert_eq!(ops.len(), 5, "{ops:?}");
}

#[test]
fn a_scaled_destination_switches_by_one_store_and_its_leaver_is_retired() {
    let mut run = Run::new();
    let _ = run.pass(&desired(&[forward(
        "a/a",
        1,
        &["203.0.113.1", "203.0.113.2"],
    )]));
    let before = run.kernel.tables.clone();
    let ops = run.pass(&desired(&[forward(
        "a/a",
        1,
        &["203.0.113.1", "203.0.113.3"],
    )]));
    let published = ops.iter().take_while(|op| **op != Op::Grace);
    let stores: Vec<_> = published.filter(|op| before.frees(op)).collect();
    assert_eq!(
        stores,
        [&Op::SetForward {
            forward: 1,
            slot: 2
        }]
    );
    let destination = identity(b"a/a/out");
    assert!(
        ops.contains(&Op::RetireUpstream {
            destination,
            counters: 2
        }),
        "{ops:?}"
    );
    // The one that stays keeps its counters.
    let counters = run
        .kernel
        .tables
        .upstreams
        .values()
        .filter(|one| one.counters == 1);
    assert_eq!(counters.count(), 2);
}

#[test]
fn match_and_treatment_together_take_a_new_number() {
    let mut run = Run::new();
    let _ = run.pass(&desired(&[forward("a/a", 1, &["203.0.113.1"])]));
    let mut changed = forward("a/a", 1, &["203.0.113.2"]);
    changed.matches[0].ports = std::iter::once(1..=2).collect();
    let ops = run.pass(&desired(&[changed]));
    let numbers: Vec<_> = ops
        .iter()
        .filter_map(|op| match op {
            Op::SetForward { forward, slot } => Some((*forward, *slot)),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [(2, 2), (1, 0)]);
}

#[test]
fn more_ports_with_equal_listeners_are_stores_to_ports_only() {
    let mut run = Run::new();
    let mut one = forward("a/a", 1, &["203.0.113.1"]);
    let _ = run.pass(&desired(&[one.clone()]));
    one.matches[0].ports = std::iter::once(1..=3).collect();
    let ops = run.pass(&desired(&[one]));
    assert!(
        ops.iter().all(|op| matches!(op, Op::SetPort { .. })),
        "{ops:?}"
    );
    assert_eq!(ops.len(), 2);
}

#[test]
fn a_paused_forward_keeps_its_slots_and_loses_its_listeners() {
    let mut run = Run::new();
    let active = forward("a/a", 1, &["203.0.113.1"]);
    let mut paused = active.clone();
    paused.matches.clear();
    let _ = run.pass(&desired(std::slice::from_ref(&active)));
    let forwards = run.kernel.tables.forwards.clone();
    let _ = run.pass(&desired(&[paused]));
    assert!(run.kernel.tables.ports.is_empty() && run.kernel.tables.listeners.is_empty());
    assert_eq!(run.kernel.tables.forwards, forwards);
    let ops = run.pass(&desired(&[active]));
    let rewritten = |op: &Op| matches!(op, Op::WriteForward { .. } | Op::WriteUpstream { .. });
    assert!(!ops.iter().any(rewritten), "{ops:?}");
}

#[test]
fn the_clock_of_a_rate_limit_does_not_count_as_a_change() {
    let mut run = Run::new();
    let mut limited = forward("a/a", 1, &["203.0.113.1"]);
    limited.treatment.destinations[0].options.rate_limit = Some(RateLimit::new(1000, 10));
    let state = desired(&[limited]);
    let _ = run.pass(&state);
    run.kernel.tables.rate_limits.get_mut(&1).unwrap().arrival = 12_345;
    assert_eq!(run.pass(&state), []);
}

#[test]
fn after_a_crash_no_slot_is_written_before_a_grace_period() {
    let mut run = Run::new();
    let mut one = forward("a/a", 1, &["203.0.113.1"]);
    let _ = run.pass(&desired(std::slice::from_ref(&one)));
    one.treatment.action = 1;
    let change = diff(
        &desired(std::slice::from_ref(&one)),
        &run.kernel.tables,
        &Capacity::default(),
        &mut run.cache,
    );
    let switched = change.ops.iter().take_while(|op| **op != Op::Grace);
    switched.for_each(|op| run.kernel.apply(op));
    run.kernel.crash();
    one.treatment.when_unavailable = 1;
    let ops = run.pass(&desired(&[one]));
    assert_eq!(ops[0], Op::Grace);
    assert!(
        matches!(ops[1], Op::WriteForward { slot: 1, .. }),
        "{ops:?}"
    );
}

#[test]
fn entries_come_the_most_specific_first_and_go_the_least_specific_first() {
    let on = |name: &str, prefixes: &[&str]| {
        let mut forward = forward(name, 1, &["203.0.113.1"]);
        let places = prefixes.iter().map(|text| Place {
            interface: 2,
            prefix: Prefix::from_net(text.parse().unwrap()),
        });
        forward.matches[0].places = places.map(|place| (place, [0; 16])).collect();
        forward
    };
    let mut run = Run::new();
    let wide = "10.0.0.0/8";
    let _ = run.pass(&desired(&[on(
        "a/a",
        &[wide, "10.0.0.0/24", "10.0.0.0/28"],
    )]));
    let next = [
        on("a/b", &["10.0.0.0/16", wide]),
        on("a/c", &["10.0.0.0/30"]),
    ];
    let ops = run.pass(&desired(&next));
    let lengths: Vec<_> = ops
        .iter()
        .filter_map(|op| match op {
            Op::SetListener { prefix_length, .. } => Some((true, prefix_length - 96)),
            Op::RemoveListener { prefix_length, .. } => Some((false, prefix_length - 96)),
            _ => None,
        })
        .collect();
    assert_eq!(
        lengths,
        [(true, 30), (true, 16), (true, 8), (false, 24), (false, 28)]
    );
}

#[test]
fn equal_balance_tables_are_stored_once() {
    let mut run = Run::new();
    let upstreams = ["203.0.113.1", "203.0.113.2"];
    let forwards = [forward("a/a", 1, &upstreams), forward("a/b", 2, &upstreams)];
    let ops = run.pass(&desired(&forwards));
    let tables = ops.iter().filter(|op| matches!(op, Op::WriteTable { .. }));
    assert_eq!(tables.count(), 1);
}

/// 1,000 forwards of 4 upstreams. The bound holds without optimisation on a busy machine; optimised,
/// a pass takes a few milliseconds (printed with `--nocapture`).
#[test]
fn a_pass_without_change_is_quick() {
    let forwards: Vec<_> = (0..1000_u16)
        .map(|index| {
            let upstreams: Vec<_> = (0..4)
                .map(|one| format!("10.{}.{}.{one}", index / 250, index % 250))
                .collect();
            let upstreams: Vec<_> = upstreams.iter().map(String::as_str).collect();
            let mut forward = forward(&format!("load/{index}"), 1000 + index, &upstreams);
            let (place, source) = forward.matches[0].places.pop_first().unwrap();
            forward.matches[0].places = (0..20)
                .map(|host| {
                    (
                        Place {
                            prefix: Prefix::exact(address::mapped([10, 0, 0, host])),
                            ..place
                        },
                        source,
                    )
                })
                .collect();
            forward
        })
        .collect();
    let state = desired(&forwards);
    let mut cache = Cache::new(|_, upstreams| upstreams.iter().map(|one| one.index).collect());
    let mut kernel = Kernel::new();
    let first = diff(&state, &kernel.tables, &Capacity::default(), &mut cache);
    assert_eq!(first.failures, []);
    first.ops.iter().for_each(|op| kernel.tables.apply(op));
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let change = diff(&state, &kernel.tables, &Capacity::default(), &mut cache);
        fastest = fastest.min(start.elapsed());
        assert_eq!(change.ops, []);
    }
    println!("unchanged pass over 1,000 forwards: {fastest:?}");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}
