//! Clone between ordinary programs: the node's own and those on the collectors.

use std::net::{IpAddr, SocketAddr};

use udplb_tests::{
    agent::{Agent, forward},
    foreign::{Counter, Place, Program},
    lab::{Lab, shapes},
    scrape::Metrics,
    traffic::{Flow, Pace, Receiver, Stream},
};

const NODE: [&str; 2] = ["10.0.1.1", "[2001:db8:1::1]"];

/// `kept` shows the sender's address, `changed` the node's.
const SPEC: &str = "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - name: kept
    upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]
  - name: changed
    sourceAddress: Rewrite
    upstreams: [{address: 10.0.3.2, port: 6514}, {address: '2001:db8:3::2', port: 6514}]
";

/// A program on the node and the collectors' programs get every datagram from ordinary sockets.
#[test]
fn programs_receive_everything_with_its_true_source() {
    for offload in [true, false] {
        let lab = shapes::two_collectors("clone-sockets");
        let (sender, node) = (lab.host("sender"), lab.host("node"));
        sender.set_transmit_checksum("eth0", offload);
        node.set_transmit_checksum("eth1", offload);
        let agent = Agent::start(node, &forward("syslog", SPEC));
        let receiver = |host: &str, addresses: [&str; 2], port: u16| {
            let [v4, v6] = addresses.map(|address| format!("{address}:{port}"));
            Receiver::start(&[(lab.host(host), &v4), (lab.host(host), &v6)])
        };
        let local = receiver("node", NODE, 514);
        let kept = receiver("collector1", ["10.0.2.2", "[2001:db8:2::2]"], 5514);
        let changed = receiver("collector2", ["10.0.3.2", "[2001:db8:3::2]"], 6514);
        let mut flows = Flow::many("10.0.1.2", "10.0.1.1:514", 8);
        flows.extend(Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 8));
        let pace = Pace::Window(
            100,
            [&local, &kept, &changed].map(Receiver::progress).to_vec(),
        );
        let sent = Stream::send(sender, &flows, pace, 20_000);
        let [local, kept, changed] = [local, kept, changed].map(|receiver| receiver.finish(&sent));
        for (who, report) in [
            ("the node", &local),
            ("collector1", &kept),
            ("collector2", &changed),
        ] {
            report.assert_complete(who);
        }
        assert!(local.sources_are_true() && kept.sources_are_true());
        let node_addresses: [IpAddr; 2] = [
            "10.0.1.1".parse().unwrap(),
            "2001:db8:1::1".parse().unwrap(),
        ];
        for (source, seen) in &changed.sources {
            let wanted =
                SocketAddr::new(node_addresses[usize::from(source.is_ipv6())], source.port());
            assert!(seen.iter().eq([&wanted]), "{seen:?}");
        }
        for host in ["node", "collector1", "collector2"] {
            assert_eq!(checksum_errors(&lab, host), 0, "{host}");
        }
        agent.check_identity(&Metrics::default());
    }
}

/// The kernel's own count of datagrams with wrong checksums, both families.
fn checksum_errors(lab: &Lab, host: &str) -> u64 {
    let text = lab.host(host).enter(|| {
        ["snmp", "snmp6"]
            .map(|file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap())
    });
    let mut udp = text[0].lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (udp.next().unwrap(), udp.next().unwrap());
    let column = names
        .split(' ')
        .position(|name| name == "InCsumErrors")
        .unwrap();
    let v4: u64 = values.split(' ').nth(column).unwrap().parse().unwrap();
    let v6 = text[1]
        .lines()
        .find_map(|line| line.strip_prefix("Udp6InCsumErrors"))
        .unwrap();
    v4 + v6.trim().parse::<u64>().unwrap()
}

/// Where a tunnel has summed up the packet already (`CHECKSUM_COMPLETE`), the sum still fits the original: the
/// node's own receiver checks it.
#[test]
fn a_sum_that_the_tunnel_made_still_fits() {
    sums_fit_behind_a_tunnel("clone-tunnel", false);
}

/// The same where hardware has verified the tunnel's own checksum: the kernel makes the sum from that.
#[test]
fn a_sum_that_the_device_vouched_for_still_fits() {
    sums_fit_behind_a_tunnel("clone-vouched", true);
}

fn sums_fit_behind_a_tunnel(name: &str, vouched: bool) {
    const COUNT: u64 = 1000;
    let lab = shapes::two_collectors(name);
    for (host, other, number) in [("sender", "10.0.1.1", 2), ("node", "10.0.1.2", 1)] {
        let host = lab.host(host);
        // With offload on, the inner checksum would stay pending and prove nothing.
        host.set_transmit_checksum("eth0", false);
        host.ip_batch(&format!(
            "link add vx0 type vxlan id 7 dstport 4789 remote {other} dev eth0
             link set vx0 up
             address add 10.0.8.{number}/24 dev vx0
             address add 2001:db8:8::{number}/64 dev vx0 nodad
            "
        ));
    }
    let [sender, node, collector] = ["sender", "node", "collector1"].map(|name| lab.host(name));
    sender.set_transmit_checksum("vx0", false);
    let _vouching = vouched.then(|| Program::vouch(node, "eth0", Place::First));
    let spec = SPEC.replace("  action:", "  interfaces: [vx0]\n  action:");
    let _agent = Agent::start(node, &forward("syslog", &spec));
    let summed = Counter::of_summed(node, "vx0", Place::Last);
    let local = Receiver::start(&[(node, "10.0.8.1:514"), (node, "[2001:db8:8::1]:514")]);
    let mut flows = Flow::many("10.0.8.2", "10.0.8.1:514", 1);
    flows.extend(Flow::many("2001:db8:8::2", "[2001:db8:8::1]:514", 1));
    let copies = Receiver::start(&[
        (collector, "10.0.2.2:5514"),
        (collector, "[2001:db8:2::2]:5514"),
    ]);
    let pace = Pace::Window(50, vec![local.progress(), copies.progress()]);
    let sent = Stream::send(sender, &flows, pace, COUNT);
    local.finish(&sent).assert_complete("the node");
    copies.finish(&sent).assert_complete("the collector");
    assert_eq!(checksum_errors(&lab, "node"), 0);
    // That state is what arrived, and what the program let go.
    assert!(summed.seen() >= COUNT, "{} of {COUNT}", summed.seen());
}
