//! The table alone: weights, determinism, disruption.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use udplb_plan::balance::{Weighted, slots, table};

use crate::common::{Numbers, equal, upstream};

fn counts(table: &[u8], upstreams: usize) -> Vec<u32> {
    let mut counts = vec![0; upstreams];
    for &index in table {
        counts[usize::from(index)] += 1;
    }
    counts
}

#[test]
fn tables_grow_with_the_upstreams() {
    assert_eq!(
        [0, 1, 2, 32, 33, 256].map(slots),
        [0, 0, 16_381, 16_381, 65_537, 65_537]
    );
    assert_eq!(table(slots(0), &[]), Vec::<u8>::new());
    assert_eq!(table(slots(1), &equal(1)), Vec::<u8>::new());
    assert_eq!(table(slots(2), &equal(2)).len(), 16_381);
    assert_eq!(table(slots(33), &equal(33)).len(), 65_537);
}

#[test]
fn one_upstream_left_of_many_needs_no_table() {
    assert_eq!(table(slots(16), &equal(16)[3..4]), Vec::<u8>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slots_follow_the_weights(
        weights in prop_oneof![
            proptest::collection::vec(1..=256_u16, 2..=256),
            proptest::collection::vec(prop_oneof![Just(1_u16), Just(256)], 2..=256),
            proptest::collection::vec(200..=256_u16, 200..=256),
            proptest::collection::vec(1..=3_u16, 2..=64),
        ],
    ) {
        let upstreams: Vec<Weighted> =
            (0..=255).zip(&weights).map(|(index, &weight)| upstream(index, weight)).collect();
        let table = table(slots(upstreams.len()), &upstreams);
        prop_assert_eq!(table.len(), slots(upstreams.len()) as usize);
        let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
        let mean = f64::from(slots(upstreams.len())) / f64::from(total);
        for (count, weight) in counts(&table, upstreams.len()).into_iter().zip(&weights) {
            let share = f64::from(count) / f64::from(*weight);
            prop_assert!(count > 0);
            prop_assert!(share / mean <= 1.01, "{count} slots for weight {weight}, mean {mean}");
        }
    }

    #[test]
    fn equal_sets_give_equal_tables(seed in 1..u64::MAX, count in 2..=64_u8) {
        let mut numbers = Numbers(seed);
        let mut upstreams: Vec<Weighted> = (0..count)
            .map(|index| upstream(index, 1 + u16::try_from(numbers.below(256)).unwrap()))
            .collect();
        let first = table(slots(upstreams.len()), &upstreams);
        numbers.shuffle(&mut upstreams);
        prop_assert_eq!(first, table(slots(upstreams.len()), &upstreams));
    }
}

#[test]
fn the_table_is_the_same_in_every_version() {
    // Nodes of different versions must agree: a change here moves every flow.
    let upstreams: Vec<Weighted> = [1, 1, 2, 5, 256]
        .into_iter()
        .zip(0..)
        .map(|(weight, index)| upstream(index, weight))
        .collect();
    let digest = table(slots(5), &upstreams)
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, &entry| {
            (digest ^ u64::from(entry)).wrapping_mul(0x0100_0000_01b3)
        });
    assert_eq!(digest, 0x0f23_1749_2c8e_056b);
}

#[test]
fn the_place_in_the_block_changes_names_only() {
    let upstreams = equal(16);
    let renamed: Vec<Weighted> = upstreams
        .iter()
        .map(|upstream| Weighted {
            index: upstream.index + 100,
            ..*upstream
        })
        .collect();
    let expected: Vec<u8> = table(16_381, &upstreams)
        .iter()
        .map(|index| index + 100)
        .collect();
    assert_eq!(table(16_381, &renamed), expected);
}

/// The part of the slots of others that change hands when an upstream goes.
fn disruption(upstreams: &[Weighted], gone: usize) -> f64 {
    let slots = slots(upstreams.len());
    let before = table(slots, upstreams);
    let mut rest = upstreams.to_vec();
    let gone = rest.remove(gone).index;
    let after = table(slots, &rest);
    let (mut moved, mut total) = (0_u32, 0_u32);
    for (before, after) in before
        .iter()
        .zip(&after)
        .filter(|&(&before, _)| before != gone)
    {
        total += 1;
        moved += u32::from(before != after);
    }
    f64::from(moved) / f64::from(total)
}

#[test]
fn removing_one_of_sixteen_hardly_moves_the_others() {
    let mut numbers = Numbers(7);
    let (mut worst, mut sum) = (0.0_f64, 0.0);
    for _ in 0..4 {
        let upstreams: Vec<Weighted> = (0..16)
            .map(|index| {
                let address = Ipv4Addr::from_bits(u32::try_from(numbers.next() >> 32).unwrap());
                Weighted {
                    key: (IpAddr::V4(address), Some(514)),
                    weight: 1,
                    index,
                }
            })
            .collect();
        for gone in 0..16 {
            let moved = disruption(&upstreams, gone);
            worst = worst.max(moved);
            sum += moved;
        }
    }
    println!(
        "slots of others that moved: mean {:.4}, worst {worst:.4}",
        sum / 64.0
    );
    assert!(worst <= 0.01, "{worst}");
}

#[test]
fn removing_a_weighted_upstream_moves_little() {
    let upstreams: Vec<Weighted> = (0..16)
        .map(|index| upstream(index, 1 + u16::from(index % 4)))
        .collect();
    for gone in 0..16 {
        let moved = disruption(&upstreams, gone);
        println!("weight {}: {moved:.4}", upstreams[gone].weight);
        assert!(moved <= 0.03, "{gone}: {moved}");
    }
}
