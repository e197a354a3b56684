//! The table under the flow hash of the datapath: how flows spread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use udplb_abi::{
    address,
    hash::{self, Flow, Strategy},
};
use udplb_plan::balance::{slots, table};

use crate::common::{Numbers, equal};

const KEYED: [Strategy; 4] = [
    Strategy::SourceIp,
    Strategy::SourcePort,
    Strategy::SourceIpPort,
    Strategy::FiveTuple,
];

fn choose(strategy: Strategy, flow: &Flow, table: &[u8]) -> usize {
    let slots = u32::try_from(table.len()).unwrap();
    usize::from(table[hash::index(hash::flow(strategy, flow), slots) as usize])
}

fn v4(address: u32) -> address::Address {
    address::from_ip(IpAddr::V4(Ipv4Addr::from_bits(address)))
}

fn v6(high: u64, low: u64) -> address::Address {
    address::from_ip(IpAddr::V6(Ipv6Addr::from_bits(
        (u128::from(high) << 64) | u128::from(low),
    )))
}

fn port(number: u32) -> u16 {
    u16::try_from(number % 65_536).unwrap()
}

fn random_flow(numbers: &mut Numbers) -> Flow {
    Flow {
        source: v4(u32::try_from(numbers.next() >> 32).unwrap()),
        destination: v4(u32::try_from(numbers.next() >> 32).unwrap()),
        source_port: u16::try_from(numbers.next() >> 48).unwrap(),
        destination_port: u16::try_from(numbers.next() >> 48).unwrap(),
    }
}

#[test]
fn random_flows_are_spread_evenly() {
    let table = table(slots(16), &equal(16));
    let mut numbers = Numbers(42);
    for strategy in KEYED {
        for (flows, limit) in [(100_000_u32, 1.05), (10_000, 1.15)] {
            let mut hits = [0_u32; 16];
            for _ in 0..flows {
                hits[choose(strategy, &random_flow(&mut numbers), &table)] += 1;
            }
            let most = f64::from(*hits.iter().max().unwrap()) / (f64::from(flows) / 16.0);
            println!("{strategy:?}, {flows} random flows: max/mean {most:.4}");
            assert!(most <= limit, "{strategy:?}, {flows} flows: {most}");
        }
    }
}

/// A pattern of flows from anywhere, and whether a strategy sees how they differ.
struct Pattern {
    name: &'static str,
    sees: fn(Strategy) -> bool,
    flow: fn(u64, u32) -> Flow,
}

const fn source(strategy: Strategy) -> bool {
    matches!(
        strategy,
        Strategy::SourceIp | Strategy::SourceIpPort | Strategy::FiveTuple
    )
}

const fn source_port(strategy: Strategy) -> bool {
    matches!(
        strategy,
        Strategy::SourcePort | Strategy::SourceIpPort | Strategy::FiveTuple
    )
}

const fn both(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::SourceIpPort | Strategy::FiveTuple)
}

const fn all(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::FiveTuple)
}

const BASE: Flow = Flow {
    source: address::mapped([10, 0, 0, 1]),
    destination: address::mapped([192, 0, 2, 10]),
    source_port: 40_000,
    destination_port: 514,
};

/// The lower half of a number.
fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap()
}

macro_rules! pattern {
    ($name:literal, $sees:expr, |$base:ident, $n:ident| $($field:ident: $value:expr),+) => {
        Pattern { name: $name, sees: $sees, flow: |$base, $n| Flow { $($field: $value,)+ ..BASE } }
    };
}

