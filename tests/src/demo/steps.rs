//! The steps of the demonstration, each with the numbers that prove it. IO.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Stage,
    config::{self, NETFLOW, STATSD, SYSLOG},
};
use crate::{
    capture::{Capture, PATIENCE},
    packet::{Ethernet, Udp},
    scrape::{Metrics, identity},
    traffic::{Flow, Numbers, Pace, Receiver, Sent, Stream, record::Report, send},
    wait::Deadline,
};

/// Datagrams on their way at most; more would overflow queues that are not ours.
const WINDOW: u64 = 100;

impl Stage {
    /// Ordinary sockets of a host at these addresses.
    fn receive(&self, host: &str, addresses: &[&str]) -> Receiver {
        let places: Vec<_> = addresses
            .iter()
            .map(|address| (self.lab.host(host), *address))
            .collect();
        Receiver::start(&places)
    }

    /// Flows of the exporter to a port of the node, in both families.
    fn flows(port: u16, each: usize) -> Vec<Flow> {
        let mut flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{port}"), each);
        flows.extend(Flow::many(
            "2001:db8:1::2",
            &format!("[2001:db8:1::1]:{port}"),
            each,
        ));
        flows
    }

    fn all_arrived(&mut self, who: &str, report: &Report) {
        let numbers = format!(
            "{} of {} datagrams, {} lost, {} duplicated, {} out of order",
            report.received, report.sent, report.lost, report.duplicated, report.misordered
        );
        self.report.check(who, report.is_complete(), &numbers);
    }
}

fn window(receivers: &[&Receiver]) -> Pace {
    Pace::Window(
        WINDOW,
        receivers
            .iter()
            .map(|receiver| receiver.progress())
            .collect(),
    )
}

/// Every datagram reaches the node's program and both collectors.
pub(super) fn clone(stage: &mut Stage) {
    const COUNT: u64 = 40_000;
    stage
        .report
        .step("Clone: 40,000 syslog datagrams from 16 sockets of the exporter, IPv4 and IPv6");
    let local = stage.receive("node", &["10.0.1.1:514", "[2001:db8:1::1]:514"]);
    let siem = stage.receive("collector1", &["10.0.2.2:5514", "[2001:db8:2::2]:5514"]);
    let archive = stage.receive("collector2", &["10.0.3.2:6514", "[2001:db8:3::2]:6514"]);
    let start = Instant::now();
    let pace = window(&[&local, &siem, &archive]);
    let sent = Stream::send(
        stage.lab.host("sender"),
        &Stage::flows(SYSLOG, 8),
        pace,
        COUNT,
    );
    let [local, siem, archive] = [local, siem, archive].map(|receiver| receiver.finish(&sent));
    #[expect(clippy::cast_precision_loss, reason = "shown without digits")]
    let rate = COUNT as f64 / start.elapsed().as_secs_f64();
    stage.report.say(&format!(
        "{rate:.0} datagrams a second, each three times over, on this machine"
    ));
    stage.all_arrived("the node's own program", &local);
    let sources = local.sources.len();
    stage.report.check(
        "with true sources",
        local.sources_are_true(),
        &format!("{sources} sockets, each seen under its own address and port"),
    );
    stage.all_arrived("collector1 (siem)", &siem);
    stage.all_arrived("collector2 (archive)", &archive);
    stage.report.check(
        "copies show the exporter too",
        siem.sources_are_true() && archive.sources_are_true(),
        "no source was rewritten",
    );
}

