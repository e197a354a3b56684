//! Devices whose frames are bare IP packets: packets come in by them and copies go out, beside Ethernet and mixed
//! with it.

use std::time::Duration;

use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame, Tunnel},
    lab::{Lab, shapes},
    packet::{Ethernet, Packet, Udp, assert_same},
    traffic::send,
};

/// What the tun device of the node has, and whom it leads to.
const ADDRESSES: [&str; 2] = ["10.0.5.1/24", "2001:db8:5::1/64"];

const LAST: u16 = 999;

/// A destination of each kind: by Ethernet, into the tunnel, by Ethernet again, and the node itself.
const SPEC: &str = "
  interfaces: [INTERFACE]
  match: {ports: [{port: 514}]}
  action: ACTION
  destinations:
  - {name: first, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
  - {name: tunnel, sourceAddress: Rewrite, upstreams: [{address: 10.0.5.9, port: 6514}, {address: '2001:db8:5::9', port: 6514}]}
  - {name: node, upstreams: [{address: 10.0.2.1, port: 8514}, {address: '2001:db8:2::1', port: 8514}]}
  - {name: second, upstreams: [{address: 10.0.3.2, port: 7514}, {address: '2001:db8:3::2', port: 7514}]}
";

const UPSTREAMS: [[&str; 4]; 2] = [
    [
        "10.0.2.2:5514",
        "10.0.5.9:6514",
        "10.0.2.1:8514",
        "10.0.3.2:7514",
    ],
    [
        "[2001:db8:2::2]:5514",
        "[2001:db8:5::9]:6514",
        "[2001:db8:2::1]:8514",
        "[2001:db8:3::2]:7514",
    ],
];

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    tunnel: Tunnel,
    far_end: Capture,
    stack: Capture,
    collectors: [Capture; 2],
    lab: Lab,
}

impl Scene {
    fn new(name: &str, interface: &str, action: &str) -> Self {
        let lab = shapes::two_collectors(&format!("tunnels-{name}-{action}"));
        let node = lab.host("node");
        let tunnel = Tunnel::open(node, "tun0", &ADDRESSES);
        // What the stack gets bears no mark of ours.
        drop(node.run(
            "nft 'table inet marks { chain c { type filter hook prerouting priority -600; meta mark != 0 drop; }; }'",
        ));
        let spec = SPEC.replace("INTERFACE", interface);
        let agent = Agent::start(node, &forward("mixed", &spec.replace("ACTION", action)));
        let collectors = ["collector1", "collector2"];
        Self {
            far_end: tunnel.capture(),
            stack: Capture::stack(node),
            collectors: collectors.map(|name| Capture::link(lab.host(name), "eth0")),
            agent,
            tunnel,
            lab,
        }
    }

    /// Checks what became of two datagrams and of a third one that is nobody's.
    fn check(&mut self, action: &str, sent: &[Udp; 2]) {
        let [first, second] = &mut self.collectors;
        let outside = [
            first.expect(2, |packet| packet.is_udp_to(5514)),
            self.far_end.expect(2, |packet| packet.is_udp_to(6514)),
            second.expect(2, |packet| packet.is_udp_to(7514)),
        ];
        let [first, tunnel, second] = outside;
        let is_clone = action == "Clone";
        let up = self.stack.expect(if is_clone { 5 } else { 3 }, |packet| {
            [514, 8514, LAST].iter().any(|port| packet.is_udp_to(*port))
        });
        let at = |port: u16| -> Vec<&Frame> {
            let there = |frame: &&Frame| frame.packet.is_udp_to(port);
            up.iter().filter(there).collect()
        };
        assert_eq!(at(514).len(), if is_clone { 2 } else { 0 });
        for original in at(514) {
            let sent = &sent[usize::from(original.packet.source().is_ipv6())];
            assert_same("the original", &sent.packet(), original.packet.ip_packet());
        }
        for (family, sent) in sent.iter().enumerate() {
            let of_family = |frame: &&Frame| usize::from(frame.packet.source().is_ipv6()) == family;
            let copies = [
                first.iter().find(of_family),
                tunnel.iter().find(of_family),
                at(8514).into_iter().find(of_family),
                second.iter().find(of_family),
            ];
            for ((place, upstream), copy) in UPSTREAMS[family].iter().enumerate().zip(copies) {
                let mut wanted = Udp {
                    destination: upstream.parse().unwrap(),
                    ttl: 63,
                    ..sent.clone()
                };
                if place == 1 {
                    wanted.source.set_ip(sent.destination.ip());
                }
                let copy = copy.unwrap_or_else(|| panic!("no copy for {upstream}"));
                assert_same(upstream, &wanted.packet(), copy.packet.ip_packet());
                copy.verify().unwrap();
            }
        }
        let node = self.lab.host("node");
        for (frames, [interface, collector]) in [
            (&first, ["eth1", "collector1"]),
            (&second, ["eth2", "collector2"]),
        ] {
            for frame in frames {
                let macs = (frame.packet.source_mac, frame.packet.destination_mac);
                let wanted = (node.mac(interface), self.lab.host(collector).mac("eth0"));
                assert_eq!(macs, wanted, "{interface}");
            }
        }
        let metrics = self.agent.metrics();
        assert_eq!(metrics.count("udplb_matched_packets_total", &[]), 2);
        assert_eq!(metrics.count("udplb_sent_packets_total", &[]), 8);
    }
}

