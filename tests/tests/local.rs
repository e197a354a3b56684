//! Upstreams on the node itself: its own addresses, and pods behind its bridge and its veths.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::{Host, Lab, Mac, shapes},
    packet::{Ethernet, Packet, Tag, Udp, assert_same},
    tracer::Tracer,
    traffic::{Flow, Pace, Receiver, Stream, send, send_segmented},
};

const ENDS: [[&str; 2]; 2] = [
    ["10.0.1.2:1000", "10.0.1.1:514"],
    ["[2001:db8:1::2]:1000", "[2001:db8:1::1]:514"],
];

/// The last frame: to a port that nobody listens on.
const LAST: u16 = 999;

/// Two upstreams on the node, the second by way of another interface's address, and one elsewhere between them.
const SPEC: &str = "
  match: {ports: [{port: 514}]}
  action: ACTION
  destinations:
  - {name: here, upstreams: [{address: 10.0.1.1, port: 5514}, {address: '2001:db8:1::1', port: 5514}]}
  - {name: there, upstreams: [{address: 10.0.2.2, port: 6514}, {address: '2001:db8:2::2', port: 6514}]}
  - name: here-too
    sourceAddress: Rewrite
    upstreams: [{address: 10.0.3.1, port: 7514}, {address: '2001:db8:3::1', port: 7514}]
";

const COUNT: u64 = 2_000;

fn spec(action: &str) -> String {
    forward("local", &SPEC.replace("ACTION", action))
}

fn flows() -> Vec<Flow> {
    let mut flows = Flow::many("10.0.1.2", "10.0.1.1:514", 4);
    flows.extend(Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 4));
    flows
}

/// The strictest filter that a node may have lets the copies in as it does the originals.
#[test]
fn programs_on_the_node_are_upstreams_beside_others() {
    for action in ["Clone", "Forward"] {
        let lab = shapes::two_collectors(&format!("local-{action}"));
        let (node, collector) = (lab.host("node"), lab.host("collector1"));
        node.sysctl("ipv4/conf/all/rp_filter", "1");
        let agent = Agent::start(node, &spec(action));
        let original = Receiver::start(&[(node, "10.0.1.1:514"), (node, "[2001:db8:1::1]:514")]);
        let receivers = [
            [(node, "10.0.1.1:5514"), (node, "[2001:db8:1::1]:5514")],
            [
                (collector, "10.0.2.2:6514"),
                (collector, "[2001:db8:2::2]:6514"),
            ],
            [(node, "10.0.3.1:7514"), (node, "[2001:db8:3::1]:7514")],
        ]
        .map(|places| Receiver::start(&places));
        let progress = receivers.iter().map(Receiver::progress).collect();
        let sender = lab.host("sender");
        let sent = Stream::send(sender, &flows(), Pace::Window(50, progress), COUNT);
        for (receiver, name) in receivers.into_iter().zip(["here", "there", "here-too"]) {
            let report = receiver.finish(&sent);
            report.assert_complete(name);
            assert!(report.sources_are_true(), "{action} {name}");
        }
        if action == "Clone" {
            original
                .finish(&sent)
                .assert_complete("who listened before");
        } else {
            assert_eq!(original.progress().get(), 0);
        }
        let metrics = agent.metrics();
        // A copy that comes in is not taken for another packet of ours.
        let matched = metrics.count("udplb_matched_packets_total", &[]);
        assert_eq!(matched, COUNT, "{action}");
        for destination in ["here", "there", "here-too"] {
            let labels = [("destination", destination)];
            let sent = metrics.count("udplb_sent_packets_total", &labels);
            assert_eq!(sent, COUNT, "{action} {destination}");
        }
    }
}