/// Many exporters' flows are spread over four upstreams, and each stays where it is.
pub(super) fn balance(stage: &mut Stage) {
    const FLOWS: u32 = 10_000;
    stage.report.step(
        "Balance: raw NetFlow frames of 10,000 exporters, each twice, to a pool of four upstreams",
    );
    let mut captures =
        ["collector1", "collector2"].map(|host| Capture::link(stage.lab.host(host), "eth0"));
    let ethernet = Ethernet::new(
        stage.lab.host("sender").mac("eth0"),
        stage.lab.host("node").mac("eth0"),
    );
    let mut numbers = Numbers::new(1);
    let frames: Vec<Vec<u8>> = (0..FLOWS)
        .map(|flow| {
            let [a, b, c, ..] = numbers.next().to_be_bytes();
            let source = format!("10.{}.{b}.{c}:2055", 128 | a);
            Udp::new(&source, &format!("10.0.1.1:{NETFLOW}"), &flow.to_be_bytes()).frame(&ethernet)
        })
        .collect();
    // Which upstream took each flow, from both rounds; a flow that moves shows up with two.
    let mut taken: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for _ in 0..2 {
        send(stage.lab.host("sender"), "eth0", &frames);
        let (mut left, deadline) = (frames.len(), Deadline::after(PATIENCE));
        while left > 0 && !deadline.passed() {
            for capture in &mut captures {
                for frame in capture.arrived(|packet| packet.is_udp_to(NETFLOW)) {
                    let flow = u32::from_be_bytes(frame.packet.payload().try_into().unwrap());
                    let upstream = frame.packet.destination().ip().to_string();
                    taken.entry(flow).or_default().push(upstream);
                    left -= 1;
                }
            }
        }
    }
    let mut shares: BTreeMap<&str, u32> = BTreeMap::new();
    for upstreams in taken.values() {
        *shares.entry(&upstreams[0]).or_default() += 1;
    }
    for (upstream, share) in &shares {
        let bar = "█".repeat(usize::try_from(share / 100).unwrap());
        stage
            .report
            .say(&format!("{upstream:>10} {share:5} flows {bar}"));
    }
    let most = f64::from(shares.values().copied().max().unwrap_or(0)) * 4.0 / f64::from(FLOWS);
    stage.report.check(
        "spread evenly",
        shares.len() == 4 && most <= 1.15,
        &format!("the busiest has {most:.3} times its fair share"),
    );
    let steady = taken
        .values()
        .filter(|upstreams| upstreams.len() == 2 && upstreams[0] == upstreams[1])
        .count();
    stage.report.check(
        "each flow stays with its upstream",
        steady == frames.len(),
        &format!("{steady} of {FLOWS} flows"),
    );
}

/// What is forwarded reaches an upstream and not the node.
pub(super) fn forward(stage: &mut Stage) {
    const COUNT: u64 = 40_000;
    stage
        .report
        .step("Forward: 40,000 NetFlow datagrams from 16 sockets");
    let local = stage.receive("node", &["10.0.1.1:2055"]);
    let places = [
        ("collector1", "10.0.2.2:2055"),
        ("collector1", "10.0.2.3:2055"),
        ("collector2", "10.0.3.2:2055"),
        ("collector2", "10.0.3.3:2055"),
    ];
    let places = places.map(|(host, address)| (stage.lab.host(host), address));
    let pool = Receiver::start(&places);
    let flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{NETFLOW}"), 16);
    let sent = Stream::send(stage.lab.host("sender"), &flows, window(&[&pool]), COUNT);
    let pool = pool.finish(&sent);
    stage.all_arrived("the pool of four", &pool);
    stage.report.check(
        "each flow went to one of them",
        pool.flows_stayed(),
        &format!("{} flows", pool.places.len()),
    );
    let seen = local.progress().get();
    stage.report.check(
        "the node's stack saw none",
        seen == 0,
        &format!("{seen} datagrams at its port {NETFLOW}"),
    );
}

/// The traffic of the next two steps, and who receives it.
struct Running {
    stream: Stream,
    local: Receiver,
    copies: Receiver,
}

