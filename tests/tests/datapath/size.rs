//! What the program costs the verifier: equal for equal builds, so a test can hold it, unlike nanoseconds.

use udplb_tests::{
    agent::{Agent, forward},
    capture::Tunnel,
    lab::shapes,
    test_run::{Size, TestRun},
};

use crate::scene::Scene;

/// Of the kernel's 1,000,000.
const VERIFIED: u32 = 200_000;
/// A little more than there are.
const INSTRUCTIONS: u32 = 12_500;

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
