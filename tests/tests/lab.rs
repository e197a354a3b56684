//! The lab itself: what it builds, sees and leaves behind. No product in it.

use std::{
    net::UdpSocket,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use udplb_tests::{
    capture::Capture,
    foreign::{Counter, Place},
    lab::{Lab, Mac, residue, shapes},
    packet::{Checksum, Ethernet, Packet, Tag, Udp, assert_same},
    traffic::{Flow, Pace, Receiver, Stream, send, send_pending},
    wait::SetAtEnd,
};

/// Sender to node, as frames.
fn towards_node(lab: &Lab) -> Ethernet {
    Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"))
}

#[test]
fn hosts_exchange_datagrams_in_both_families() {
    let lab = shapes::two_collectors("exchange");
    for (bind, target) in [
        ("0.0.0.0:514", "10.0.1.1:514"),
        ("[::]:515", "[2001:db8:1::1]:515"),
    ] {
        let receiver = lab.host("node").enter(|| UdpSocket::bind(bind)).unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let local = if bind.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let sender = lab.host("sender").enter(|| UdpSocket::bind(local)).unwrap();
        assert_eq!(sender.send_to(b"hello", target).unwrap(), 5);
        let mut buffer = [0; 64];
        let (length, source) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(
            (&buffer[..length], source.ip().is_ipv4()),
            (&b"hello"[..], local.starts_with('0'))
        );
    }
}

#[test]
fn every_shape_comes_up() {
    let check = |lab: &Lab, from: &str, to: &str, addresses: &[&str]| {
        for address in addresses {
            lab.host(from).reach(lab.host(to), address);
        }
    };
    check(
        &shapes::ipv6_only("ipv6"),
        "sender",
        "node",
        &["2001:db8:1::1"],
    );
    check(
        &shapes::behind_gateway("gateway"),
        "node",
        "collector2",
        &["10.0.3.2", "2001:db8:3::2"],
    );
    check(
        &shapes::two_uplinks("uplinks"),
        "node",
        "collector1",
        &["10.0.7.7", "2001:db8:7::7"],
    );
    let lab = shapes::on_switch("switch", 16);
    check(&lab, "node", "collector1", &["10.0.2.17", "2001:db8:2::11"]);
    check(&lab, "node", "collector2", &["10.0.2.200"]);
}

#[test]
fn a_capture_sees_the_bytes_that_were_sent() {
    let lab = shapes::two_collectors("bytes");
    let mut capture = Capture::link(lab.host("node"), "eth0");
    let frames: Vec<Vec<u8>> = (0..1000_u32)
        .map(|number| {
            Udp::new("10.0.1.2:1000", "10.0.1.1:514", &number.to_be_bytes())
                .frame(&towards_node(&lab))
        })
        .collect();
    send(lab.host("sender"), "eth0", &frames);
    let captured = capture.expect(1000, |packet| packet.is_udp_to(514));
    assert!(captured.iter().map(|frame| &frame.packet.frame).eq(&frames));
    assert!(
        captured
            .iter()
            .all(|frame| frame.verify().is_ok() && !frame.checksum_pending)
    );
}

#[test]
fn vlan_tags_come_back_as_they_were() {
    let lab = shapes::two_collectors("tags");
    let mut link = Capture::link(lab.host("node"), "eth0");
    let mut hook = Capture::hook(lab.host("node"), "eth0");
    for tags in [&[Tag::vlan(7)][..], &[Tag::service(5), Tag::vlan(0x6007)]] {
        let frame = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello")
            .frame(&towards_node(&lab).tagged(tags));
        send(lab.host("sender"), "eth0", std::slice::from_ref(&frame));
        for capture in [&mut link, &mut hook] {
            let found = capture
                .expect(1, |packet| packet.is_udp_to(514))
                .remove(0)
                .packet;
            assert_eq!((&found.tags[..], &found.frame), (tags, &frame));
        }
    }
}

/// One after the other on the same host, with packets on their way all the time.
#[test]
fn a_later_capture_of_the_stack_shows_each_packet_once() {
    let lab = shapes::two_collectors("stack-again");
    let node = lab.host("node");
    let done = AtomicBool::new(false);
    let frame = |port| {
        let to = format!("10.0.1.1:{port}");
        Udp::new("10.0.1.2:1000", &to, b"hello").frame(&towards_node(&lab))
    };
    let noise = vec![frame(9); 20];
    std::thread::scope(|scope| {
        let _noise = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                send(lab.host("sender"), "eth0", &noise);
                // Processes that are being started have copies of every descriptor.
                drop(lab.host("sender").run("true"));
            }
        });
        let _end = SetAtEnd(&done);
        for _ in 0..10 {
            let mut capture = Capture::stack(node);
            send(lab.host("sender"), "eth0", &[frame(514), frame(515)]);
            let until = capture.until(
                |packet| packet.is_udp_to(514),
                |packet| packet.is_udp_to(515),
            );
            assert_eq!(until.len(), 1);
        }
    });
}

