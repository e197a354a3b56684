//! `trace`: every line is what the wire shows, every filter works in the kernel, and nobody pays for a tracer
//! that is gone.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use udplb_tests::{
    agent::{Agent, forward},
    capture::{Capture, Frame},
    lab::{Host, Lab, shapes},
    packet::{Ethernet, Tag, Udp},
    tracer::Tracer,
    traffic::{Numbers, send},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Four destinations that treat a packet in four ways, and a forward that nobody can reach.
const SPEC: &str = "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - name: balanced
    strategy: SourcePort
    upstreams: [{address: 10.0.2.2, port: 5514}, {address: 10.0.3.2, port: 5515}]
  - name: rewritten
    sourceAddress: Rewrite
    upstreams: [{address: 10.0.2.2}]
  - name: sampled
    sampling: {oneIn: 2, per: Flow}
    upstreams: [{address: 10.0.3.2, port: 5516}]
  - name: nowhere
    upstreams: [{address: 203.0.113.1, port: 9}]
";
const OTHER: &str = "
  match: {ports: [{port: 515}]}
  action: Forward
  whenUnavailable: Pass
  destinations:
  - {name: none, upstreams: [{address: '2001:db8:2::2'}]}
";
/// Decisions for a packet of the first forward.
const DESTINATIONS: usize = 4;

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
}

impl Scene {
    fn new(name: &str, arguments: &[&str]) -> Self {
        let lab = shapes::two_collectors(name);
        // The upstream `nowhere` has no route.
        for family in ["-4", "-6"] {
            drop(
                lab.host("node")
                    .run(&format!("ip {family} route del default")),
            );
        }
        let mut agent = Agent::new(
            lab.host("node"),
            &[&["--keep", "-i", "eth0"], arguments].concat(),
        );
        agent.write(&(forward("syslog", SPEC) + &forward("other", OTHER)));
        agent.run();
        wait::until(PATIENCE, "the upstreams to be reachable", || {
            let metrics = agent.metrics();
            let reachable = metrics.matching("udplb_upstream_reachable", &[]);
            let count = reachable.filter(|(_, value)| *value > 0.5).count();
            (count == 5).then_some(())
        });
        Self { agent, lab }
    }

    fn node(&self) -> &Host {
        self.lab.host("node")
    }

    fn trace(&self, arguments: &[&str]) -> Tracer {
        Tracer::start(self.node(), &self.agent, arguments)
    }

    /// Sends datagrams of these sources to a port of the node, one after the other: without a tag, with one, with two.
    fn send(&self, sources: impl Iterator<Item = SocketAddr>, port: u16) {
        let plain = Ethernet::new(self.lab.host("sender").mac("eth0"), self.node().mac("eth0"));
        let tags = [Tag::service(7), Tag::vlan(9)];
        let links = [&tags[..0], &tags[1..], &tags].map(|tags| plain.clone().tagged(tags));
        let to = format!("10.0.1.1:{port}");
        let frame = |(source, link)| {
            Udp {
                source,
                ..Udp::new("10.0.1.2:1", &to, b"some bytes")
            }
            .frame(link)
        };
        let frames: Vec<Vec<u8>> = sources.zip(links.iter().cycle()).map(frame).collect();
        send(self.lab.host("sender"), "eth0", &frames);
    }
}

fn sources(count: usize) -> impl Iterator<Item = SocketAddr> {
    let mut numbers = Numbers::new(7);
    (0..count).map(move |_| {
        let number = numbers.next();
        let [high, low, ..] = number.to_be_bytes();
        let port = 1024 | u16::from_be_bytes([high, low]);
        format!("10.0.1.{}:{port}", 2 + number % 250)
            .parse()
            .unwrap()
    })
}

