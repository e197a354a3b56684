//! `udplb-agent -d -i eth0` in a folder with a `config.yaml` of the first udplb: what it did, without what it broke.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;
use udplb_tests::{
    agent,
    capture::{Capture, Frame},
    lab::{Host, Lab, Process, shapes},
    packet::{Ethernet, Packet, Udp, assert_same},
    scrape,
    traffic::send,
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the agent serves when nothing else is asked for.
const ADDRESS: &str = "127.0.0.1:9465";

const CONFIG: &str = "\
- key:
    address: 10.0.1.1
    port: 514
  options:
    tc_action: pass
    strategy: src-ip
  upstream:
  - address: 10.0.2.2
    port: 5514
  - address: 10.0.3.2
    port: 5514
- key:
    address: 10.0.1.1
    port: 2055
  options:
    tc_action: block
    strategy: src-port
  upstream:
  - address: 10.0.2.2
    port: 6514
  - address: 10.0.3.2
    port: 6514
";

/// The command as it is typed, in the folder of the file. Its usual folders are empty ones of its own.
fn command(node: &Host) -> Command {
    let folder = node.folder().join("typed");
    fs::create_dir_all(&folder).unwrap();
    let binary = agent::binary();
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = node.command("unshare");
    let _: &mut Command = command
        .args(["--mount", "--", "sh", "-c"])
        .arg("set -e; mount -t bpf bpf /sys/fs/bpf; mount -t tmpfs tmpfs /var/lib; exec udplb-agent -d -i eth0")
        .env("PATH", path)
        .current_dir(folder);
    command
}

fn start(node: &Host, config: &str) -> Process {
    let mut command = command(node);
    fs::write(node.folder().join("typed/config.yaml"), config).unwrap();
    let mut process = node.spawn("agent", &mut command);
    wait::until(PATIENCE, "every upstream to be reachable", || {
        if let Some(status) = process.ended() {
            panic!("the agent ended with {status}:\n{}", process.log());
        }
        let answer = scrape::get(node, ADDRESS, "/readyz").ok()?;
        let metrics = (answer.status == 200).then(|| scrape::scrape(node, ADDRESS))?;
        let mut reachable = metrics
            .matching("udplb_upstream_reachable", &[])
            .map(|(_, value)| value);
        reachable.all(|value| value > 0.5).then_some(())
    });
    process
}

/// Datagrams to a port from eight addresses and eight ports each; their payload is what they were sent from.
fn datagrams(port: u16) -> Vec<Udp> {
    let pairs = (20..28).flat_map(|host| (1000..1008).map(move |port| (host, port)));
    pairs
        .map(|(host, source)| {
            let source = format!("10.0.1.{host}:{source}");
            Udp::new(&source, &format!("10.0.1.1:{port}"), source.as_bytes())
        })
        .collect()
}

/// Which collectors got packets, by what `key` makes of their first source; every packet is compared with the one
/// that was sent.
fn collectors_by<K: Ord>(
    copies: [Vec<Frame>; 2],
    upstream_port: u16,
    sent: &[Udp],
    key: impl Fn(&Udp) -> K,
) -> BTreeMap<K, BTreeSet<usize>> {
    let mut found: BTreeMap<K, BTreeSet<usize>> = BTreeMap::new();
    for (collector, copies) in copies.into_iter().enumerate() {
        assert!(!copies.is_empty(), "collector {collector} got nothing");
        for copy in copies {
            let original = sent
                .iter()
                .find(|datagram| datagram.payload == copy.packet.payload())
                .unwrap();
            let _ = found.entry(key(original)).or_default().insert(collector);
            let upstream = format!("10.0.{}.2:{upstream_port}", collector + 2);
            let source = format!("10.0.1.1:{}", original.source.port());
            let wanted = Udp {
                source: source.parse().unwrap(),
                destination: upstream.parse().unwrap(),
                ttl: 63,
                ..original.clone()
            };
            assert_same("the copy", &wanted.packet(), copy.packet.ip_packet());
        }
    }
    found
}

/// Sends datagrams to a port and returns what the node's stack and the two collectors got of them.
fn sent_to(
    lab: &Lab,
    port: u16,
    upstream_port: u16,
    sent: &[Udp],
) -> (Vec<Packet>, [Vec<Frame>; 2]) {
    let node = lab.host("node");
    let mut stack = Capture::stack(node);
    let mut captures =
        ["collector1", "collector2"].map(|name| Capture::link(lab.host(name), "eth0"));
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), node.mac("eth0"));
    let last = Udp::new("10.0.1.2:1000", "10.0.1.1:999", b"last");
    let frames: Vec<_> = sent
        .iter()
        .chain([&last])
        .map(|one| one.frame(&ethernet))
        .collect();
    send(lab.host("sender"), "eth0", &frames);
    let original = stack
        .until(
            |packet| packet.is_udp_to(port),
            |packet| packet.is_udp_to(999),
        )
        .into_iter()
        .map(|frame| frame.packet)
        .collect();
    let mut copies = [Vec::new(), Vec::new()];
    wait::until(PATIENCE, "every copy", || {
        for (copies, capture) in copies.iter_mut().zip(&mut captures) {
            copies.extend(capture.arrived(|packet| packet.is_udp_to(upstream_port)));
        }
        let count: usize = copies.iter().map(Vec::len).sum();
        (count >= sent.len()).then_some(())
    });
    let count: usize = copies.iter().map(Vec::len).sum();
    assert_eq!(count, sent.len());
    (original, copies)
}

