//! `/metrics`: what it says, that it adds up, and that it outlives the process.

use udplb_tests::{
    agent::{ADDRESS, Agent, forward},
    capture::Capture,
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    scrape::{self, Metrics},
    traffic::{Flow, Pace, Receiver, Stream, send},
};

const SYSLOG: &str = "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - {name: siem, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
";

const FLOWS: &str = "
  match: {ports: [{port: 2055}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5055}]}
  - {name: two, upstreams: [{address: 10.0.3.2, port: 5055}]}
";

fn frames(lab: &Lab, port: u16, count: usize) -> Vec<Vec<u8>> {
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let datagram = Udp::new("10.0.1.2:1000", &format!("10.0.1.1:{port}"), b"hello");
    vec![datagram.frame(&ethernet); count]
}

/// Sends `count` datagrams to the port and waits for the copies at collector1.
fn pass(lab: &Lab, port: u16, copied_to: u16, count: usize) {
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    send(lab.host("sender"), "eth0", &frames(lab, port, count));
    assert_eq!(
        copies
            .expect(count, |packet| packet.is_udp_to(copied_to))
            .len(),
        count
    );
}

#[test]
fn a_scrape_says_what_happened() {
    let lab = shapes::two_collectors("metrics");
    let agent = Agent::start(
        lab.host("node"),
        &(forward("syslog", SYSLOG) + &forward("flows", FLOWS)),
    );
    pass(&lab, 514, 5514, 10);
    pass(&lab, 2055, 5055, 20);
    let metrics = agent.metrics();
    let syslog = [("namespace", "default"), ("forward", "syslog")];
    let flows = [("namespace", "default"), ("forward", "flows")];
    let length = 20 + 8 + 5;
    for (labels, count) in [(syslog, 10), (flows, 20)] {
        assert_eq!(metrics.count("udplb_matched_packets_total", &labels), count);
        assert_eq!(
            metrics.count("udplb_matched_bytes_total", &labels),
            count * length
        );
    }
    for (labels, destination, count) in
        [(syslog, "siem", 10), (flows, "one", 20), (flows, "two", 20)]
    {
        let labels = [labels[0], labels[1], ("destination", destination)];
        assert_eq!(metrics.count("udplb_sent_packets_total", &labels), count);
        assert_eq!(
            metrics.count("udplb_sent_bytes_total", &labels),
            count * length
        );
        assert_eq!(metrics.count("udplb_dropped_packets_total", &labels), 0);
        let reachable: Vec<f64> = metrics
            .matching("udplb_upstream_reachable", &labels)
            .map(|(_, value)| value)
            .collect();
        assert!(
            !reachable.is_empty() && reachable.iter().all(|value| *value > 0.5),
            "{reachable:?}"
        );
    }
    for (labels, _) in metrics.matching("udplb_sent_packets_total", &[]) {
        assert!(
            !labels["upstream"].is_empty() && labels.len() == 4,
            "{labels:?}"
        );
    }
    for name in metrics.series.keys().map(|(name, _)| name) {
        let kind = metrics.types.get(name).or_else(|| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| metrics.types.get(name.strip_suffix(end)?))
        });
        let kind = kind.unwrap_or_else(|| panic!("{name} has no type"));
        assert_eq!(
            name.ends_with("_total"),
            kind == "counter",
            "{name} is a {kind}"
        );
        assert!(
            name.starts_with("udplb_") || name.starts_with("process_"),
            "{name}"
        );
    }
    for page in ["/livez", "/readyz"] {
        assert_eq!(
            scrape::get(lab.host("node"), ADDRESS, page).unwrap().status,
            200,
            "{page}"
        );
    }
    assert_eq!(
        scrape::get(lab.host("node"), ADDRESS, "/nowhere")
            .unwrap()
            .status,
        404
    );
}

