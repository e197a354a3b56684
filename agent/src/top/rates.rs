//! Rates from two readings of the counters. **pure**

use std::{collections::BTreeMap, time::Duration};

use udplb_abi::counters::{DropReason, Traffic};

use super::{Destination, Forward, Interval, Rate, Upstream, VERSION};
use crate::report;

/// What happened between two readings. What is new began at zero; what is gone is left out; a counter that
/// went back was set to zero in between, and counts from there.
#[must_use]
pub fn rates(before: &[report::Forward], after: &[report::Forward], elapsed: Duration) -> Interval {
    let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let earlier: BTreeMap<_, _> = before
        .iter()
        .map(|one| ((&one.namespace, &one.name), one))
        .collect();
    let forwards = after.iter().map(|now| {
        let before = earlier.get(&(&now.namespace, &now.name)).copied();
        forward(before, now, seconds)
    });
    Interval {
        version: VERSION,
        seconds,
        forwards: forwards.collect(),
    }
}

fn forward(before: Option<&report::Forward>, now: &report::Forward, seconds: f64) -> Forward {
    let earlier = before.into_iter().flat_map(|forward| &forward.destinations);
    let earlier: BTreeMap<_, _> = earlier.map(|one| (&one.name, one)).collect();
    let destinations: Vec<_> = now
        .destinations
        .iter()
        .map(|now| destination(earlier.get(&now.name).copied(), now, seconds))
        .collect();
    Forward {
        namespace: now.namespace.clone(),
        name: now.name.clone(),
        matched: rate(grown(before.map(|one| one.matched), now.matched), seconds),
        dropped_per_second: sum(destinations.iter().map(|one| one.dropped_per_second)),
        destinations,
    }
}

fn destination(
    before: Option<&report::Destination>,
    now: &report::Destination,
    seconds: f64,
) -> Destination {
    let earlier = before.into_iter().flat_map(|one| &one.upstreams);
    let earlier: BTreeMap<_, _> = earlier.map(|one| (&one.label, one.sent)).collect();
    let grown_upstreams: Vec<_> = now
        .upstreams
        .iter()
        .map(|one| grown(earlier.get(&one.label).copied(), one.sent))
        .collect();
    let counters = before.map(|one| one.counters).unwrap_or_default();
    let dropped: BTreeMap<_, _> = DropReason::ALL
        .into_iter()
        .zip(counters.dropped.iter().zip(now.counters.dropped))
        .map(|(reason, (before, now))| (reason.label(), per(count(*before, now), seconds)))
        .filter(|(_, rate)| *rate > 0.0)
        .collect();
    // What an upstream that left had sent has moved to `retired`: the sum goes on.
    let sent = match before.map(total) {
        Some(before) if before.packets > total(now).packets => {
            grown_upstreams.iter().fold(Traffic::default(), add)
        }
        before => grown(before, total(now)),
    };
    Destination {
        name: now.name.clone(),
        sent: rate(sent, seconds),
        dropped_per_second: sum(dropped.values().copied()),
        sampled_out_per_second: per(
            count(counters.sampled_out, now.counters.sampled_out),
            seconds,
        ),
        passed_per_second: per(count(counters.passed, now.counters.passed), seconds),
        dropped,
        upstreams: now
            .upstreams
            .iter()
            .zip(grown_upstreams)
            .map(|(one, sent)| Upstream {
                upstream: one.label.clone(),
                sent: rate(sent, seconds),
            })
            .collect(),
    }
}

/// All that a destination has sent.
fn total(destination: &report::Destination) -> Traffic {
    let upstreams = destination.upstreams.iter().map(|one| one.sent);
    upstreams
        .chain(destination.retired)
        .fold(Traffic::default(), |sum, one| add(sum, &one))
}

const fn add(sum: Traffic, one: &Traffic) -> Traffic {
    Traffic {
        packets: sum.packets + one.packets,
        bytes: sum.bytes + one.bytes,
    }
}

fn grown(before: Option<Traffic>, now: Traffic) -> Traffic {
    let before = before
        .filter(|before| before.packets <= now.packets && before.bytes <= now.bytes)
        .unwrap_or_default();
    Traffic {
        packets: now.packets - before.packets,
        bytes: now.bytes - before.bytes,
    }
}

/// The sum of nothing is 0; that of the standard library is -0.
fn sum(rates: impl Iterator<Item = f64>) -> f64 {
    rates.fold(0.0, |sum, rate| sum + rate)
}

const fn count(before: u64, now: u64) -> u64 {
    if before <= now { now - before } else { now }
}

fn rate(traffic: Traffic, seconds: f64) -> Rate {
    Rate {
        packets_per_second: per(traffic.packets, seconds),
        bits_per_second: per(traffic.bytes.saturating_mul(8), seconds),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody reads 16 digits of a rate"
)]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
