//! The laws, over random states in random order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, prelude::*};
use udplb_abi::listener::PortWord;
use udplb_plan::balance::Weighted;

use super::{
    generate::{self, desired, packets},
    kernel::Kernel,
    view::{self, View},
};
use crate::{
    desired::Desired,
    diff::{Cache, Change, MapFull, diff},
    op::Op,
    tables::{
        Tables,
        capacity::Capacity,
        walk::{self, Hit, Packet},
    },
};

/// Real tables take too long for thousands of passes; what matters here is that equal input gives equal
/// tables and different input mostly different ones.
fn small_tables(_: u32, upstreams: &[Weighted]) -> Vec<u8> {
    let weights = upstreams
        .iter()
        .flat_map(|one| vec![one.index; one.weight.into()]);
    weights.cycle().take(13).collect()
}

pub(super) fn cache() -> Cache {
    Cache::new(small_tables)
}

pub(super) fn roomy() -> Capacity {
    Capacity::new(64, 1 << 12)
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// Runs ops one by one while packets are under way, each step of which may see another state, and
/// checks that each packet meets the version before or the version after.
fn run(kernel: &mut Kernel, ops: &[Op], random: &mut Random) {
    let all = packets();
    let start = kernel.tables.clone();
    let mut states = vec![start.clone()];
    for op in ops {
        kernel.apply(op);
        states.push(kernel.tables.clone());
        for _ in 0..4 {
            kernel.receive(&all[random.below(all.len())]);
        }
    }
    let end = &kernel.tables;
    let mut next_hops = view::next_hops(&start);
    for (address, after) in view::next_hops(end) {
        next_hops.entry(address).or_default().extend(after);
    }
    let graces = ops
        .iter()
        .enumerate()
        .filter(|(_, op)| **op == Op::Grace)
        .map(|(at, _)| at + 1);
    let bounds: Vec<usize> = [0]
        .into_iter()
        .chain(graces)
        .chain([states.len()])
        .collect();
    let mut met_by = |packet: &Packet| {
        let views = [&start, end].map(|tables| view::observed(tables, packet));
        views[0] != views[1] || views[0].is_some() && random.below(4) == 0 || random.below(16) == 0
    };
    let telling: Vec<_> = all.iter().filter(|packet| met_by(packet)).collect();
    for _ in 0..150.min(telling.len() * 4) {
        let packet = telling[random.below(telling.len())];
        let span = random.below(bounds.len() - 1);
        let states = &states[bounds[span]..bounds[span + 1]];
        let met = interleaved(states, packet, &next_hops, random);
        let allowed = [view::observed(&start, packet), view::observed(end, packet)];
        assert!(
            allowed.contains(&met),
            "{packet:?}\nmet {met:?}\nof {allowed:?}\n{}",
            list(ops)
        );
    }
}

/// The walk of a packet whose every step may see a later state.
fn interleaved(
    states: &[Tables],
    packet: &Packet,
    next_hops: &BTreeMap<
        udplb_abi::address::Address,
        Vec<Option<udplb_abi::next_hop::NextHopSlot>>,
    >,
    random: &mut Random,
) -> Option<View> {
    let mut at = random.below(states.len());
    let mut later = || {
        at += random.below(states.len() - at);
        &states[at]
    };
    let now = later();
    if !now.attachments.contains_key(&packet.interface) {
        return None;
    }
    let word: PortWord = later().port(packet.port);
    let exact = walk::exact(later(), word, packet);
    let slot = exact.or_else(|| walk::longest_prefix(later(), word, packet))?;
    let tables = later();
    let listener = walk::listener(tables, slot, word, packet)?;
    let slot = *later().forwards.get(&listener.forward)?;
    let tables = later();
    let forward = &tables.forward_slots[&slot];
    let takes = walk::takes_source(later(), forward, &packet.source);
    let tables = later();
    for balance in view::in_use(forward).flat_map(|one| one.balance) {
        for (upstream, next_hop) in walk::upstreams(tables, balance) {
            let known = next_hops
                .get(&upstream.address)
                .is_some_and(|all| all.contains(&next_hop.copied()));
            assert!(known, "an upstream leaves by {next_hop:?}");
        }
    }
    takes.then(|| view::of_hit(tables, &Hit { listener, forward }))
}

/// The tables do what is desired, for every packet, and hold nothing else.
fn check_reached(kernel: &Kernel, desired: &Desired, cache: &mut Cache) {
    for packet in packets() {
        let met = view::observed(&kernel.tables, &packet);
        assert_eq!(met, view::wanted(desired, &packet, cache), "{packet:?}");
    }
    let tables = &kernel.tables;
    for (address, next_hops) in view::next_hops(tables) {
        let wanted = desired.next_hops.get(&address).copied();
        assert!(
            next_hops.iter().all(|one| *one == wanted),
            "next hop of {address:?}"
        );
    }
    let attached: BTreeSet<u32> = tables.attachments.keys().copied().collect();
    assert_eq!(attached, desired.attachments);
    assert_eq!(tables.vlans, desired.vlans);
    assert_eq!(
        tables.neighbours.keys().copied().collect::<BTreeSet<_>>(),
        desired.neighbours
    );

    assert_eq!(tables.forwards.len(), desired.forwards.len());
    let groups: BTreeSet<u16> = tables.ports.values().map(|word| word.group()).collect();
    assert!(
        tables
            .listeners
            .keys()
            .all(|(group, _)| groups.contains(group)),
        "entries left behind"
    );
    let forwards = || {
        tables
            .forwards
            .keys()
            .map(|&number| tables.forward(number).unwrap())
    };
    let sets: BTreeSet<u32> = forwards().map(|one| one.sources).collect();
    assert!(
        tables.sources.keys().all(|set| sets.contains(set)),
        "sources left behind"
    );
    let ids = forwards().flat_map(|one| view::in_use(one).map(|two| two.id).chain([one.id]));
    assert!(
        tables
            .names
            .keys()
            .copied()
            .eq(ids.collect::<BTreeSet<_>>()),
        "names left behind"
    );
    kernel.check_counters();
}

fn pass(kernel: &Kernel, desired: &Desired, capacity: &Capacity, cache: &mut Cache) -> Change {
    diff(desired, &kernel.tables, capacity, cache)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_reaches_each_state_and_no_packet_falls_between(
        states in collection::vec(desired(), 1..5),
        seed in any::<u64>(),
    ) {
        let (mut kernel, mut cache, mut random) = (Kernel::new(), cache(), Random(seed));
        for state in states {
            let change = pass(&kernel, &state, &roomy(), &mut cache);
            prop_assert_eq!(&change.failures, &vec![]);
            run(&mut kernel, &change.ops, &mut random);
            check_reached(&kernel, &state, &mut cache);
            prop_assert_eq!(pass(&kernel, &state, &roomy(), &mut cache), Change::default());
            kernel.crash();
            prop_assert_eq!(pass(&kernel, &state, &roomy(), &mut cache), Change::default());
        }
    }

    #[test]
    fn a_crash_anywhere_is_overcome_and_leaves_nothing_behind(
        states in collection::vec((desired(), any::<prop::sample::Index>()), 2..6),
        seed in any::<u64>(),
    ) {
        let (mut kernel, mut cache, mut random) = (Kernel::new(), cache(), Random(seed));
        for (state, end) in &states {
            let change = pass(&kernel, state, &roomy(), &mut cache);
            let done = end.index(change.ops.len() + 1);
            run_part(&mut kernel, &change.ops[..done], &mut random);
            kernel.crash();
        }
        for (state, _) in states.iter().rev().take(2) {
            let change = pass(&kernel, state, &roomy(), &mut cache);
            prop_assert_eq!(&change.failures, &vec![]);
            run(&mut kernel, &change.ops, &mut random);
            check_reached(&kernel, state, &mut cache);
            prop_assert_eq!(pass(&kernel, state, &roomy(), &mut cache), Change::default());
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_what_ran_of_it_stays(
        states in collection::vec(desired(), 1..5),
        forwards in 2..6_u32,
        entries in 2..30_u32,
        tables in 2..40_u32,
        seed in any::<u64>(),
    ) {
        let capacity = Capacity {
            listeners: entries,
            listener_slots: entries,
            prefixes: entries / 2,
            sources: 3,
            names: forwards * 3,
            next_hops: 3,
            upstreams: forwards * 4,
            tables,
            ..Capacity::new(forwards, 0)
        };
        let (mut kernel, mut cache, mut random) = (Kernel::new(), cache(), Random(seed));
        for state in states {
            // Slots that one pass frees are room for the next.
            for _ in 0..8 {
                let change = pass(&kernel, &state, &capacity, &mut cache);
                let before = kernel.tables.clone();
                run(&mut kernel, &change.ops, &mut random);
                if change.ops.is_empty() {
                    break;
                }
                check_kept(&before, &kernel, &state, &change, &mut cache);
            }
            let last = pass(&kernel, &state, &capacity, &mut cache);
            prop_assert_eq!(&last.ops, &vec![]);
            if last.failures.is_empty() {
                check_reached(&kernel, &state, &mut cache);
            }
        }
    }
}

/// Ops, one a line.
pub(super) fn list(ops: &[Op]) -> String {
    let lines: Vec<_> = ops.iter().map(|op| format!("{op:?}")).collect();
    lines.join("\n")
}

/// Runs some of the ops of a pass, of which the end is not known.
fn run_part(kernel: &mut Kernel, ops: &[Op], random: &mut Random) {
    let all = packets();
    for op in ops {
        kernel.apply(op);
        kernel.receive(&all[random.below(all.len())]);
    }
}

/// Forwards that fit do what is desired; the others do what they did before, or what is desired as far as
/// it fits.
fn check_kept(
    before: &Tables,
    kernel: &Kernel,
    desired: &Desired,
    change: &Change,
    cache: &mut Cache,
) {
    let refused: BTreeSet<u64> = change
        .failures
        .iter()
        .filter_map(|one| refused(one, desired))
        .collect();
    let mut without = desired.clone();
    let fits = |id: &u64| !refused.contains(id);
    without
        .forwards
        .iter_mut()
        .filter(|one| !fits(&one.id))
        .for_each(|one| one.matches.clear());
    let without = generate::assemble(without);
    let old = view::all(before);
    for packet in packets() {
        let met = view::observed(&kernel.tables, &packet);
        let allowed = match &met {
            Some(view) if !fits(&view.id) => {
                old.contains(view) || met == view::wanted(desired, &packet, cache)
            }
            None if listener_of(&kernel.tables, &packet).is_some_and(|id| !fits(&id)) => true,
            _ => {
                met == view::wanted(&without, &packet, cache)
                    || met == view::wanted(desired, &packet, cache)
            }
        };
        assert!(
            allowed,
            "{packet:?} met {met:?}\n{:?}\n{}",
            change.failures,
            list(&change.ops)
        );
    }
}

/// The forward whose listener a packet meets, whatever its source.
fn listener_of(tables: &Tables, packet: &Packet) -> Option<u64> {
    let word = tables.port(packet.port);
    let slot =
        walk::exact(tables, word, packet).or_else(|| walk::longest_prefix(tables, word, packet))?;
    let listener = walk::listener(tables, slot, word, packet)?;
    tables.forward(listener.forward).map(|forward| forward.id)
}

fn refused(failure: &MapFull, desired: &Desired) -> Option<u64> {
    match failure {
        MapFull::Forward { index, .. } => Some(desired.forwards[*index].id),
        MapFull::Host { .. } => None,
    }
}
