//! Host names as upstreams, against a real name server: packets reach the hosts that the names stand for, and
//! never pause.

use std::time::{Duration, Instant};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Host, Lab, shapes},
    name_server::NameServer,
    traffic::{Flow, Pace, Receiver, Sent, Stream},
    wait,
};

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sender is the name server, too.
const RESOLV_CONF: &str = "nameserver 10.0.1.2\noptions timeout:1 attempts:1\n";

/// The shortest time between two questions about a name that is answered.
const FLOOR: Duration = Duration::from_secs(5);

/// A forward of one port to one destination with these upstreams.
fn to(name: &str, port: u16, upstreams: &str, more: &str) -> String {
    forward(
        name,
        &format!(
            "
  match: {{ports: [{{port: {port}}}], addresses: ['10.0.1.1', '2001:db8:1::1']}}
  action: Forward
  destinations:
  - {{name: one, strategy: SourcePort, upstreams: [{upstreams}]}}
{more}"
        ),
    )
}

fn agent(host: &Host, config: &str, resolv_conf: &str) -> Agent {
    let mut agent = Agent::new(host, &["--keep"]);
    agent.set_resolv_conf(resolv_conf);
    agent.write(config);
    agent
}

/// Waits until the agent has said this.
fn says(agent: &Agent, text: &str) {
    wait::until(PATIENCE, &format!("the agent to say: {text}"), || {
        agent.log().contains(text).then_some(())
    });
}

/// How many packets were sent to an upstream so far; those of upstreams that have left do not count.
fn sent_to(agent: &Agent, upstream: &str) -> u64 {
    agent
        .metrics()
        .count("udplb_sent_packets_total", &[("upstream", upstream)])
}

/// Waits until packets go to an upstream.
fn goes_to(agent: &Agent, upstream: &str) {
    let before = sent_to(agent, upstream);
    wait::until(PATIENCE, &format!("packets to go to {upstream}"), || {
        (sent_to(agent, upstream) > before).then_some(())
    });
}

/// Sends some datagrams to a port of the node; all of them must come to these places.
fn all_reach(lab: &Lab, port: u16, places: &[(&str, &str)]) -> Vec<u64> {
    let places: Vec<(&Host, &str)> = places
        .iter()
        .map(|(host, address)| (lab.host(host), *address))
        .collect();
    let receiver = Receiver::start(&places);
    let flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{port}"), 16);
    let pace = Pace::Window(50, vec![receiver.progress()]);
    let sent: Sent = Stream::send(lab.host("sender"), &flows, pace, 320);
    let report = receiver.finish(&sent);
    report.assert_complete(&format!("port {port}"));
    let shares = report.shares();
    (0..places.len())
        .map(|place| {
            shares
                .get(&u8::try_from(place).unwrap())
                .copied()
                .unwrap_or(0)
        })
        .collect()
}

