//! Many datagrams in one packet of the kernel's, as a program handed them over (`UDP_SEGMENT`) or as the node's device
//! put them together (GRO): they are copied and forwarded, count, and arrive one by one.
#![cfg(test)]

use std::{net::UdpSocket, time::Duration};

use udplb_tests::{
    agent::{Agent, forward},
    foreign::{Counter, Place},
    lab::{Host, Lab, shapes},
    traffic::{send_segmented, take_merged},
};

const SEGMENT: usize = 500;
const SEGMENTS: usize = 10;
const SENDS: usize = 50;

/// Who receives, by family.
const LOCAL: [&str; 2] = ["10.0.1.1:514", "[2001:db8:1::1]:514"];
const KEPT: [&str; 2] = ["10.0.2.2:5514", "[2001:db8:2::2]:5514"];
const CHANGED: [&str; 2] = ["10.0.3.2:6514", "[2001:db8:3::2]:6514"];

fn config(action: &str) -> String {
    let spec = format!(
        "
  match: {{ports: [{{port: 514}}]}}
  action: {action}
  destinations:
  - name: kept
    upstreams: [{{address: 10.0.2.2, port: 5514}}, {{address: '2001:db8:2::2', port: 5514}}]
  - name: changed
    sourceAddress: Rewrite
    upstreams: [{{address: 10.0.3.2, port: 6514}}, {{address: '2001:db8:3::2', port: 6514}}]
"
    );
    forward("segments", &spec)
}

/// All but the last segment are of one size.
fn data() -> Vec<u8> {
    (0..=255).cycle().take(SEGMENT * SEGMENTS - 7).collect()
}

fn bind(host: &Host, address: &str) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind(address)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// Takes the datagrams of one send.
fn take(socket: &UdpSocket, data: &[u8]) {
    for wanted in data.chunks(SEGMENT) {
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], wanted);
    }
}

/// Sends, and looks at all that arrives.
fn pass(lab: &Lab, action: &str, family: usize) {
    let data = data();
    let agent = Agent::start(lab.host("node"), &config(action));
    let local = (action == "Clone").then(|| bind(lab.host("node"), LOCAL[family]));
    let remote = [("collector1", KEPT), ("collector2", CHANGED)];
    let remote = remote.map(|(host, addresses)| bind(lab.host(host), addresses[family]));
    for _ in 0..SENDS {
        send_segmented(lab.host("sender"), LOCAL[family], &data, SEGMENT);
        for socket in remote.iter().chain(&local) {
            take(socket, &data);
        }
    }
    let metrics = agent.metrics();
    let count = u64::try_from(SEGMENTS * SENDS).unwrap();
    assert_eq!(metrics.count("udplb_matched_packets_total", &[]), count);
    assert_eq!(metrics.count("udplb_sent_packets_total", &[]), 2 * count);
    let headers = [28, 48][family];
    let bytes = u64::try_from(SENDS * (data.len() + headers * SEGMENTS)).unwrap();
    assert_eq!(metrics.count("udplb_matched_bytes_total", &[]), bytes);
    assert_eq!(metrics.count("udplb_sent_bytes_total", &[]), 2 * bytes);
}

#[test]
fn segments_of_one_send_leave_one_by_one() {
    for action in ["Clone", "Forward"] {
        for family in 0..2 {
            let lab = shapes::two_collectors("segments-sent");
            let seen = Counter::attach(lab.host("node"), "eth0", Place::First);
            pass(&lab, action, family);
            assert!(
                seen.seen() < (SENDS * SEGMENTS / 2) as u64,
                "{action}: they came one by one"
            );
        }
    }
}

/// The sender's device cuts them, and the node's puts them together again.
fn with_gro(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    drop(
        lab.host("sender")
            .run("ethtool -K eth0 tx-udp-segmentation off gso off"),
    );
    drop(
        lab.host("node")
            .run("ethtool -K eth0 gro on rx-udp-gro-forwarding on"),
    );
    lab
}

#[test]
fn what_the_device_put_together_leaves_one_by_one() {
    for action in ["Clone", "Forward"] {
        for family in 0..2 {
            let lab = with_gro("segments-merged");
            let seen = Counter::attach(lab.host("node"), "eth0", Place::First);
            pass(&lab, action, family);
            assert!(
                seen.seen() < (SENDS * SEGMENTS) as u64,
                "{action}: none was put together"
            );
        }
    }
}

/// A program on the node that takes many at once (`UDP_GRO`) gets them as they came.
#[test]
fn a_clone_leaves_what_was_put_together() {
    for address in LOCAL {
        let lab = with_gro("segments-local");
        let _agent = Agent::start(lab.host("node"), &config("Clone"));
        let local = bind(lab.host("node"), address);
        take_merged(&local);
        let (mut buffer, mut largest) = (vec![0; 1 << 16], 0);
        for _ in 0..SENDS {
            send_segmented(lab.host("sender"), address, &data(), SEGMENT);
            let mut got = Vec::new();
            while got.len() < data().len() {
                let length = local.recv(&mut buffer).unwrap();
                largest = largest.max(length);
                got.extend_from_slice(&buffer[..length]);
            }
            assert_eq!(got, data());
        }
        assert!(largest > SEGMENT, "none was put together");
    }
}