#[test]
fn sampling_and_rate_limits_add_up() {
    const COUNT: usize = 10_000;
    let spec = "
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - {name: packets, sampling: {oneIn: 10, per: Packet}, upstreams: [{address: 10.0.2.2, port: 1001}]}
  - {name: flows, sampling: {oneIn: 10, per: Flow}, upstreams: [{address: 10.0.2.2, port: 1002}]}
  - {name: limited, rateLimit: {packetsPerSecond: 100, burst: 50}, upstreams: [{address: 10.0.2.2, port: 1003}]}
  - {name: all, upstreams: [{address: 10.0.2.2, port: 1004}]}
";
    let lab = shapes::two_collectors("metrics-sampling");
    let agent = Agent::start(lab.host("node"), &forward("sampled", spec));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    // Ten datagrams of each of a thousand flows.
    let frame = |number: usize| {
        let port = 1024 + number % 1000;
        Udp::new(&format!("10.0.1.2:{port}"), "10.0.1.1:514", b"hello").frame(&ethernet)
    };
    let start = std::time::Instant::now();
    send(
        lab.host("sender"),
        "eth0",
        &(0..COUNT).map(frame).collect::<Vec<_>>(),
    );
    let found = copies.until(|_| true, {
        let seen = std::cell::Cell::new(0);
        move |packet| {
            seen.set(seen.get() + usize::from(packet.is_udp_to(1004)));
            seen.get() == COUNT
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let metrics = agent.metrics();
    scrape::identity(&Metrics::default(), &metrics).unwrap();
    let arrived = |port: u16| {
        found
            .iter()
            .filter(|frame| frame.packet.is_udp_to(port))
            .count()
    };
    let count = |name: &str, destination: &str| {
        usize::try_from(metrics.count(name, &[("destination", destination)])).unwrap()
    };
    for (destination, port) in [("packets", 1001), ("flows", 1002), ("limited", 1003)] {
        assert_eq!(
            count("udplb_sent_packets_total", destination),
            arrived(port),
            "{destination}"
        );
    }
    // Five standard deviations around a tenth.
    assert!(
        (850..1150).contains(&arrived(1001)),
        "{} packets sampled",
        arrived(1001)
    );
    assert_eq!(
        count("udplb_sampled_out_packets_total", "packets"),
        COUNT - arrived(1001)
    );
    let mut by_flow = std::collections::BTreeMap::new();
    for frame in found.iter().filter(|frame| frame.packet.is_udp_to(1002)) {
        *by_flow.entry(frame.packet.source().port()).or_insert(0) += 1;
    }
    assert!(
        by_flow.values().all(|packets| *packets == 10),
        "a flow was sampled in part"
    );
    assert!(
        (50..150).contains(&by_flow.len()),
        "{} flows sampled",
        by_flow.len()
    );
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (sent, most) = (arrived(1003) as f64, 50.0 + 100.0 * seconds + 1.0);
    assert!(
        (50.0..=most).contains(&sent),
        "{sent} sent under the limit in {seconds} s"
    );
    let limited = metrics.count(
        "udplb_dropped_packets_total",
        &[("destination", "limited"), ("reason", "rate_limited")],
    );
    assert_eq!(usize::try_from(limited).unwrap(), COUNT - arrived(1003));
}

#[test]
fn counters_outlive_the_process() {
    let lab = shapes::two_collectors("metrics-restart");
    let mut agent = Agent::start(lab.host("node"), &forward("syslog", SYSLOG));
    let mut total = 0;
    for round in 0..4 {
        pass(&lab, 514, 5514, 10);
        // While nobody counts, the kernel does.
        if round % 2 == 0 {
            agent.stop();
        } else {
            agent.kill();
        }
        pass(&lab, 514, 5514, 10);
        agent.run();
        total += 20;
        let metrics = agent.metrics();
        for name in ["udplb_matched_packets_total", "udplb_sent_packets_total"] {
            assert_eq!(
                metrics.count(name, &[("forward", "syslog")]),
                total,
                "{name}"
            );
        }
    }
}

#[test]
fn a_forward_that_is_gone_loses_its_series_and_a_new_one_starts_at_zero() {
    let lab = shapes::two_collectors("metrics-gone");
    let (syslog, flows) = (forward("syslog", SYSLOG), forward("flows", FLOWS));
    let agent = Agent::start(lab.host("node"), &(syslog.clone() + &flows));
    pass(&lab, 514, 5514, 10);
    pass(&lab, 2055, 5055, 20);
    agent.reload(&syslog);
    let metrics = agent.metrics();
    assert!(
        metrics
            .series
            .keys()
            .all(|(_, labels)| labels.get("forward").is_none_or(|name| name != "flows"))
    );
    assert_eq!(
        metrics.count("udplb_matched_packets_total", &[("forward", "syslog")]),
        10
    );
    agent.reload(&(syslog + &flows));
    let metrics = agent.metrics();
    assert_eq!(
        metrics.count("udplb_matched_packets_total", &[("forward", "flows")]),
        0
    );
    assert_eq!(
        metrics.count("udplb_sent_packets_total", &[("forward", "flows")]),
        0
    );
    pass(&lab, 2055, 5055, 5);
    assert_eq!(
        agent
            .metrics()
            .count("udplb_matched_packets_total", &[("forward", "flows")]),
        5
    );
}

/// An upstream that leaves takes nothing out of the sum of its destination.
#[test]
fn a_destination_adds_up_when_its_upstreams_change() {
    let lab = shapes::two_collectors("metrics-upstreams");
    let agent = Agent::start(lab.host("node"), &forward("syslog", SYSLOG));
    pass(&lab, 514, 5514, 10);
    agent.reload(&forward("syslog", &SYSLOG.replace("5514", "5515")));
    pass(&lab, 514, 5515, 10);
    agent.check_identity(&Metrics::default());
    assert_eq!(
        agent
            .metrics()
            .count("udplb_sent_packets_total", &[("destination", "siem")]),
        20
    );
}

/// Scrapes while packets flow and the file changes: each parses, and no counter goes back.
#[test]
fn no_counter_goes_back_while_all_is_in_motion() {
    let lab = shapes::two_collectors("metrics-motion");
    let agent = Agent::start(lab.host("node"), &forward("syslog", SYSLOG));
    let local = Receiver::start(&[(lab.host("node"), "10.0.1.1:514")]);
    let pace = Pace::Window(100, vec![local.progress()]);
    let stream = Stream::start(
        lab.host("sender"),
        &Flow::many("10.0.1.2", "10.0.1.1:514", 4),
        pace,
    );
    let mut before = agent.metrics();
    for round in 0..20 {
        agent.reload(&forward(
            "syslog",
            &SYSLOG.replace("5514", ["5514", "5515"][round % 2]),
        ));
        let after = agent.metrics();
        for name in ["udplb_matched_packets_total", "udplb_sent_packets_total"] {
            assert!(
                after.count(name, &[]) >= before.count(name, &[]),
                "{name} went back"
            );
        }
        before = after;
    }
    local.finish(&stream.stop()).assert_complete("the node");
}
