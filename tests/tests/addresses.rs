//! Where no address is named, a packet is ours while its destination is an address of this node: one that moves
//! between nodes, as keepalived moves it, and temporary ones (RFC 8981).
#![cfg(test)]

use std::{net::SocketAddr, time::Duration};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Host, Lab, shapes},
    packet::{Ethernet, Udp},
    test_run::{TestRun, Verdict},
    traffic::{Flow, Pace, Receiver, Stream},
    wait,
};

const TIME: Duration = Duration::from_secs(10);

/// Every address of the node.
const SPEC: &str = "
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
";

/// The addresses that move, with their lengths; who sends to them, and where.
const MOVING: [(&str, &str, &str); 2] = [
    ("10.0.1.100/32", "10.0.1.2", "10.0.1.100:514"),
    (
        "2001:db8:1::64/128",
        "2001:db8:1::2",
        "[2001:db8:1::64]:514",
    ),
];

/// Two nodes that share a link with the sender, and another one with the collector.
const PAIR: &str = "
    sender    eth0 10.0.1.2/24  2001:db8:1::2/64 -- switch  port0
    first     eth0 10.0.1.11/24 2001:db8:1::b/64 -- switch  port1
    second    eth0 10.0.1.12/24 2001:db8:1::c/64 -- switch  port2
    collector eth0 10.0.2.2/24  2001:db8:2::2/64 -- uplinks port0
    first     eth1 10.0.2.11/24 2001:db8:2::b/64 -- uplinks port1
    second    eth1 10.0.2.12/24 2001:db8:2::c/64 -- uplinks port2
    switch switch
    switch uplinks
    collector: route add default via 10.0.2.11
    collector: route add default via 2001:db8:2::b
    first:  route add default via 10.0.1.2
    first:  route add default via 2001:db8:1::2
    second: route add default via 10.0.1.2
    second: route add default via 2001:db8:1::2
";

/// A node and its agent.
struct Node<'a> {
    host: &'a Host,
    agent: Agent,
    program: TestRun,
}

impl<'a> Node<'a> {
    fn start(host: &'a Host) -> Self {
        let agent = Agent::start(host, &forward("moving", SPEC));
        let program = TestRun::of(host, "eth0");
        Self {
            host,
            agent,
            program,
        }
    }

    /// Returns when the program takes what is sent there, or lets it go.
    fn until(&self, sender: &Host, source: &str, destination: &str, wanted: Verdict) {
        let link = Ethernet::new(sender.mac("eth0"), self.host.mac("eth0"));
        let sent = Udp::new(source, destination, b"whose?").frame(&link);
        wait::until(TIME, &format!("{wanted:?} for {destination}"), || {
            let outcome = self.program.run(std::slice::from_ref(&sent)).remove(0);
            let is_untouched = outcome.frame == sent;
            assert_eq!(
                is_untouched,
                outcome.verdict == Verdict::Next,
                "{outcome:?}"
            );
            (outcome.verdict == wanted).then_some(())
        });
    }

    fn all(&self, sender: &Host, wanted: Verdict) {
        for (_, source, destination) in MOVING {
            let source = SocketAddr::new(source.parse().unwrap(), 1000);
            self.until(sender, &source.to_string(), destination, wanted);
        }
    }

    fn sent(&self) -> u64 {
        self.agent.metrics().count("udplb_sent_packets_total", &[])
    }
}

#[test]
fn an_address_that_moves_takes_its_packets_along() {
    const COUNT: u64 = 400;
    let lab = Lab::new("addresses-move", PAIR);
    let [sender, collector] = ["sender", "collector"].map(|name| lab.host(name));
    let nodes = ["first", "second"].map(|name| Node::start(lab.host(name)));
    for round in 0..4 {
        let (to, from) = (&nodes[round % 2], &nodes[1 - round % 2]);
        for (address, _, _) in MOVING {
            drop(
                from.host
                    .try_run(&format!("ip address del {address} dev eth0")),
            );
            drop(to.host.ip(&format!("address add {address} dev eth0")));
            // As the new owner announces it.
            let (address, _) = address.split_once('/').unwrap();
            let mac = to.host.mac("eth0");
            drop(sender.ip(&format!(
                "neighbour replace {address} lladdr {mac} dev eth0"
            )));
        }
        to.all(sender, Verdict::Redirect);
        from.all(sender, Verdict::Next);
        let before = [from, to].map(Node::sent);
        let receiver = Receiver::start(&[
            (collector, "10.0.2.2:5514"),
            (collector, "[2001:db8:2::2]:5514"),
        ]);
        let flows = MOVING.map(|(_, source, destination)| Flow::many(source, destination, 2));
        let pace = Pace::Window(50, vec![receiver.progress()]);
        let sent = Stream::send(sender, &flows.concat(), pace, COUNT);
        receiver.finish(&sent).assert_complete("the collector");
        let after = [from, to].map(Node::sent);
        assert_eq!(after, [before[0], before[1] + COUNT], "round {round}");
    }
}

#[test]
fn a_temporary_address_is_one_of_the_node() {
    let lab = shapes::two_collectors("addresses-temporary");
    let (sender, host) = (lab.host("sender"), lab.host("node"));
    host.sysctl("ipv6/conf/eth0/use_tempaddr", "2");
    let node = Node::start(host);
    drop(host.ip("address add 2001:db8:1:7::1/64 dev eth0 mngtmpaddr"));
    let temporary = wait::until(TIME, "a temporary address", || {
        let shown = host.ip("-6 -oneline address show dev eth0 temporary");
        let (_, rest) = shown.split_once("inet6 ")?;
        let (address, _) = rest.split_once('/')?;
        Some(address.to_owned())
    });
    let there = format!("[{temporary}]:514");
    node.until(sender, "[2001:db8:1::2]:1000", &there, Verdict::Redirect);
    // It goes with the one that it was made from.
    drop(host.ip("address del 2001:db8:1:7::1/64 dev eth0"));
    node.until(sender, "[2001:db8:1::2]:1000", &there, Verdict::Next);
}
