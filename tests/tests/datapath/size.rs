//! What the program costs the verifier: equal for equal builds, so a test can hold it, unlike nanoseconds.

use std::collections::BTreeSet;

use udplb_tests::{
    agent::{Agent, forward},
    capture::Tunnel,
    lab::shapes,
    test_run::{Size, Step, TestRun},
};

use crate::scene::Scene;

/// Of the kernel's 1,000,000.
const VERIFIED: u32 = 200_000;
/// A little more than there are.
const INSTRUCTIONS: u32 = 12_700;

#[test]
fn the_program_stays_small() {
    judge(Scene::new("datapath-size").program.size());
}

#[test]
fn the_program_for_bare_packets_stays_small() {
    let lab = shapes::two_collectors("datapath-size-bare");
    let node = lab.host("node");
    let _tunnel = Tunnel::open(node, "tun0", &["10.0.5.1/24"]);
    let spec = "
  interfaces: [tun0]
  match: {ports: [{port: 514}]}
  action: Clone
  destinations: [{name: one, upstreams: [{address: 10.0.2.2}]}]
";
    let _agent = Agent::start(node, &forward("bare", spec));
    judge(TestRun::of(node, "tun0").size());
}

fn judge(size: Size) {
    println!("{size:?}");
    assert!(
        (1..=VERIFIED).contains(&size.verified),
        "the verifier walked {} instructions",
        size.verified
    );
    assert!(
        (1..=INSTRUCTIONS).contains(&size.instructions),
        "the program has {} instructions",
        size.instructions
    );
}

/// What a chain of calls may take of the stack, bytes.
const STACK: u32 = 512;
/// Kernels before 6.8 count the stack of each function in steps of this many bytes, later ones in steps of half.
const GRANULE: u32 = 32;

#[test]
fn the_stack_fits_as_old_kernels_count_it() {
    let steps = Scene::new("datapath-stack").program.steps();
    let deepest = deepest(&steps, 0);
    println!("{deepest} bytes");
    assert!((STACK / 2..=STACK).contains(&deepest), "{deepest} bytes");
}

/// Bytes that the function that starts here and what it calls take at most.
fn deepest(steps: &[Step], start: usize) -> u32 {
    let (mut own, mut calls) = (1, BTreeSet::new());
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        match &steps[at] {
            Step::End => continue,
            Step::Jump(to) => {
                open.push(*to);
                continue;
            }
            Step::Branch { to, .. } => open.push(*to),
            Step::Call(to) => drop(calls.insert(*to)),
            Step::Stack(depth) => own = own.max(*depth),
            Step::Other | Step::Or | Step::Map(_) => {}
        }
        open.push(at + 1);
    }
    let called = calls.iter().map(|call| deepest(steps, *call)).max();
    own.next_multiple_of(GRANULE) + called.unwrap_or(0)
}
