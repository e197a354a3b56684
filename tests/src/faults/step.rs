//! What a step does to a node. IO.

use std::collections::BTreeSet;

use super::Step;
use crate::{
    agent::forward,
    lab::{Host, Lab, shapes},
    scene,
};

/// A node with an interface that can go, and an upstream that can be reached over either of two gateways.
pub(super) fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    lab.host("collector2")
        .ip_batch("address add 10.0.3.3/24 dev eth0\n");
    let node = lab.host("node");
    node.ip_batch("route add 10.0.7.7 via 10.0.2.2\n");
    add_interface(node);
    lab
}

/// The file: on the other side, with other destinations, ports, addresses and sources.
pub(super) fn config(other: bool) -> String {
    let (sources, limit, upstream) = if other {
        (", sources: ['10.0.0.0/8', '2001:db8::/32']", "", "10.0.3.3")
    } else {
        (
            "",
            ", rateLimit: {packetsPerSecond: 1000, burst: 10}",
            "10.0.3.2",
        )
    };
    let wide = format!(
        "
  match: {{ports: [{{port: 516}}]{sources}}}
  interfaces: ['eth0', 'extra0']
  action: Clone
  destinations:
  - {{name: pair, upstreams: [{{address: 10.0.7.7, port: 6516, weight: 3}}, {{address: {upstream}, port: 6516}}]}}
  - {{name: single{limit}, upstreams: [{{address: {upstream}, port: 7516}}]}}
"
    );
    scene::config(u16::from(other)) + &forward("wide", &wide)
}

/// Does a step that turns the node to its other side, or back.
pub(super) fn turn(
    node: &Host,
    config_file: impl FnOnce(&str),
    step: Step,
    turned: &mut BTreeSet<Step>,
) {
    let back = turned.remove(&step);
    if !back {
        turned.insert(step);
    }
    match (step, back) {
        (Step::File, _) => config_file(&config(!back)),
        (Step::Interface, false) => drop(node.ip("link delete extra0")),
        (Step::Interface, true) => add_interface(node),
        (Step::Route, false) => drop(node.ip("route replace 10.0.7.7 via 10.0.3.2")),
        (Step::Route, true) => drop(node.ip("route replace 10.0.7.7 via 10.0.2.2")),
        _ => panic!("{step:?} does not turn"),
    }
}

/// Always with the same number: what an agent says of it is then the same.
fn add_interface(node: &Host) {
    node.ip_batch(
        "link add extra0 index 150 address 02:00:00:00:00:15 type veth peer name other0
         link set other0 up
         address add 10.0.8.1/24 dev extra0
         link set extra0 up
        ",
    );
}
