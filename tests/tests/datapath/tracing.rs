//! What tracing costs a packet while nobody traces: read off the program's own instructions.

use std::collections::{BTreeMap, BTreeSet};

use udplb_tests::test_run::Step;

use crate::scene::Scene;

/// What is asked for is the program's only data.
const REQUEST: &str = ".bss";
/// Where events and what they cost are kept.
const REPORTS: [&str; 2] = ["TRACE_EVENTS", "TRACE_BUDGETS"];
/// Kept for failures as well, by one function for each of two kinds.
const NOTES: &str = "TRACE_NOTES";

/// One load, combined with the word that says whether there is a tag: the branch is there anyway.
#[test]
fn while_nobody_traces_a_packet_without_tags_pays_no_branch() {
    let steps = Scene::new("datapath-tracing").program.steps();
    let everything = reachable(&steps, &BTreeSet::new());
    let quiet = reachable(&steps, &where_it_is_on(&steps));

    let all = maps(&steps, &everything);
    let wanted = [REPORTS[0], REPORTS[1], NOTES, REQUEST];
    assert!(
        wanted.iter().all(|map| all.contains_key(*map)),
        "the program does not trace at all: {all:?}"
    );
    let off = maps(&steps, &quiet);
    assert_eq!(off.get(REQUEST), Some(&2), "one for each family: {off:?}");
    assert!(
        !REPORTS.iter().any(|map| off.contains_key(*map)),
        "reports are within reach: {off:?}"
    );
    assert_eq!(off.get(NOTES), Some(&2), "more than failures: {off:?}");
}

/// The ways that a packet takes only where somebody traces, or where it has tags.
fn where_it_is_on(steps: &[Step]) -> BTreeSet<(usize, usize)> {
    let mut ways = BTreeSet::new();
    for (at, step) in steps.iter().enumerate() {
        if *step == Step::Map(REQUEST.to_owned()) {
            ways.extend(shared_branch(steps, at));
        }
    }
    ways
}

/// What follows a look at the request, if that is combined with something else before the first branch.
fn shared_branch(steps: &[Step], look: usize) -> Option<(usize, usize)> {
    let distance = steps[look..]
        .iter()
        .position(|step| !matches!(step, Step::Map(_) | Step::Other | Step::Or | Step::Stack(_)))?;
    let branch = look + distance;
    if !steps[look..branch].contains(&Step::Or) {
        return None;
    }
    match steps[branch] {
        Step::Branch { to, on_zero } => Some((branch, if on_zero? { branch + 1 } else { to })),
        _ => None,
    }
}

/// How often the instructions name each map.
fn maps<'a>(steps: &'a [Step], among: &BTreeSet<usize>) -> BTreeMap<&'a str, usize> {
    let mut maps = BTreeMap::new();
    for at in among {
        if let Step::Map(name) = &steps[*at] {
            *maps.entry(&name[..]).or_default() += 1;
        }
    }
    maps
}

/// The instructions that can be reached without these ways from one to another.
fn reachable(steps: &[Step], without: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if !reached.insert(at) {
            continue;
        }
        let next = at + 1;
        let ways = match steps[at] {
            Step::End => vec![],
            Step::Jump(to) => vec![to],
            Step::Call(to) | Step::Branch { to, .. } => vec![next, to],
            Step::Other | Step::Or | Step::Stack(_) | Step::Map(_) => vec![next],
        };
        open.extend(ways.into_iter().filter(|to| !without.contains(&(at, *to))));
    }
    reached
}
