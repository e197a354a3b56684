//! Upgrades and downgrades in place, under full traffic: the other version has another program and other maps.

use std::{fs, path::Path};

use udplb_tests::{
    agent,
    other_version::other_version,
    scene::{Scene, config},
    scrape::Metrics,
};

/// The folders of pins, sorted.
pub(crate) fn folders(pins: &Path) -> Vec<String> {
    let entries = fs::read_dir(pins).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What the version with these tables leaves.
pub(crate) fn of_version(tables: u32) -> Vec<String> {
    let mut names = [
        "identifications-1".to_owned(),
        "interfaces-1".to_owned(),
        "links".to_owned(),
        "records".to_owned(),
        "totals-1".to_owned(),
        "trace-1".to_owned(),
        format!("fragments-1-{tables}"),
        format!("tables-{tables}"),
    ];
    names.sort();
    names.to_vec()
}

/// Fails where a counter of packets is lower than it was.
pub(crate) fn assert_counted_on(before: &Metrics, after: &Metrics) {
    for name in [
        "udplb_matched_packets_total",
        "udplb_sent_packets_total",
        "udplb_sent_bytes_total",
    ] {
        for (labels, value) in before.counters(name) {
            let now = after.counters(name).find(|(other, _)| *other == labels);
            let now = now.map_or(0, |(_, now)| now);
            assert!(
                now >= value,
                "{name} {labels:?}: {value} before, {now} after"
            );
        }
    }
}

#[test]
fn twenty_upgrades_and_downgrades_lose_nothing() {
    let versions = [(agent::binary(), 1), (other_version().binary, 2)];
    let mut scene = Scene::new("upgrade", &config(0));
    for round in 1..=20 {
        let (binary, tables) = &versions[round % 2];
        let before = scene.agent.metrics();
        if round % 4 < 2 {
            scene.agent.stop();
        } else {
            scene.agent.kill();
        }
        scene.moving.pass(500);
        scene.agent.use_binary(binary);
        scene.agent.run();
        assert_eq!(folders(scene.agent.pins()), of_version(*tables));
        assert_counted_on(&before, &scene.agent.metrics());
        scene.moving.pass(500);
    }
    drop(scene.finish());
}