#[test]
fn what_comes_up_the_stack_is_right_byte_for_byte() {
    for (action, hook) in [
        ("Clone", "tcx"),
        ("Forward", "tcx"),
        ("Clone", "clsact"),
        ("Forward", "clsact"),
    ] {
        let lab = shapes::two_collectors(&format!("local-bytes-{action}-{hook}"));
        let (node, sender) = (lab.host("node"), lab.host("sender"));
        let mut agent = Agent::new(node, &["--hook", hook]);
        agent.write(&spec(action));
        agent.run();
        agent.settle();
        let mut stack = Capture::stack(node);
        let ethernet = Ethernet::new(sender.mac("eth0"), node.mac("eth0"));
        let sent = ENDS.map(|[source, destination]| Udp::new(source, destination, b"to myself"));
        let last = Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{LAST}"), b"last");
        let frames = [&sent[0], &sent[1], &last].map(|datagram| datagram.frame(&ethernet));
        send(sender, "eth0", &frames);
        // Copies come in behind what has arrived meanwhile: they are asked for by number, not by the last frame.
        let is_copy = |packet: &Packet| packet.is_udp_to(5514) || packet.is_udp_to(7514);
        let is_original = |packet: &Packet| packet.is_udp_to(514);
        let mut arrived = stack.expect(if action == "Clone" { 7 } else { 5 }, |packet| {
            is_copy(packet) || is_original(packet) || packet.is_udp_to(LAST)
        });
        for (family, sent) in sent.iter().enumerate() {
            let upstreams = [
                ["10.0.1.1:5514", "10.0.3.1:7514"],
                ["[2001:db8:1::1]:5514", "[2001:db8:3::1]:7514"],
            ][family];
            let copies = upstreams.map(|upstream| Udp {
                destination: upstream.parse().unwrap(),
                ttl: 63,
                ..sent.clone()
            });
            let mut wanted = copies.to_vec();
            wanted.extend((action == "Clone").then(|| sent.clone()));
            for datagram in wanted {
                let port = datagram.destination.port();
                let is_it = |packet: &Packet| {
                    packet.is_udp_to(port) && packet.ip_packet().len() == datagram.packet().len()
                };
                let position = arrived.iter().position(|frame| is_it(&frame.packet));
                let frame = arrived.remove(position.unwrap());
                assert_same("the packet", &datagram.packet(), frame.packet.ip_packet());
                frame.verify().unwrap();
            }
        }
        assert_eq!(arrived.len(), 1, "{arrived:?}");
    }
}

/// The kernel hands segments over as one and leaves sums to devices; with tags, it keeps those beside the packet.
#[test]
fn segments_sums_and_tags_are_no_obstacle() {
    const SIZE: usize = 500;
    for (action, offloads) in [("Clone", true), ("Forward", true), ("Forward", false)] {
        let lab = shapes::two_collectors(&format!("local-shapes-{action}-{offloads}"));
        let (node, sender) = (lab.host("node"), lab.host("sender"));
        sender.set_transmit_checksum("eth0", offloads);
        let agent = Agent::start(node, &spec(action));
        let data: Vec<u8> = (0..10).flat_map(|number| [number; SIZE]).collect();
        let places = [
            (ENDS[0][1], "10.0.3.1:7514"),
            (ENDS[1][1], "[2001:db8:3::1]:7514"),
        ];
        for (destination, upstream) in places {
            let socket = listen(node, upstream);
            send_segmented(sender, destination, &data, SIZE);
            let received: Vec<Vec<u8>> = (0..10).map(|_| receive(&socket).0).collect();
            assert_eq!(received.concat(), data, "{action} {upstream}");
        }
        assert_eq!(
            agent.metrics().count("udplb_matched_packets_total", &[]),
            20
        );

        let socket = listen(node, "10.0.1.1:5514");
        let mut ethernet = Ethernet::new(sender.mac("eth0"), node.mac("eth0"));
        ethernet.tags = vec![Tag::service(7), Tag::vlan(8)];
        let tagged = Udp::new(ENDS[0][0], ENDS[0][1], b"with two tags");
        send(sender, "eth0", &[tagged.frame(&ethernet)]);
        assert_eq!(receive(&socket), (b"with two tags".to_vec(), tagged.source));
        let counters = node.run("cat /proc/net/snmp /proc/net/snmp6");
        let six = counters
            .lines()
            .find(|line| line.starts_with("Udp6InCsumErrors"));
        assert_eq!(
            six.and_then(|line| line.split_whitespace().nth(1)),
            Some("0")
        );
        let udp: Vec<_> = counters
            .lines()
            .filter(|line| line.starts_with("Udp:"))
            .collect();
        let place = udp[0]
            .split(' ')
            .position(|name| name == "InCsumErrors")
            .unwrap();
        assert_eq!(udp[1].split(' ').nth(place), Some("0"), "{udp:?}");
    }
}