/// One flow through everything that an answer can do. A changed answer counts when the name was asked again,
/// not earlier; a failure changes nothing; no packet is lost.
#[test]
fn answers_move_packets_and_failures_do_not() {
    let lab = shapes::two_collectors("names");
    let server = NameServer::start(lab.host("sender"), "siem 1 A 10.0.2.2");
    let (first, second) = ("10.0.2.2:5514", "10.0.3.2:5514");
    let config = to("siem", 514, "{hostname: siem.lab, port: 5514}", "");
    let mut agent = agent(lab.host("node"), &config, RESOLV_CONF);
    let start = Instant::now();
    agent.run();
    agent.settle();
    let receiver = Receiver::start(&[
        (lab.host("collector1"), first),
        (lab.host("collector2"), second),
    ]);
    let flows = Flow::many("10.0.1.2", "10.0.1.1:514", 4);
    let stream = Stream::start(lab.host("sender"), &flows, Pace::PerSecond(1000));
    goes_to(&agent, first);

    // Another address. The TTL of a second is less than the floor.
    assert_eq!(server.questions("A"), 1);
    server.change(&["unset siem", "set siem 1 A 10.0.3.2"]);
    goes_to(&agent, second);
    assert_eq!(server.questions("A"), 2);
    println!(
        "another address counted {:?} after the start",
        start.elapsed()
    );
    assert!(start.elapsed() >= FLOOR);

    // A chain of aliases, whose shortest TTL counts: not the 60 s of the first, but the floor.
    server.change(&[
        "unset siem",
        "set siem 60 CNAME a",
        "set a 1 CNAME b",
        "set b 300 A 10.0.2.2",
    ]);
    goes_to(&agent, first);
    assert_eq!(server.questions("A"), 3);
    server.change(&["unset a", "set a 1 A 10.0.3.2"]);
    goes_to(&agent, second);
    assert_eq!(server.questions("A"), 4);
    println!(
        "the chain had changed {:?} after the start",
        start.elapsed()
    );
    assert!(start.elapsed() >= 3 * FLOOR);

    // From here on a new resolv.conf has the name asked at once, and a failure is no new version.
    stream.pass(100);
    let generation = agent.generation();
    let mut number = 0;
    let mut fails = |change: &[&str], reason: &str| {
        if !change.is_empty() {
            server.change(change);
        }
        number += 1;
        agent.set_resolv_conf(&format!("# {number}\n{RESOLV_CONF}"));
        says(
            &agent,
            "upstreams[0]: host name siem.lab keeps its last good answer, of 20",
        );
        says(&agent, reason);
        stream.pass(100);
        goes_to(&agent, second);
    };
    fails(
        &["unset siem", "unset a"],
        "Z: it does not exist (NXDOMAIN from 10.0.1.2)",
    );
    fails(
        &["set siem 1 TXT nothing"],
        "Z: it exists, but has no address (no A or AAAA record)",
    );
    fails(
        &["unset siem", "set siem 1 CNAME a", "set a 1 CNAME siem"],
        "Z: its aliases go round in a circle (CNAME) at siem.lab",
    );
    fails(
        &["unset a", "set a 1 TXT nothing"],
        "Z: its aliases (CNAME) end at a.lab, which has no address",
    );
    fails(
        &["unset siem", "set siem 1 CNAME siem.broken."],
        "Z: name server 10.0.1.2 failed (SERVFAIL)",
    );
    server.fall_silent();
    fails(&[], "Z: name server 10.0.1.2 does not answer within 1 s");
    server.answer_again();
    assert_eq!(agent.generation(), generation);
    let kept = agent
        .metrics()
        .sum("udplb_agent_dns_names", &[("state", "kept")]);
    assert!((kept - 1.0).abs() < f64::EPSILON, "{kept}");
    let queries = |result: &str| {
        let metrics = agent.metrics();
        metrics.count("udplb_agent_dns_queries_total", &[("result", result)])
    };
    for result in ["answered", "no_such_name", "no_address", "unanswered"] {
        assert!(queries(result) > 0, "{result}");
    }

    server.change(&["unset siem", "set siem 300 A 10.0.2.2"]);
    agent.set_resolv_conf(RESOLV_CONF);
    goes_to(&agent, first);
    says(&agent, "no longer: forward default/siem");
    let report = receiver.finish(&stream.stop());
    println!("after {:?}: {report}", start.elapsed());
    report.assert_complete("the collectors");
}

/// An answer too long for a datagram comes over TCP, whole. A later start without any name server has it
/// from the disk, also for what the file says only since.
#[test]
fn many_addresses_come_over_tcp_and_outlive_the_name_server() {
    const COUNT: u8 = 60;
    let lab = shapes::on_switch("names-many", COUNT);
    let addresses: Vec<String> = (2..=COUNT + 1)
        .map(|number| format!("10.0.2.{number}"))
        .collect();
    let zone: String = addresses
        .iter()
        .map(|address| format!("many 300 A {address}\n"))
        .collect();
    let server = NameServer::start(lab.host("sender"), &zone);
    let many = |name: &str, port: u16| {
        to(name, port, "{hostname: many.lab, port: 5514}", "").replace("SourcePort", "Random")
    };
    let mut agent = agent(lab.host("node"), &many("one", 514), RESOLV_CONF);
    agent.run();
    agent.settle();
    assert!(server.by_transport("tcp4") > 0, "it came over UDP");
    let sockets: Vec<String> = addresses
        .iter()
        .map(|address| format!("{address}:5514"))
        .collect();
    let places: Vec<(&str, &str)> = sockets
        .iter()
        .map(|socket| ("collector1", &socket[..]))
        .collect();
    let reach_all = |port: u16| {
        let mut shares = vec![0; places.len()];
        // Random choice: some would be left out of a few hundred datagrams.
        for _ in 0..5 {
            for (sum, share) in shares.iter_mut().zip(all_reach(&lab, port, &places)) {
                *sum += share;
            }
        }
        assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    };
    reach_all(514);

    drop(server);
    agent.stop();
    agent.cleanup();
    agent.write(&(many("one", 514) + &many("two", 515)));
    agent.run();
    agent.settle();
    reach_all(515);
    says(
        &agent,
        "host name many.lab keeps its last good answer, of 20",
    );
    says(&agent, "Z: name server 10.0.1.2 does not answer within 1 s");
}

/// However many forwards use a name, here in the ancestor's format.
#[test]
fn ten_thousand_forwards_ask_once() {
    const FORWARDS: u16 = 10_000;
    let lab = shapes::two_collectors("names-once");
    let server = NameServer::start(lab.host("sender"), "siem 300 A 10.0.2.2");
    let entry = |number: u16| {
        format!(
            "- {{key: {{address: 10.0.1.1, port: {}}}, options: {{tc_action: block}}, upstream: [{{address: siem.lab, port: 5514}}]}}\n",
            10_000 + number
        )
    };
    let config: String = (0..FORWARDS).map(entry).collect();
    let mut agent = Agent::new(lab.host("node"), &["--keep", "--max-forwards", "20000"]);
    agent.set_resolv_conf(RESOLV_CONF);
    agent.write(&config);
    // Adding up ten thousand destinations is for other tests; it takes minutes in a debug build.
    agent.without_final_identity();
    agent.run();
    for port in [10_000, 9_999 + FORWARDS] {
        let _shares = all_reach(&lab, port, &[("collector1", "10.0.2.2:5514")]);
    }
    assert_eq!((server.questions("A"), server.questions("AAAA")), (1, 1));
}

