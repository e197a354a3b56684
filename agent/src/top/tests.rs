//! Rates of what grows, comes, goes and starts again; and how they are shown.

use std::time::Duration;

use udplb_abi::counters::{DestinationCounters, DropReason, Traffic};

use super::{rates::rates, *};
use crate::{report, shape};

fn upstream(label: &str, packets: u64) -> report::Upstream {
    report::Upstream {
        label: label.to_owned(),
        address: [0; 16],
        weight: 1,
        chosen: true,
        next_hop: None,
        sent: traffic(packets),
    }
}

fn traffic(packets: u64) -> Traffic {
    Traffic {
        packets,
        bytes: packets * 100,
    }
}

/// Drops a tenth of what it sends.
fn destination(name: &str, upstreams: &[(&str, u64)], retired: Option<u64>) -> report::Destination {
    let upstreams: Vec<_> = upstreams
        .iter()
        .map(|(label, packets)| upstream(label, *packets))
        .collect();
    let sent: u64 = upstreams.iter().map(|one| one.sent.packets).sum();
    let mut counters = DestinationCounters::default();
    counters.dropped[DropReason::NoRoute as usize] = sent / 10;
    report::Destination {
        name: name.to_owned(),
        counters,
        retired: retired.map(traffic),
        upstreams,
        slot: udplb_abi::forward::Destination::default(),
    }
}

fn forward(name: &str, matched: u64, destinations: Vec<report::Destination>) -> report::Forward {
    report::Forward {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        consumes: false,
        listeners: Vec::new(),
        matched: traffic(matched),
        destinations,
    }
}

fn between(before: &[report::Forward], after: &[report::Forward]) -> Interval {
    rates(before, after, Duration::from_secs(2))
}

fn packets(interval: &Interval) -> [f64; 3] {
    let forward = &interval.forwards[0];
    let destination = &forward.destinations[0];
    let upstream = &destination.upstreams[0];
    [forward.matched, destination.sent, upstream.sent].map(|rate| rate.packets_per_second)
}

/// A forward with one destination and one upstream.
fn one(matched: u64, sent: u64) -> report::Forward {
    forward(
        "one",
        matched,
        vec![destination("to", &[("a", sent)], None)],
    )
}

fn assert_close(found: [f64; 3], expected: [f64; 3]) {
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(close, "{found:?} is not {expected:?}");
}

#[test]
fn what_grew_is_divided_by_the_time() {
    let interval = between(&[one(100, 50)], &[one(300, 150)]);
    assert_close(packets(&interval), [100.0, 50.0, 50.0]);
    let forward = &interval.forwards[0];
    assert!((forward.matched.bits_per_second - 80_000.0).abs() < 1e-9);
    assert!((forward.dropped_per_second - 5.0).abs() < 1e-9);
    assert_eq!(
        forward.destinations[0].dropped.keys().collect::<Vec<_>>(),
        [&"no_route"]
    );
    let quiet = between(&[one(7, 7)], &[one(7, 7)]);
    assert_close(packets(&quiet), [0.0; 3]);
    assert!(quiet.forwards[0].dropped_per_second.is_sign_positive());
    assert!(!lines(&quiet, None).join("").contains('-'));
}

#[test]
fn a_counter_that_went_back_counts_from_zero() {
    assert_close(
        packets(&between(&[one(1_000, 1_000)], &[one(20, 10)])),
        [10.0, 5.0, 5.0],
    );
}

#[test]
fn what_is_new_began_at_zero_and_what_is_gone_is_left_out() {
    let other = forward("other", 9, Vec::new());
    let interval = between(&[other], &[one(20, 10)]);
    assert_eq!(interval.forwards.len(), 1);
    assert_close(packets(&interval), [10.0, 5.0, 5.0]);
}

#[test]
fn an_upstream_that_leaves_takes_nothing_out_of_its_destination() {
    let before = destination("to", &[("a", 1_000), ("b", 500)], None);
    // b sent 20 more before it left, a 100.
    let after = destination("to", &[("a", 1_100)], Some(520));
    let interval = between(
        &[forward("one", 0, vec![before])],
        &[forward("one", 0, vec![after])],
    );
    assert_close(packets(&interval), [0.0, 60.0, 50.0]);
    // A reading in the middle of that saw b twice: no rate of all that was ever sent.
    let twice = destination("to", &[("a", 1_000), ("b", 500)], Some(500));
    let after = destination("to", &[("a", 1_100)], Some(520));
    let interval = between(
        &[forward("one", 0, vec![twice])],
        &[forward("one", 0, vec![after])],
    );
    assert_close(packets(&interval), [0.0, 50.0, 50.0]);
}

/// Two forwards: many small packets with drops, few large ones.
fn interval() -> Interval {
    let mut large = forward(
        "large",
        20,
        vec![destination("to", &[("b", 5), ("c", 9)], None)],
    );
    large.matched.bytes = 4_000_000;
    let small = forward(
        "small",
        24_000,
        vec![destination("to", &[("2001:db8::1:1:1:1:1", 20_000)], None)],
    );
    between(&[], &[large, small])
}

#[test]
fn rows_are_sorted_on_every_level() {
    let mut interval = interval();
    for (order, first) in [
        (Order::Bits, "large"),
        (Order::Packets, "small"),
        (Order::Name, "large"),
        (Order::Drops, "small"),
    ] {
        sort(&mut interval, order);
        assert_eq!(interval.forwards[0].name, first, "{order:?}");
    }
    let large = interval
        .forwards
        .iter()
        .find(|one| one.name == "large")
        .unwrap();
    assert_eq!(large.destinations[0].upstreams[0].upstream, "b");
    sort(&mut interval, Order::Packets);
    let large = interval
        .forwards
        .iter()
        .find(|one| one.name == "large")
        .unwrap();
    assert_eq!(large.destinations[0].upstreams[0].upstream, "c");
}

#[test]
fn rows_fit_the_columns_that_there_are() {
    let mut interval = interval();
    sort(&mut interval, Order::Packets);
    let expected = "\
FORWARD / DESTINATION / UPSTREAM  PACKETS/S     BITS/S    DROPS/S
default/small                         12.0k       9.6M       1000
  to                                  10.0k       8.0M       1000
    2001:db8::1:1:1:1:1               10.0k       8.0M
default/large                            10      16.0M        0.5
  to                                    7.0       5600        0.5
    c                                   4.5       3600
    b                                   2.5       2000";
    assert_eq!(lines(&interval, None).join("\n"), expected);
    let narrow = lines(&interval, Some(50));
    assert!(
        narrow.iter().all(|line| line.chars().count() <= 50),
        "{narrow:#?}"
    );
    assert!(narrow[3].starts_with("    2001:db8::1:…"), "{narrow:#?}");
    assert_eq!(lines(&between(&[], &[]), None)[1], "no forward is loaded");
}

#[test]
fn the_json_is_as_documented() {
    shape::assert_documented("top", &[serde_json::to_value(interval()).unwrap()]);
}