/// What identifies a copy: both ends, the way and the neighbour.
fn of_line(line: &Value) -> String {
    let copy = &line["copy"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    [&copy["source"], &copy["target"], &copy["mac"]]
        .map(text)
        .join(" ")
}

fn of_frame(frame: &Frame) -> String {
    let packet = &frame.packet;
    let mac = packet.destination_mac;
    format!("{} {} {mac}", packet.source(), packet.destination())
}

fn counted(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    words.fold(BTreeMap::new(), |mut counts, word| {
        *counts.entry(word).or_default() += 1;
        counts
    })
}

/// How many decisions the limit left out, as the tracer says.
fn not_shown(lines: &[Value]) -> u64 {
    lines
        .iter()
        .filter_map(|line| line["notShown"].as_u64())
        .sum()
}

#[test]
fn every_line_is_what_the_wire_shows() {
    // More than the buffer holds, as fast as they go: what is not told is counted.
    const PACKETS: usize = 20_000;
    let scene = Scene::new("trace-lines", &[]);
    let mut captures = ["collector1", "collector2"]
        .map(|collector| Capture::link(scene.lab.host(collector), "eth0"));
    let tracer = scene.trace(&["--rate", "0"]);
    scene.send(sources(PACKETS), 514);
    let all = u64::try_from(PACKETS * DESTINATIONS).unwrap();
    wait::until(PATIENCE, "every decision to be told or counted", || {
        let lines = tracer.lines();
        let told = lines
            .iter()
            .filter(|line| line["verdict"].is_string())
            .count();
        (not_shown(&lines) + told as u64 == all).then_some(())
    });
    let mut lines = tracer.finish();
    lines.retain(|line| line["verdict"].is_string());
    assert!(lines.len() > PACKETS / 10, "{} lines", lines.len());

    let metrics = scene.agent.metrics();
    for (interface, capture) in ["eth1", "eth2"].into_iter().zip(&mut captures) {
        let (host, ports) = match interface {
            "eth1" => ("10.0.2.2", [5514, 514]),
            _ => ("10.0.3.2", [5515, 5516]),
        };
        let upstreams = ports.map(|port| match port {
            514 => host.to_owned(),
            port => format!("{host}:{port}"),
        });
        let sent: u64 = upstreams
            .iter()
            .map(|upstream| metrics.count("udplb_sent_packets_total", &[("upstream", upstream)]))
            .sum();
        let frames = capture.expect(usize::try_from(sent).unwrap(), |packet| {
            ports.iter().any(|port| packet.is_udp_to(*port))
        });
        assert!(
            frames
                .iter()
                .all(|frame| frame.packet.ip.as_ref().unwrap().ttl == 63)
        );
        let came = counted(frames.iter().map(of_frame));
        let told = lines
            .iter()
            .filter(|line| line["copy"]["interface"] == interface);
        for (copy, count) in counted(told.map(of_line)) {
            let times = came.get(&copy).copied().unwrap_or_default();
            assert!(
                count <= times,
                "{copy}: told {count} times, came {times} times"
            );
        }
    }
    for line in lines {
        let (verdict, reason) = (line["verdict"].as_str().unwrap(), line["reason"].as_str());
        match line["destination"].as_str().unwrap() {
            "nowhere" => assert_eq!((verdict, reason), ("dropped", Some("no_route"))),
            "sampled" => assert!(["sent", "sampled_out"].contains(&verdict)),
            _ => assert_eq!((verdict, reason), ("sent", None)),
        }
        assert_eq!(line["copy"].is_object(), verdict == "sent", "{line}");
        assert_eq!(line["forward"], "default/syslog");
        assert_eq!(
            (&line["target"], &line["interface"]),
            (&"10.0.1.1:514".into(), &"eth0".into())
        );
        assert_eq!(
            [&line["ttl"], &line["bytes"], &line["packets"]],
            [64, 38, 1]
        );
        assert_eq!(
            (&line["action"], &line["version"]),
            (&"Clone".into(), &1.into())
        );
    }
}

#[test]
fn filters_leave_the_rest_out() {
    let scene = Scene::new("trace-filters", &[]);
    let from = |address: u8| [SocketAddr::from(([10, 0, 1, address], 1000))].into_iter();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--forward", "other"], &["none passed"]),
        (
            &[
                "--source",
                "10.0.1.64/26",
                "--verdict",
                "sent",
                "--upstream",
                "10.0.2.2:514",
            ],
            &[],
        ),
        (
            &[
                "--source",
                "10.0.1.99",
                "--forward",
                "default/syslog",
                "--verdict",
                "dropped",
            ],
            &["nowhere dropped"],
        ),
        (
            &["--reason", "no_route"],
            &["nowhere dropped", "nowhere dropped"],
        ),
        (&["--reason", "mtu_exceeded,rate_limited"], &[]),
        (
            &["--verdict", "passed,dropped"],
            &["nowhere dropped", "nowhere dropped", "none passed"],
        ),
        (
            &["--upstream", "10.0.2.2", "--source", "10.0.1.7"],
            &["rewritten sent"],
        ),
    ];
    for ((arguments, expected), round) in cases.into_iter().zip(1..) {
        let tracer = scene.trace(arguments);
        scene.send(from(7), 514);
        scene.send(from(99), 514);
        scene.send(from(7), 515);
        wait::until(PATIENCE, "the packets to be through", || {
            let metrics = scene.agent.metrics();
            (metrics.count("udplb_matched_packets_total", &[]) == 3 * round).then_some(())
        });
        let word = |line: &Value| {
            let destination = line["destination"].as_str().unwrap();
            format!("{destination} {}", line["verdict"].as_str().unwrap())
        };
        let lines = tracer.finish();
        // Which of its upstreams gets this flow is the balance table's affair.
        let steady = lines
            .iter()
            .filter(|line| line["destination"] != "balanced");
        assert_eq!(
            steady.map(word).collect::<Vec<_>>(),
            expected,
            "{arguments:?}"
        );
    }
}