/// The search list, the second name server, the hosts file, both families; and a name that has no answer is in
/// nobody's way.
#[test]
fn names_are_what_they_are_for_the_host() {
    let lab = shapes::two_collectors("names-host");
    let server = NameServer::start(
        lab.host("sender"),
        "siem 300 A 10.0.2.2\nboth 5 A 10.0.2.2\nboth 5 AAAA 2001:db8:2::2",
    );
    let config = [
        to("both", 514, "{hostname: both.lab, port: 5514}", ""),
        to("short", 515, "{hostname: SIEM, port: 5515}", ""),
        to("file", 516, "{hostname: collector.example, port: 5516}", ""),
        to(
            "broken",
            517,
            "{hostname: siem.broken, port: 5517}, {address: 10.0.2.2, port: 5517}",
            "",
        ),
        to(
            "lost",
            518,
            "{hostname: lost.lab, port: 5518}",
            "  whenUnavailable: Pass",
        ),
    ]
    .concat();
    // Nobody has the first one's address.
    let servers =
        "search lab\nnameserver 10.0.1.99\nnameserver 10.0.1.2\noptions timeout:1 attempts:1\n";
    let mut agent = agent(lab.host("node"), &config, servers);
    agent.set_hosts("10.0.2.2 other collector.example # a comment\n");
    let problems = [
        "forward default/lost: spec.destinations[0].upstreams[0]: host name lost.lab has no answer: it does not exist (NXDOMAIN from 10.0.1.2); check how it is spelled",
        "forward default/broken: spec.destinations[0].upstreams[0]: host name siem.broken has no answer: name server 10.0.1.99 does not answer within 1 s, name server 10.0.1.2 failed (SERVFAIL)",
    ];
    let file = lab.host("node").folder().join("node.yaml");
    let checked = agent.ask("check", &["-c", file.to_str().unwrap()]);
    let notes = checked
        .lines()
        .filter_map(|line| line.strip_prefix("  note  forward "));
    let notes: Vec<String> = notes.map(|note| format!("forward {note}")).collect();
    assert_eq!(notes, problems, "{checked}");
    agent.run();
    for problem in problems {
        says(&agent, problem);
    }
    agent.settle();
    for port in 514..=517 {
        let upstream = format!("10.0.2.2:{}", port + 5000);
        let _shares = all_reach(&lab, port, &[("collector1", &upstream)]);
    }
    let _shares = all_reach(&lab, 518, &[("node", "10.0.1.1:518")]);
    let over_ipv6 = |count: u64| {
        let flows = Flow::many("2001:db8:1::2", "[2001:db8:1::1]:514", 1);
        Stream::send(lab.host("sender"), &flows, Pace::PerSecond(1000), count)
    };
    let receiver = Receiver::start(&[(lab.host("collector1"), "[2001:db8:2::2]:5514")]);
    receiver.finish(&over_ipv6(20)).assert_complete("over IPv6");

    // One family leaves, for the server says so; a name comes into being; the hosts file changes.
    server.change(&["unset both AAAA", "set lost 300 A 10.0.3.2"]);
    agent.set_hosts("10.0.3.2 collector.example\n");
    wait::until(PATIENCE, "the upstreams to change", || {
        let metrics = agent.metrics();
        let mut upstreams: Vec<&str> = metrics
            .matching("udplb_upstream_reachable", &[])
            .filter_map(|(labels, _)| labels.get("upstream").map(String::as_str))
            .collect();
        upstreams.sort_unstable();
        let wanted = [
            "10.0.2.2:5514",
            "10.0.2.2:5515",
            "10.0.2.2:5517",
            "10.0.3.2:5516",
            "10.0.3.2:5518",
        ];
        (upstreams == wanted).then_some(())
    });
    agent.settle();
    let _shares = all_reach(&lab, 514, &[("collector1", "10.0.2.2:5514")]);
    for port in [516, 518] {
        let upstream = format!("10.0.3.2:{}", port + 5000);
        let _shares = all_reach(&lab, port, &[("collector2", &upstream)]);
    }
    drop(over_ipv6(20));
    wait::until(PATIENCE, "the packets over IPv6 to be dropped", || {
        let labels = [("forward", "both"), ("reason", "no_upstream")];
        let dropped = agent
            .metrics()
            .count("udplb_dropped_packets_total", &labels);
        (dropped == 20).then_some(())
    });
}