fn datagrams(net: u8) -> [Udp; 2] {
    let v4 = [format!("10.0.{net}.2:1000"), format!("10.0.{net}.1:514")];
    let v6 = [
        format!("[2001:db8:{net}::2]:1000"),
        format!("[2001:db8:{net}::1]:514"),
    ];
    [v4, v6].map(|[source, destination]| Udp::new(&source, &destination, b"through a tunnel"))
}

fn last(net: u8) -> Udp {
    let (source, destination) = (format!("10.0.{net}.2:1000"), format!("10.0.{net}.1:{LAST}"));
    Udp::new(&source, &destination, b"last")
}

#[test]
fn copies_go_into_a_tunnel() {
    for action in ["Clone", "Forward"] {
        let mut scene = Scene::new("out", "eth0", action);
        let sender = scene.lab.host("sender");
        let ethernet = Ethernet::new(sender.mac("eth0"), scene.lab.host("node").mac("eth0"));
        let sent = datagrams(1);
        let frames = [&sent[0], &sent[1], &last(1)].map(|datagram| datagram.frame(&ethernet));
        send(sender, "eth0", &frames);
        scene.check(action, &sent);
    }
}

#[test]
fn packets_come_out_of_a_tunnel() {
    for action in ["Clone", "Forward"] {
        let mut scene = Scene::new("in", "tun0", action);
        let sent = datagrams(5);
        let packets = [&sent[0], &sent[1], &last(5)].map(Udp::packet);
        scene.tunnel.send(&packets);
        scene.check(action, &sent);
        let is_ours = |packet: &Packet| packet.is_udp_to(5514);
        assert_eq!(scene.far_end.arrived(is_ours), []);
    }
}

/// Every copy waits in a queue for its header.
#[test]
fn none_is_lost_on_the_way_out_of_a_tunnel() {
    const COUNT: usize = 500;
    let scene = Scene::new("many", "tun0", "Clone");
    let [first, second] = ["collector1", "collector2"].map(|name| scene.lab.host(name));
    let sockets = [(first, "10.0.2.2:5514"), (second, "10.0.3.2:7514")].map(|(host, address)| {
        let socket = host.enter(|| std::net::UdpSocket::bind(address)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket
    });
    for number in 0..COUNT {
        let payload = number.to_be_bytes();
        let datagram = Udp::new("10.0.5.2:1000", "10.0.5.1:514", &payload);
        scene.tunnel.send(&[datagram.packet()]);
        for socket in &sockets {
            let mut buffer = [0; 64];
            let (length, source) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], source), (&payload[..], datagram.source));
        }
    }
    let metrics = scene.agent.metrics();
    let sent = metrics.count("udplb_sent_packets_total", &[]);
    assert_eq!(sent, 4 * u64::try_from(COUNT).unwrap());
}

/// The packet itself gets a header and waits with it for whom nobody has asked for yet.
#[test]
fn forward_from_a_tunnel_waits_for_a_cold_neighbour() {
    let lab = shapes::two_collectors("tunnels-cold");
    let (node, collector) = (lab.host("node"), lab.host("collector1"));
    let tunnel = Tunnel::open(node, "tun0", &ADDRESSES);
    drop(collector.run(
        "nft 'table arp silent { chain c { type filter hook input priority 0; drop; }; };
              table ip6 silent { chain c { type filter hook prerouting priority 0; icmpv6 type nd-neighbor-solicit drop; }; }'",
    ));
    let mut agent = Agent::new(node, &["--keep"]);
    agent.write(&forward(
        "cold",
        "
  interfaces: [tun0]
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
",
    ));
    agent.run();
    let mut copies = Capture::link(collector, "eth0");
    let sent = datagrams(5);
    tunnel.send(&[sent[0].packet(), sent[1].packet()]);
    drop(collector.run("nft delete table arp silent; nft delete table ip6 silent"));
    for copy in copies.expect(2, |packet| packet.is_udp_to(5514)) {
        let family = usize::from(copy.packet.source().is_ipv6());
        let wanted = Udp {
            destination: UPSTREAMS[family][0].parse().unwrap(),
            ttl: 63,
            ..sent[family].clone()
        };
        assert_same("the packet", &wanted.packet(), copy.packet.ip_packet());
        assert_eq!(copy.packet.destination_mac, collector.mac("eth0"));
    }
}

#[test]
fn fragments_come_out_of_a_tunnel() {
    for action in ["Clone", "Forward"] {
        let scene = Scene::new("fragments", "tun0", action);
        for (family, sent) in datagrams(5).into_iter().enumerate() {
            let hosts = [(0, "collector1"), (2, "node"), (3, "collector2")];
            let sockets = hosts.map(|(place, host)| {
                let address = UPSTREAMS[family][place];
                let socket = scene
                    .lab
                    .host(host)
                    .enter(|| std::net::UdpSocket::bind(address));
                let socket = socket.unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                socket
            });
            let datagram = Udp {
                payload: vec![7; 2000],
                ..sent
            };
            scene.tunnel.send(&datagram.fragments(800));
            for socket in sockets {
                let mut buffer = [0; 4000];
                let (length, source) = socket.recv_from(&mut buffer).unwrap();
                assert_eq!(
                    (&buffer[..length], source),
                    (&datagram.payload[..], datagram.source)
                );
            }
        }
    }
}
