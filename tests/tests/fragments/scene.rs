//! One node with a forward to many destinations, and what becomes of the fragments of a datagram.

use std::{
    fmt::Write as _,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Host, Lab},
    packet::{Ethernet, Packet, Udp, identification, reidentified},
};

pub(crate) const SENDER: [&str; 2] = ["10.0.1.2", "[2001:db8:1::2]"];
pub(crate) const NODE: [&str; 2] = ["10.0.1.1", "[2001:db8:1::1]"];
pub(crate) const COLLECTORS: [[&str; 2]; 2] = [
    ["10.0.2.2", "[2001:db8:2::2]"],
    ["10.0.3.2", "[2001:db8:3::2]"],
];
/// How long a datagram may take to its receiver.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn trimmed(address: &str) -> &str {
    address.trim_matches(['[', ']'])
}

/// Which collector destination `number` sends to.
pub(crate) const fn collector(number: usize) -> usize {
    number % 2
}

/// Whether that destination shows the node's address as the source.
pub(crate) const fn rewrites(number: usize) -> bool {
    number % 4 >= 2
}

/// The port that it sends to.
pub(crate) fn port(number: usize) -> u16 {
    5514 + u16::try_from(number).unwrap()
}

/// Port 514 to `count` destinations.
pub(crate) fn spec(action: &str, count: usize) -> String {
    let mut spec =
        format!("  match: {{ports: [{{port: 514}}]}}\n  action: {action}\n  destinations:\n");
    for number in 0..count {
        let source = if rewrites(number) {
            "Rewrite"
        } else {
            "Preserve"
        };
        let [v4, v6] = COLLECTORS[collector(number)].map(trimmed);
        let port = port(number);
        writeln!(
            spec,
            "  - {{name: d{number}, sourceAddress: {source}, upstreams: [{{address: {v4}, port: {port}}}, \
             {{address: '{v6}', port: {port}}}]}}"
        )
        .unwrap();
    }
    forward("large", &spec)
}

pub(crate) fn datagram(family: usize, length: usize) -> Udp {
    let data: Vec<u8> = (0..=250).cycle().take(length).collect();
    let [source, target] = [(SENDER[family], 1000), (NODE[family], 514)]
        .map(|(address, port)| format!("{address}:{port}"));
    Udp::new(&source, &target, &data)
}

pub(crate) fn towards_node(lab: &Lab) -> Ethernet {
    Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"))
}

pub(crate) fn framed(lab: &Lab, sent: &Udp, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let ethernet = towards_node(lab);
    let frame = |packet: &Vec<u8>| ethernet.frame(sent.ether_type(), packet);
    packets.iter().map(frame).collect()
}

pub(crate) fn is_fragment(packet: &Packet) -> bool {
    packet.ip.as_ref().is_some_and(|ip| ip.fragment)
}

/// A whole datagram to a port that nobody listens on, which comes last.
pub(crate) const LAST: u16 = 999;

pub(crate) fn is_last(packet: &Packet) -> bool {
    packet.is_udp_to(LAST)
}

pub(crate) fn last(lab: &Lab) -> Vec<u8> {
    let last = Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{LAST}"), b"last");
    last.frame(&towards_node(lab))
}

/// The datagram that destination `number` sends.
pub(crate) fn copied(sent: &Udp, number: usize) -> Udp {
    let family = usize::from(sent.source.is_ipv6());
    let mut copy = sent.clone();
    let address = COLLECTORS[collector(number)][family];
    copy.destination = format!("{address}:{}", port(number)).parse().unwrap();
    copy.ttl -= 1;
    if rewrites(number) {
        copy.source = SocketAddr::new(sent.destination.ip(), sent.source.port());
    }
    copy
}

/// The fragments that destination `number` sends, which all have the identification of the one that was found.
pub(crate) fn copies(sent: &Udp, number: usize, size: usize, found: &Packet) -> Vec<Vec<u8>> {
    let own = identification(&sent.fragments(size)[0]);
    let found = identification(found.ip_packet()).unwrap();
    // The first two of a collector each keep what they can.
    if !rewrites(number) && number < 2 {
        assert_eq!(Some(found), own, "destination {number}");
    }
    let wanted = copied(sent, number).fragments(size).into_iter();
    wanted.map(|packet| reidentified(&packet, found)).collect()
}

pub(crate) fn unmatched(agent: &Agent, reason: &str) -> u64 {
    let labels = [("interface", "eth0"), ("reason", reason)];
    agent
        .metrics()
        .count("udplb_interface_unmatched_packets_total", &labels)
}

pub(crate) fn receiver(host: &Host, address: &str) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind(address)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}