/// Header fields of every kind come through the stack's capture as they were sent.
#[test]
fn the_stack_capture_shows_what_was_sent() {
    let lab = shapes::two_collectors("stack");
    let mut capture = Capture::stack(lab.host("node"));
    let v4 = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello");
    let v6 = Udp::new("[2001:db8:1::2]:1000", "[2001:db8:1::1]:514", b"hello");
    let mut datagrams = Vec::new();
    for plain in [v4.clone(), v6.clone()] {
        datagrams.push(Udp {
            traffic_class: 0xb9,
            ttl: 3,
            identification: 0xbeef,
            ..plain.clone()
        });
        datagrams.push(Udp {
            payload: (0..=255).cycle().take(1400).collect(),
            ..plain.clone()
        });
        datagrams.push(Udp {
            checksum: Checksum::Is(0x4321),
            ..plain
        });
    }
    datagrams.push(Udp {
        checksum: Checksum::Zero,
        ..v4.clone()
    });
    datagrams.push(Udp {
        options: vec![7, 7, 4, 0, 0, 0, 0, 0],
        ..v4.clone()
    });
    datagrams.push(Udp {
        extensions: vec![(60, vec![0, 0, 1, 4, 0, 0, 0, 0])],
        ..v6.clone()
    });
    let frames: Vec<Vec<u8>> = datagrams
        .iter()
        .map(|datagram| datagram.frame(&towards_node(&lab)))
        .collect();
    send(lab.host("sender"), "eth0", &frames);
    let captured = capture.expect(frames.len(), |packet| packet.is_udp_to(514));
    for (datagram, frame) in datagrams.iter().zip(&captured) {
        assert_same("the original", &datagram.packet(), frame.packet.ip_packet());
    }
    for plain in [v4, v6] {
        let pending = Udp {
            checksum: Checksum::Pending,
            ..plain
        };
        send_pending(
            lab.host("sender"),
            "eth0",
            &[pending.frame(&towards_node(&lab))],
        );
        let found = capture
            .expect(1, |packet| packet.is_udp_to(514))
            .remove(0)
            .packet;
        assert_same("the original", &pending.packet(), found.ip_packet());
    }
}

#[test]
fn checksum_offload_is_switched_and_seen() {
    let lab = shapes::two_collectors("offload");
    let (sender, node) = (lab.host("sender"), lab.host("node"));
    let mut capture = Capture::link(node, "eth0");
    for (on, destination) in [
        (true, "10.0.1.1:514"),
        (true, "[2001:db8:1::1]:514"),
        (false, "10.0.1.1:514"),
        (false, "[2001:db8:1::1]:514"),
    ] {
        sender.set_transmit_checksum("eth0", on);
        let local = if destination.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let socket = sender.enter(|| UdpSocket::bind(local)).unwrap();
        let _: usize = socket.send_to(b"hello", destination).unwrap();
        let frame = capture.expect(1, |packet| packet.is_udp_to(514)).remove(0);
        assert_eq!(frame.checksum_pending, on, "{destination}");
        frame.verify().unwrap();
    }
}

#[test]
fn frames_for_others_and_arp_pass_the_hook_but_not_the_stack() {
    let lab = shapes::two_collectors("others");
    let (mut hook, mut stack) = (
        Capture::hook(lab.host("node"), "eth0"),
        Capture::stack(lab.host("node")),
    );
    let elsewhere = Ethernet::new(lab.host("sender").mac("eth0"), Mac([2, 0, 0, 0, 0, 9]));
    let datagram = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"other");
    let last = Udp::new("10.0.1.2:1000", "10.0.1.1:515", b"last").frame(&towards_node(&lab));
    let arp = towards_node(&lab).frame(0x0806, &[0; 28]);
    send(
        lab.host("sender"),
        "eth0",
        &[arp, datagram.frame(&elsewhere), last],
    );
    let passed = hook.until(|_| true, |packet| packet.is_udp_to(515));
    assert!(passed.iter().any(|frame| frame.packet.ether_type == 0x0806));
    assert!(
        passed
            .iter()
            .any(|frame| frame.packet.destination_mac == elsewhere.destination)
    );
    let received = stack.until(
        |packet| packet.is_udp_to(514),
        |packet| packet.is_udp_to(515),
    );
    assert_eq!(received, []);
}