const PATTERNS: [Pattern; 12] = [
    pattern!("consecutive ports", source_port, |base, n| source_port: port(low(base).wrapping_add(n))),
    pattern!("every second port", source_port, |base, n| source_port: port(low(base).wrapping_add(2 * n))),
    pattern!("consecutive addresses", source, |base, n| source: v4(low(base).wrapping_add(n))),
    pattern!("addresses in steps of 256", source, |base, n| source: v4(low(base).wrapping_add(256 * n))),
    pattern!("addresses in steps of 65536", source, |base, n| source: v4(low(base).wrapping_add(65_536 * n))),
    pattern!("IPv6 hosts", source, |base, n| source: v6(base, u64::from(n))),
    pattern!("IPv6 hosts in steps of 256", source, |base, n| source: v6(base, 256 * u64::from(n))),
    pattern!("IPv6 networks", source, |base, n| source: v6(base.wrapping_add(u64::from(n)), 1)),
    pattern!("IPv6 networks in steps of 65536", source, |base, n|
        source: v6(base.wrapping_add(65_536 * u64::from(n)), 1)),
    pattern!("address and port in step", both, |base, n|
        source: v4(low(base).wrapping_add(n)), source_port: port(low(base >> 32).wrapping_add(n))),
    pattern!("consecutive destination ports", all, |base, n| destination_port: port(low(base).wrapping_add(n))),
    pattern!("consecutive destinations", all, |base, n| destination: v4(low(base).wrapping_add(n))),
];

fn chi_square(hits: &[u32], flows: u32) -> f64 {
    let expected = f64::from(flows) / f64::from(u32::try_from(hits.len()).unwrap());
    hits.iter()
        .map(|&hits| (f64::from(hits) - expected).powi(2) / expected)
        .sum()
}

/// 99.9 % of chi-square values with 15 degrees of freedom are below.
const CRITICAL: f64 = 37.697;

#[test]
fn patterned_flows_are_spread_like_random_ones() {
    // Random flows are beyond the critical value in 0.1 % of cases: in 4 or more of 100 once in 260,000.
    const TRIALS: u32 = 100;
    let table = table(slots(16), &equal(16));
    let mut numbers = Numbers(1);
    for Pattern { name, sees, flow } in &PATTERNS {
        for strategy in KEYED.into_iter().filter(|&strategy| sees(strategy)) {
            for flows in [1_000, 15_000] {
                let (mut beyond, mut sum) = (0, 0.0);
                for _ in 0..TRIALS {
                    let base = numbers.next();
                    let mut hits = [0; 16];
                    for n in 0..flows {
                        hits[choose(strategy, &flow(base, n), &table)] += 1;
                    }
                    let statistic = chi_square(&hits, flows);
                    sum += statistic;
                    beyond += u32::from(statistic >= CRITICAL);
                }
                let mean = sum / f64::from(TRIALS);
                println!("{strategy:?}, {flows} {name}: chi-square {mean:.1}, {beyond} beyond");
                assert!(
                    beyond <= 3,
                    "{strategy:?}, {flows} {name}: {beyond} of {TRIALS} beyond {CRITICAL}"
                );
            }
        }
    }
}

#[test]
fn sampled_flows_are_spread_as_all_are() {
    // One flow of 16 is taken, by a seed of its own: the rest still meets every upstream alike.
    let table = table(slots(16), &equal(16));
    let (mut hits, mut taken) = ([0; 16], 0);
    for n in 0..320_000 {
        let flow = Flow {
            source: v4(0x0a00_0000 + n),
            source_port: port(n),
            ..BASE
        };
        if hash::index(hash::five_tuple(hash::SAMPLING_SEED, &flow), 16) == 0 {
            hits[choose(Strategy::FiveTuple, &flow, &table)] += 1;
            taken += 1;
        }
    }
    assert!((19_000..21_000).contains(&taken), "{taken}");
    let statistic = chi_square(&hits, taken);
    assert!(statistic < CRITICAL, "{statistic} {hits:?}");
}

#[test]
fn a_flow_keeps_its_upstream_where_the_strategy_does_not_see_the_change() {
    let table = table(slots(16), &equal(16));
    let stays = |strategy, changed: Flow| {
        assert_eq!(
            choose(strategy, &BASE, &table),
            choose(strategy, &changed, &table)
        );
    };
    for n in 1..100 {
        stays(
            Strategy::SourceIp,
            Flow {
                destination_port: port(n),
                source_port: port(n),
                ..BASE
            },
        );
        stays(
            Strategy::SourcePort,
            Flow {
                source: v4(n),
                destination: v4(n),
                destination_port: port(n),
                ..BASE
            },
        );
        stays(
            Strategy::SourceIpPort,
            Flow {
                destination: v4(n),
                destination_port: port(n),
                ..BASE
            },
        );
    }
}
