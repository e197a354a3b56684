//! Devices on top of others: packets come in by them and copies go out by them, and each packet counts once although
//! the program sits on the devices below as well.

use udplb_tests::{
    agent::{Agent, forward},
    lab::Lab,
    traffic::{Flow, Pace, Receiver, Stream},
};

const COUNT: u64 = 2_000;

/// Listens on everything that there is, so that a frame meets the program wherever it passes.
const SPEC: &str = "
  interfaces: ['*']
  match: {ports: [{port: 514}]}
  action: ACTION
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
";

/// Sends through `in0` of the node to its `out0`. The devices are made by these commands on top of `eth0` and `eth1`,
/// which lead to the sender and the collector; these two know their own device as `far`.
fn passes(kind: &str, commands: &str) {
    for action in ["Clone", "Forward"] {
        let lab = Lab::new(
            &format!("kinds-{kind}-{action}"),
            &format!(
                "
                sender eth0 -- node eth0
                node eth1 -- collector eth0
                {commands}
                node: link set in0 up
                node: link set out0 up
                sender: link set far up
                collector: link set far up
                sender: address add 10.0.1.2/24 dev far
                sender: address add 2001:db8:1::2/64 dev far nodad
                node: address add 10.0.1.1/24 dev in0
                node: address add 2001:db8:1::1/64 dev in0 nodad
                node: address add 10.0.2.1/24 dev out0
                node: address add 2001:db8:2::1/64 dev out0 nodad
                collector: address add 10.0.2.2/24 dev far
                collector: address add 2001:db8:2::2/64 dev far nodad
                "
            ),
        );
        let [sender, node, collector] = ["sender", "node", "collector"].map(|name| lab.host(name));
        let agent = Agent::start(node, &forward("kinds", &SPEC.replace("ACTION", action)));
        let local = Receiver::start(&[(node, "10.0.1.1:514"), (node, "[2001:db8:1::1]:514")]);
        let copies = Receiver::start(&[
            (collector, "10.0.2.2:5514"),
            (collector, "[2001:db8:2::2]:5514"),
        ]);
        // Datagrams that wait for a neighbour overtake each other when it answers.
        for address in ["10.0.1.1", "2001:db8:1::1"] {
            sender.reach(node, address);
        }
        let mut flows = Flow::many("10.0.1.2", "10.0.1.1:514", 4);
        flows.extend(Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 4));
        let pace = Pace::Window(50, vec![copies.progress()]);
        let sent = Stream::send(sender, &flows, pace, COUNT);
        let report = copies.finish(&sent);
        report.assert_complete("the collector");
        assert!(report.sources_are_true(), "{kind} {action}");
        if action == "Clone" {
            local.finish(&sent).assert_complete("the node");
        } else {
            assert_eq!(local.progress().get(), 0, "{kind}");
        }
        let metrics = agent.metrics();
        for name in ["udplb_matched_packets_total", "udplb_sent_packets_total"] {
            assert_eq!(metrics.count(name, &[]), COUNT, "{kind} {action} {name}");
        }
    }
}

#[test]
fn bridges() {
    passes(
        "bridge",
        "
        node: link add in0 type bridge
        node: link set eth0 master in0
        node: link add out0 type bridge
        node: link set eth1 master out0
        sender: link set eth0 down
        sender: link set eth0 name far
        collector: link set eth0 down
        collector: link set eth0 name far
        ",
    );
}

#[test]
fn macvlans() {
    passes(
        "macvlan",
        "
        node: link add link eth0 name in0 type macvlan mode bridge
        node: link add link eth1 name out0 type macvlan mode bridge
        sender: link set eth0 down
        sender: link set eth0 name far
        collector: link set eth0 down
        collector: link set eth0 name far
        ",
    );
}

#[test]
fn overlays() {
    passes(
        "vxlan",
        "
        node: address add 192.168.1.1/24 dev eth0
        sender: address add 192.168.1.2/24 dev eth0
        node: address add 192.168.2.1/24 dev eth1
        collector: address add 192.168.2.2/24 dev eth0
        node: link add in0 type vxlan id 7 local 192.168.1.1 remote 192.168.1.2 dstport 4789 dev eth0
        sender: link add far type vxlan id 7 local 192.168.1.2 remote 192.168.1.1 dstport 4789 dev eth0
        node: link add out0 type vxlan id 8 local 192.168.2.1 remote 192.168.2.2 dstport 4789 dev eth1
        collector: link add far type vxlan id 8 local 192.168.2.2 remote 192.168.2.1 dstport 4789 dev eth0
        ",
    );
}