#[test]
fn what_is_over_the_rate_is_counted() {
    const PACKETS: usize = 2_000;
    let scene = Scene::new("trace-rate", &[]);
    let tracer = scene.trace(&["--rate", "10"]);
    scene.send(sources(PACKETS), 514);
    let all = u64::try_from(PACKETS * DESTINATIONS).unwrap();
    wait::until(PATIENCE, "every decision to be told or counted", || {
        let lines = tracer.lines();
        let shown = lines
            .iter()
            .filter(|line| line["verdict"].is_string())
            .count();
        assert!(shown < PACKETS, "{shown} lines");
        (not_shown(&lines) + shown as u64 == all).then_some(())
    });
}

#[test]
fn there_is_one_tracer_and_none_is_missed_when_it_dies() {
    let scene = Scene::new("trace-one", &[]);
    let tracer = scene.trace(&[]);
    let mut second = scene.agent.command("trace");
    let refused = second.output().unwrap();
    assert!(!refused.status.success());
    let error = String::from_utf8(refused.stderr).unwrap();
    let expected = format!(
        "udplb-agent: another trace runs on {}, or an agent with --debug, which prints the same; end it first\n",
        scene.agent.pins().display()
    );
    assert_eq!(error, expected);

    tracer.kill();
    // Its session is on until the program notices; another tracer does not get its events.
    scene.send(sources(50), 514);
    let tracer = scene.trace(&["--forward", "other"]);
    scene.send(sources(3), 515);
    wait::until(PATIENCE, "the lines of the tracer", || {
        (tracer.lines().len() >= 3).then_some(())
    });
    let lines = tracer.finish();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line["forward"] == "default/other"));
}

#[test]
fn a_forward_that_does_not_run_is_refused_with_those_that_do() {
    let scene = Scene::new("trace-unknown", &[]);
    let output = scene
        .agent
        .command("trace")
        .args(["--forward", "sislog"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "udplb-agent: no forward default/sislog runs here; these do: default/other, default/syslog\n"
    );
}

#[test]
fn run_with_debug_prints_decisions_and_changes() {
    let scene = Scene::new("trace-debug", &["-d"]);
    scene.send(sources(1), 514);
    wait::until(PATIENCE, "the decisions in the log", || {
        let log = scene.agent.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("DEBUG udplb_agent::trace:"));
        (lines.count() == DESTINATIONS).then_some(())
    });
    let log = scene.agent.log();
    for word in [
        "FORWARDS[1] = slot 1",
        "NEXT_HOPS[1] = ",
        "neighbour 10.0.2.2 on interface",
        "default/syslog/nowhere",
    ] {
        assert!(log.contains(word), "{word}: {log}");
    }
}