#[test]
fn the_command_of_the_first_udplb_does_what_it_did() {
    let lab = shapes::two_collectors("ancestor");
    let node = lab.host("node");
    let mut agent = start(node, CONFIG);

    // pass: the stack gets the very packets, and one upstream a copy, chosen by the sender's address.
    let sent = datagrams(514);
    let (originals, copies) = sent_to(&lab, 514, 5514, &sent);
    for (datagram, packet) in sent.iter().zip(&originals) {
        assert_same("the original", &datagram.packet(), packet.ip_packet());
    }
    assert_eq!(originals.len(), sent.len());
    let by_address = collectors_by(copies, 5514, &sent, |datagram| datagram.source.ip());
    assert_eq!(by_address.len(), 8);
    assert!(by_address.values().all(|collectors| collectors.len() == 1));

    // block: the stack gets nothing, and one upstream the packet, chosen by the sender's port.
    let sent = datagrams(2055);
    let (originals, copies) = sent_to(&lab, 2055, 6514, &sent);
    assert_eq!(originals.len(), 0);
    let by_port = collectors_by(copies, 6514, &sent, |datagram| datagram.source.port());
    assert_eq!(by_port.len(), 8);
    assert!(by_port.values().all(|collectors| collectors.len() == 1));

    // A changed file is followed, and Ctrl-C leaves nothing.
    let file = node.folder().join("typed/config.yaml");
    fs::write(&file, CONFIG.replace("port: 2055", "port: 2056")).unwrap();
    wait::until(PATIENCE, "the new port", || {
        let metrics = scrape::scrape(node, ADDRESS);
        (metrics.count("udplb_agent_generation", &[]) == 2).then_some(())
    });
    let (_, copies) = sent_to(&lab, 2056, 6514, &datagrams(2056));
    assert_eq!(copies.iter().map(Vec::len).sum::<usize>(), 64);
    agent.signal(Signal::SIGINT);
    let status = agent.wait(PATIENCE);
    assert!(status.success(), "{}", agent.log());
    assert_eq!(udplb_tests::foreign::attached(node, "eth0"), 0);
}

/// Without `options`, packets pass and the sender's port chooses.
#[test]
fn the_defaults_of_the_first_udplb_hold() {
    let lab = shapes::two_collectors("ancestor-defaults");
    let config = "\
- key: {address: 10.0.1.1, port: 514}
  upstream: [{address: 10.0.2.2, port: 5514}, {address: 10.0.3.2, port: 5514}]
";
    let _agent = start(lab.host("node"), config);
    let sent = datagrams(514);
    let (originals, copies) = sent_to(&lab, 514, 5514, &sent);
    assert_eq!(originals.len(), sent.len());
    let by_port = collectors_by(copies, 5514, &sent, |datagram| datagram.source.port());
    assert!(by_port.values().all(|collectors| collectors.len() == 1));
}

#[test]
fn without_its_file_it_says_so() {
    let lab = shapes::two_collectors("ancestor-missing");
    let output = command(lab.host("node")).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "udplb-agent: there is no file config.yaml: write one, or name another with -c\n"
    );
}