/// What comes in again comes in pieces, which the stack puts together.
#[test]
fn fragments_arrive_whole_at_programs_on_the_node() {
    for action in ["Clone", "Forward"] {
        let lab = shapes::two_collectors(&format!("local-fragments-{action}"));
        let (node, sender) = (lab.host("node"), lab.host("sender"));
        let agent = Agent::start(node, &spec(action));
        let ethernet = Ethernet::new(sender.mac("eth0"), node.mac("eth0"));
        let upstreams = ["10.0.3.1:7514", "[2001:db8:3::1]:7514"];
        for ([source, destination], upstream) in ENDS.into_iter().zip(upstreams) {
            let socket = listen(node, upstream);
            let datagram = Udp::new(source, destination, &[7; 2000]);
            let kind = if datagram.source.is_ipv4() {
                0x0800
            } else {
                0x86dd
            };
            let pieces = datagram.fragments(800);
            let frames: Vec<_> = pieces
                .iter()
                .map(|piece| ethernet.frame(kind, piece))
                .collect();
            send(sender, "eth0", &frames);
            assert_eq!(
                receive(&socket),
                (datagram.payload, datagram.source),
                "{action}"
            );
        }
        assert_eq!(agent.metrics().count("udplb_matched_packets_total", &[]), 6);
    }
}

fn listen(host: &Host, address: &str) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind(address)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, source) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), source)
}

/// Frames to a group of hosts: what comes up again is for one address, and for nobody else's sockets.
#[test]
fn a_group_is_heard_by_a_program_on_the_node() {
    let lab = shapes::two_collectors("local-group");
    let (node, sender) = (lab.host("node"), lab.host("sender"));
    let _agent = Agent::start(
        node,
        &forward(
            "group",
            "
  match: {addresses: [239.1.2.3], ports: [{port: 514}]}
  action: Clone
  destinations:
  - {name: here, sourceAddress: Rewrite, upstreams: [{address: 10.0.1.1, port: 5514}]}
",
        ),
    );
    let socket = listen(node, "10.0.1.1:5514");
    let group = Ethernet::new(sender.mac("eth0"), Mac([0x01, 0, 0x5e, 1, 2, 3]));
    let datagram = Udp::new("10.0.1.2:1000", "239.1.2.3:514", b"to all of you");
    send(sender, "eth0", &[datagram.frame(&group)]);
    assert_eq!(
        receive(&socket),
        (b"to all of you".to_vec(), datagram.source)
    );
}