impl Running {
    fn start(stage: &Stage) -> Self {
        let local = stage.receive("node", &["10.0.1.1:8125"]);
        let places = [
            ("collector1", "10.0.2.2:9125"),
            ("collector1", "10.0.2.3:9125"),
            ("collector2", "10.0.3.2:9125"),
        ];
        let copies =
            Receiver::start(&places.map(|(host, address)| (stage.lab.host(host), address)));
        let flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{STATSD}"), 32);
        let stream = Stream::start(stage.lab.host("sender"), &flows, window(&[&local, &copies]));
        Self {
            stream,
            local,
            copies,
        }
    }

    fn finish(self, stage: &mut Stage) -> (Sent, Report) {
        let sent = self.stream.stop();
        let (local, copies) = (self.local.finish(&sent), self.copies.finish(&sent));
        stage.all_arrived("the node's own program", &local);
        stage.all_arrived("the collectors", &copies);
        (sent, copies)
    }
}

/// A change of the file takes effect between two packets.
pub(super) fn reload(stage: &mut Stage) {
    stage
        .report
        .step("Reload: an upstream is added to the file while statsd traffic runs at full rate");
    let running = Running::start(stage);
    running.stream.pass(20_000);
    let start = Instant::now();
    stage.agent.reload(&config::three_upstreams());
    let time = start.elapsed();
    running.stream.pass(20_000);
    let (_, copies) = running.finish(stage);
    let new = copies.shares().get(&2).copied().unwrap_or(0);
    stage.report.say(&format!(
        "in force {} ms after the file was written",
        time.as_millis()
    ));
    stage.report.check(
        "the new upstream takes its part",
        new > 0,
        &format!("{new} datagrams at {}", config::THIRD),
    );
}

/// The kernel goes on by itself.
pub(super) fn restart(stage: &mut Stage) {
    stage.report.step("Restart: the agent is stopped, started, killed and started while statsd traffic runs at full rate");
    let running = Running::start(stage);
    for way in ["stopped", "killed"] {
        running.stream.pass(10_000);
        if way == "stopped" {
            stage.agent.stop();
        } else {
            stage.agent.kill();
        }
        let alone = running.stream.count();
        running.stream.pass(10_000);
        stage.agent.run();
        let alone = running.stream.count() - alone;
        stage.report.say(&format!(
            "{way} and started again; {alone} datagrams were handled in between"
        ));
    }
    running.stream.pass(10_000);
    drop(running.finish(stage));
}

/// What the agent says about all that.
pub(super) fn observe(stage: &mut Stage) {
    stage.report.step("Observe: GET /metrics (packets only)");
    let metrics = stage.agent.metrics();
    for ((name, labels), value) in &metrics.series {
        if name.ends_with("_packets_total") && *value > 0.0 {
            let labels: Vec<String> = labels
                .iter()
                .filter(|(key, _)| *key != "namespace")
                .map(|(key, value)| format!("{key}={value:?}"))
                .collect();
            stage
                .report
                .say(&format!("{name}{{{}}} {value}", labels.join(",")));
        }
    }
    let sum = identity(&Metrics::default(), &metrics);
    let numbers = sum.as_ref().err().map_or(
        "matched = sent + dropped + sampled out + passed, everywhere",
        |error| error,
    );
    stage
        .report
        .check("every packet is accounted for", sum.is_ok(), numbers);
    stage.report.step("Observe: udplb-agent status");
    stage.report.quote(&stage.agent.ask("status", &[]));
}

/// Nothing stays behind.
pub(super) fn clean_up(stage: &mut Stage) {
    stage.report.step("Clean up: udplb-agent cleanup");
    stage.agent.stop();
    stage.agent.cleanup();
    let node = stage.lab.host("node");
    let programs = crate::foreign::attached(node, "eth0");
    let managed = node
        .run("ip neigh show")
        .lines()
        .filter(|line| line.contains("managed"))
        .count();
    stage.report.check(
        "nothing of ours is left",
        programs == 0 && managed == 0,
        &format!("{programs} programs on the interface, {managed} managed neighbours"),
    );
}