#[test]
fn a_stream_at_full_rate_loses_nothing() {
    let lab = shapes::two_collectors("rate");
    let mut receivers = Vec::new();
    let mut flows = Flow::many("10.0.1.2", "10.0.1.1:514", 8);
    flows.extend(Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 8));
    receivers.push(Receiver::start(&[
        (lab.host("node"), "10.0.1.1:514"),
        (lab.host("node"), "[2001:db8:1::1]:514"),
    ]));
    let pace = Pace::Window(256, vec![receivers[0].progress()]);
    let started = std::time::Instant::now();
    let sent = Stream::send(lab.host("sender"), &flows, pace, 100_000);
    let report = receivers.remove(0).finish(&sent);
    println!("100,000 datagrams in {:?}: {report}", started.elapsed());
    report.assert_complete("node");
    assert!(report.sources_are_true());
}

#[test]
fn a_loss_is_noticed() {
    let lab = shapes::two_collectors("loss");
    let receiver = Receiver::start(&[(lab.host("node"), "10.0.1.1:514")]);
    let stream = Stream::start(
        lab.host("sender"),
        &Flow::many("10.0.1.2", "10.0.1.1:514", 2),
        Pace::Window(64, vec![receiver.progress()]),
    );
    stream.pass(1000);
    let rule = "nft 'table ip t { chain c { type filter hook prerouting priority 0; udp dport 514 drop; }; }'";
    drop(lab.host("node").run(rule));
    stream.pass(10);
    drop(lab.host("node").run("nft delete table ip t"));
    stream.pass(1000);
    let report = receiver.finish(&stream.stop());
    assert!(
        report.lost >= 10 && report.lost <= 1000 && report.duplicated == 0,
        "{report}"
    );
}

/// Processes of a namespace, by its number; the kernel keeps a namespace while there is one.
fn processes_in(namespace: u64) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let inside = |entry: &std::fs::DirEntry| {
        std::fs::metadata(entry.path().join("ns/net")).is_ok_and(|meta| meta.ino() == namespace)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(inside)
        .map(|entry| entry.path().display().to_string())
        .collect()
}

#[test]
fn nothing_is_left_behind_when_a_test_panics() {
    use std::os::unix::fs::MetadataExt as _;
    let mut id = String::new();
    let mut namespace = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let lab = shapes::two_collectors("panic");
        id = lab.id().to_owned();
        assert_eq!(residue(&id).len(), 5, "four namespaces and a folder");
        let path = Path::new("/var/run/netns").join(lab.host("node").namespace());
        namespace = std::fs::metadata(path).unwrap().ino();
        let mut sleep = lab
            .host("node")
            .spawn("sleep", lab.host("node").command("sleep").arg("1000"));
        assert!(sleep.ended().is_none());
        assert_eq!(processes_in(namespace).len(), 1);
        panic!("on purpose");
    }));
    assert_eq!(
        *result.unwrap_err().downcast::<&str>().unwrap(),
        "on purpose"
    );
    assert_eq!(residue(&id), Vec::<std::path::PathBuf>::new());
    assert_eq!(processes_in(namespace), Vec::<String>::new());
}

/// What a process leaves that was killed before it could clean up, the next one removes.
#[test]
fn leftovers_of_dead_processes_are_swept() {
    // The number of a process that has just ended.
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    drop(child.wait());
    let namespace = format!("udplb-{dead}-0-node");
    assert!(
        Command::new("ip")
            .args(["netns", "add", &namespace])
            .status()
            .unwrap()
            .success()
    );
    // This process has swept already, or does now; another one sweeps when it builds its first lab.
    let test = std::env::current_exe().unwrap();
    let run = Command::new(test)
        .args(["--exact", "hosts_exchange_datagrams_in_both_families"])
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stdout)
    );
    assert!(!Path::new("/var/run/netns").join(&namespace).exists());
}

#[test]
fn links_have_the_addresses_that_follow_from_their_names() {
    let lab = shapes::two_collectors("mac");
    let shown = lab.host("node").ip("link show eth1");
    assert!(
        shown.contains(&Mac::of("node", "eth1").to_string()),
        "{shown}"
    );
    assert_eq!(
        Packet::parse(&towards_node(&lab).frame(0x88b5, &[])).source_mac,
        Mac::of("sender", "eth0")
    );
}

#[test]
fn foreign_programs_count_what_they_see() {
    let lab = shapes::two_collectors("foreign");
    let (sender, node) = (lab.host("sender"), lab.host("node"));
    let counters = [Place::First, Place::Last].map(|place| Counter::attach(node, "eth0", place));
    let mut capture = Capture::stack(node);
    let before = counters.each_ref().map(Counter::seen);
    let frame = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello").frame(&towards_node(&lab));
    send(sender, "eth0", &vec![frame; 10]);
    assert_eq!(capture.expect(10, |packet| packet.is_udp_to(514)).len(), 10);
    for (counter, before) in counters.iter().zip(before) {
        assert!(
            (10..20).contains(&(counter.seen() - before)),
            "{}",
            counter.seen()
        );
    }
}