/// A pod behind a bridge, one behind a veth of its own with a host route, as the two kinds of cluster networks
/// have them; and the node's own address.
#[test]
fn pods_behind_a_bridge_and_a_veth_are_upstreams() {
    for action in ["Clone", "Forward"] {
        let lab = Lab::new(
            &format!("local-pods-{action}"),
            "
            sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node eth0 10.0.1.1/24 2001:db8:1::1/64
            node veth1                               -- pod1 eth0 10.8.0.2/24 2001:db8:8::2/64
            node cali1                               -- pod2 eth0 10.9.0.2/32 2001:db8:9::2/128
            sender: route add default via 10.0.1.1
            sender: route add default via 2001:db8:1::1
            node: route add default via 10.0.1.2
            node: route add default via 2001:db8:1::2
            node: link add cni0 type bridge
            node: link set cni0 up
            node: link set veth1 master cni0
            node: address add 10.8.0.1/24 dev cni0
            node: address add 2001:db8:8::1/64 dev cni0 nodad
            node: route add 10.9.0.2/32 dev cali1 scope link
            node: route add 2001:db8:9::2/128 dev cali1
            pod1: route add default via 10.8.0.1
            pod1: route add default via 2001:db8:8::1
            pod2: route add 169.254.1.1 dev eth0 scope link
            pod2: route add default via 169.254.1.1 dev eth0
            pod2: -6 route add default dev eth0
            ",
        );
        let hosts = ["node", "pod1", "pod2"].map(|name| lab.host(name));
        let agent = Agent::start(
            hosts[0],
            &forward(
                "pods",
                &"
  match: {ports: [{port: 514}]}
  action: ACTION
  destinations:
  - {name: node, upstreams: [{address: 10.0.1.1, port: 5514}, {address: '2001:db8:1::1', port: 5514}]}
  - {name: bridge, upstreams: [{address: 10.8.0.2, port: 5514}, {address: '2001:db8:8::2', port: 5514}]}
  - {name: veth, upstreams: [{address: 10.9.0.2, port: 5514}, {address: '2001:db8:9::2', port: 5514}]}
"
                .replace("ACTION", action),
            ),
        );
        let addresses = [
            ["10.0.1.1:5514", "[2001:db8:1::1]:5514"],
            ["10.8.0.2:5514", "[2001:db8:8::2]:5514"],
            ["10.9.0.2:5514", "[2001:db8:9::2]:5514"],
        ];
        let receivers: Vec<_> = hosts
            .into_iter()
            .zip(addresses)
            .map(|(host, [v4, v6])| Receiver::start(&[(host, v4), (host, v6)]))
            .collect();
        let progress = receivers.iter().map(Receiver::progress).collect();
        let sender = lab.host("sender");
        let sent = Stream::send(sender, &flows(), Pace::Window(50, progress), COUNT);
        for (receiver, name) in receivers.into_iter().zip(["node", "pod1", "pod2"]) {
            let report = receiver.finish(&sent);
            report.assert_complete(name);
            assert!(report.sources_are_true(), "{action} {name}");
        }
        let metrics = agent.metrics();
        assert_eq!(metrics.count("udplb_sent_packets_total", &[]), 3 * COUNT);
    }
}

#[test]
fn every_command_says_that_the_upstream_is_here() {
    let lab = shapes::two_collectors("local-told");
    let (node, sender) = (lab.host("node"), lab.host("sender"));
    let agent = Agent::start(node, &spec("Clone"));
    let tracer = Tracer::start(node, &agent, &[]);
    let ethernet = Ethernet::new(sender.mac("eth0"), node.mac("eth0"));
    let [[source, destination], _] = ENDS;
    let datagram = Udp::new(source, destination, b"where to?");
    let mut stack = Capture::stack(node);
    send(sender, "eth0", &[datagram.frame(&ethernet)]);
    let _arrived = stack.expect(1, |packet| packet.is_udp_to(7514));
    let told = tracer.finish();
    let copy = |name: &str| {
        let line = told.iter().find(|line| line["destination"] == name);
        line.unwrap_or_else(|| panic!("{name}: {told:?}"))["copy"].clone()
    };
    let wanted = serde_json::json!({
        "source": source, "target": "10.0.3.1:7514", "interface": "eth0", "nextHop": "local",
    });
    assert_eq!(copy("here-too"), wanted);
    assert_eq!(copy("there")["nextHop"], "resolved");

    let status = agent.status();
    let upstream = &status["forwards"][0]["destinations"][0]["upstreams"][0];
    assert_eq!(upstream["upstream"], "10.0.1.1:5514");
    assert_eq!(upstream["reachable"], true);
    assert_eq!(upstream["nextHop"], serde_json::json!({"state": "local"}));
    let status = agent.ask("status", &[]);
    let line = status.lines().find(|line| line.contains("10.0.1.1:5514"));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    assert_eq!(words, ["10.0.1.1:5514", "this", "host", "local", "1"]);

    let packet = ["--interface", "eth0", "--source", source];
    let arguments = [&packet[..], &["--destination", destination]].concat();
    let explanation = agent.ask("explain", &arguments);
    for line in [
        "  next hop:  this host itself",
        "  wire:      10.0.1.2:1000 to 10.0.3.1:7514, TTL 63, on eth0",
        "  frame:     none, it comes up the stack as if it had arrived on that interface",
    ] {
        assert!(explanation.contains(line), "{line}\n{explanation}");
    }
}
