//! What is remembered of first fragments: for how long, and of how many.

use std::fs;

use aya::maps::{Array, HashMap, Map, MapData};
use udplb_abi::{
    fragment::{FragmentKey, FragmentSlot, Grounds, MAX_AGE, MAX_DATAGRAMS},
    map,
};
use udplb_tests::{
    packet::Udp,
    test_run::{Outcome, Verdict},
};

use crate::{
    fragments::unmatched,
    scene::{FORWARD, Scene, copied, datagram},
};

const SECOND: u64 = 1_000_000_000;

/// The first and the second fragment of a datagram, as frames.
fn parts(scene: &Scene, sent: &Udp) -> [Vec<u8>; 2] {
    let segment = sent.segment();
    [
        sent.fragment(0, true, &segment[..16]),
        sent.fragment(2, false, &segment[16..]),
    ]
    .map(|packet| scene.towards_node().frame(sent.ether_type(), &packet))
}

/// The second fragment of what is sent.
fn copy(scene: &Scene, sent: &Udp) -> Vec<u8> {
    let copy = copied(sent, 0);
    let segment = copy.segment();
    let packet = copy.fragment(2, false, &segment[16..]);
    scene.towards_collector(0).frame(copy.ether_type(), &packet)
}

/// A pinned map of the agent, in whichever of its folders it is.
fn pinned(scene: &Scene, name: &str) -> MapData {
    let folders = fs::read_dir(scene.agent.pins()).unwrap();
    let mut pins = folders.map(|folder| folder.unwrap().path().join(name));
    let pin = pins.find(|pin| pin.exists());
    MapData::from_pin(pin.unwrap_or_else(|| panic!("{name} is not pinned"))).unwrap()
}

fn numbers(scene: &Scene, name: &str) -> Array<MapData, u32> {
    Map::Array(pinned(scene, name)).try_into().unwrap()
}

/// Makes the datagram that was remembered last older, with a seal that fits.
fn age(scene: &Scene, by: u64) {
    let entries = Map::LruHashMap(pinned(scene, map::FRAGMENTS));
    let mut entries: HashMap<_, FragmentKey, FragmentSlot> = entries.try_into().unwrap();
    let last = entries
        .iter()
        .map(Result::unwrap)
        .max_by_key(|(_, entry)| entry.time);
    let (key, mut entry) = last.expect("nothing is remembered");
    let slot = numbers(scene, map::FORWARDS)
        .get(&entry.forward, 0)
        .unwrap();
    let grounds = Grounds {
        slot,
        stamp: numbers(scene, map::FORWARD_STAMPS).get(&slot, 0).unwrap(),
        source: Grounds::NONE.source,
    };
    assert_eq!(
        entry.sealed(&key, &grounds),
        entry.seal,
        "other grounds than these"
    );
    entry.time -= by;
    entry.seal = entry.sealed(&key, &grounds);
    entries.insert(&key, &entry, 0).unwrap();
}

/// Fifteen seconds: the first one counts for that long and no longer.
#[test]
fn a_first_fragment_is_forgotten_when_its_time_is_over() {
    let scene = Scene::new("datapath-memory-age");
    for family in [0, 1] {
        let [first, second] = parts(&scene, &datagram(family, FORWARD));
        // The test-run itself takes no second.
        for (by, wanted) in [
            (0, Verdict::Redirect),
            (MAX_AGE - SECOND, Verdict::Redirect),
            (MAX_AGE, Verdict::Next),
        ] {
            assert_eq!(
                scene.program.run(std::slice::from_ref(&first))[0].verdict,
                Verdict::Redirect
            );
            age(&scene, by);
            let outcome = scene.program.run(std::slice::from_ref(&second)).remove(0);
            assert_eq!(outcome.verdict, wanted, "{by} ns older");
        }
    }
}

/// Twice as many as there is room for: the oldest are forgotten. What comes of them then is an orphan; everything else
/// follows its first.
#[test]
fn the_oldest_are_forgotten_where_there_are_too_many() {
    const FRESH: usize = 1000;
    let scene = Scene::new("datapath-memory-full");
    let count = u16::try_from(2 * MAX_DATAGRAMS).unwrap();
    let sent = |identification| Udp {
        identification,
        ..datagram(0, FORWARD)
    };
    let [firsts, seconds]: [Vec<Vec<u8>>; 2] = [0, 1].map(|part| {
        (0..count)
            .map(|number| parts(&scene, &sent(number))[part].clone())
            .collect()
    });
    let outcomes = scene.program.run(&firsts);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.verdict == Verdict::Redirect)
    );
    // The youngest first: following a decision makes it young again.
    let mut seconds = seconds;
    seconds.reverse();
    let outcomes = scene.program.run(&seconds);
    for (number, (outcome, frame)) in outcomes.iter().zip(&seconds).enumerate() {
        let number = count - 1 - u16::try_from(number).unwrap();
        if outcome.verdict == Verdict::Next {
            assert_eq!(outcome.frame, *frame, "{number}");
        } else {
            let wanted = copy(&scene, &sent(number));
            assert_eq!(
                (outcome.verdict, &outcome.frame),
                (Verdict::Redirect, &wanted),
                "{number}"
            );
        }
    }
    let follows = |outcome: &Outcome| outcome.verdict == Verdict::Redirect;
    assert!(outcomes[..FRESH].iter().all(follows));
    let followed = outcomes.iter().filter(|outcome| follows(outcome)).count();
    let room = usize::try_from(MAX_DATAGRAMS).unwrap();
    assert!(
        (room / 2..=room).contains(&followed),
        "{followed} of {room}"
    );
    let orphans = u64::try_from(seconds.len() - followed).unwrap();
    assert_eq!(unmatched(&scene), [orphans, 0]);
}
