//! The program and a reference that shares nothing with it agree on random frames, whole and damaged: verdict, bytes,
//! copies and counters.
//!
//! `UDPLB_REFERENCE_FRAMES` says how many frames, 20,000 unless it is set; `make reference` takes ten million.
#![cfg(test)]

#[path = "reference/forwards.rs"]
mod forwards;
#[path = "reference/frames.rs"]
mod frames;
#[path = "reference/scene.rs"]
mod scene;

use std::collections::BTreeMap;

use udplb_tests::{reference::Outcome, traffic::Numbers};

use crate::{
    forwards::node,
    frames::{draw, whole_frames},
    scene::Scene,
};

const DEFAULT: usize = 20_000;
const BATCH: usize = 1_000;
const SEED: u64 = 0x5eed_0f0f_5eed;

#[test]
fn the_program_and_the_reference_agree() {
    let count = std::env::var("UDPLB_REFERENCE_FRAMES").map_or(DEFAULT, |count| {
        count.parse().expect("UDPLB_REFERENCE_FRAMES is a number")
    });
    let (mut scene, node, whole) = (Scene::new(), node(), whole_frames());
    let mut numbers = Numbers::new(SEED);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..count.div_ceil(BATCH) {
        let drawn: Vec<(Vec<u8>, Outcome)> = (0..BATCH)
            .map(|_| draw(&mut numbers, &whole, &node))
            .collect();
        for (verdict, count) in scene.compare(&drawn) {
            *verdicts.entry(verdict).or_default() += count;
        }
    }
    println!("{verdicts:?}");
    // Every way was walked.
    for verdict in ["Next", "Drop", "Redirect"] {
        assert!(
            verdicts
                .get(verdict)
                .is_some_and(|found| *found > count / 100),
            "{verdicts:?}"
        );
    }
}
