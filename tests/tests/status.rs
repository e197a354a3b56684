//! `status` against a real host: what else is on the hook, neighbours as the kernel has them, reverse-path
//! filters, drops.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::Value;
use udplb_agent::{facts::Facts, kernel::bpf::Maps, tables::skew};
use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    foreign::{Counter, Place},
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    traffic::send,
    wait,
};

/// Longer than the kernel asks for a neighbour before it gives up.
const PATIENCE: Duration = Duration::from_secs(20);

const SPEC: &str = "
  interfaces: [eth0]
  match: {addresses: [10.0.1.1], ports: [{port: 514}]}
  action: Clone
  destinations:
  - name: siem
    strategy: SourcePort
    upstreams: [{address: 10.0.2.2, port: 5514}, {address: 10.0.2.3, port: 5514}, {address: 10.0.2.99}]
  - {name: nowhere, sourceAddress: Rewrite, upstreams: [{address: 2001:db8:ffff::1}]}
";

/// Maps that are read fast, in a build that is not.
const SMALL: &[&str] = &["--max-forwards", "64", "--table-memory", "4"];

/// The agent comes last: it has a last word in the lab.
fn start(name: &str, hook: &str) -> (Lab, Agent) {
    let lab = shapes::two_collectors(name);
    drop(
        lab.host("collector1")
            .ip("address add 10.0.2.3/24 dev eth0"),
    );
    let mut agent = Agent::new(
        lab.host("node"),
        &[&["--keep", "--hook", hook][..], SMALL].concat(),
    );
    agent.write(&forward("syslog", SPEC));
    agent.run();
    (lab, agent)
}

/// Hook, kind and whether it is ours.
fn on_hook(status: &Value) -> Vec<(String, String, bool)> {
    let occupants = status["attachments"][0]["onHook"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    occupants
        .iter()
        .map(|one| (text(&one["hook"]), text(&one["kind"]), one["ours"] == true))
        .collect()
}

fn seen(words: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    let own = words.iter();
    own.map(|(hook, kind, ours)| ((*hook).to_owned(), (*kind).to_owned(), *ours))
        .collect()
}

fn add_filter(lab: &Lab, priority: u16) {
    drop(lab.host("node").run(&format!(
        "tc filter add dev eth0 ingress protocol all prio {priority} u32 match u32 0 0 flowid 1:1"
    )));
}

#[test]
fn everybody_on_the_hook_is_told_in_order() {
    let (lab, agent) = start("status-tcx", "tcx");
    let node = lab.host("node");
    let _first = Counter::attach(node, "eth0", Place::First);
    let _last = Counter::attach(node, "eth0", Place::Last);
    drop(node.run("tc qdisc add dev eth0 clsact"));
    add_filter(&lab, 7);
    let status = agent.status();
    assert_eq!(
        on_hook(&status),
        // A hash table of u32 is a filter of its own.
        seen(&[
            ("tcx", "bpf", false),
            ("tcx", "bpf", true),
            ("tcx", "bpf", false),
            ("clsact", "u32", false),
            ("clsact", "u32", false),
            ("clsact", "u32", false),
        ])
    );
    assert_eq!(status["attachments"][0]["attached"], true);
    let own = &status["attachments"][0]["onHook"][1];
    assert_eq!(own["name"], "udplb_ethernet");
    let filters = node.run("tc filter show dev eth0 ingress");
    assert!(filters.contains("pref 7"), "{filters}");
    assert_eq!(status["attachments"][0]["onHook"][4]["priority"], 7);
    let text = agent.ask("status", &[]);
    assert!(
        text.contains("eth0: on the hook, in this order: tcx "),
        "{text}"
    );
}

#[test]
fn filters_are_told_by_priority() {
    let (lab, agent) = start("status-clsact", "clsact");
    add_filter(&lab, 7);
    let status = agent.status();
    let found = on_hook(&status);
    assert_eq!(found.last().unwrap(), &seen(&[("clsact", "bpf", true)])[0]);
    assert!(
        found.len() > 1 && found.iter().filter(|one| one.2).count() == 1,
        "{found:?}"
    );
    let own = status["attachments"][0]["onHook"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert!(own["program"].as_u64().is_some(), "{own}");
}

#[test]
fn a_program_that_is_gone_is_told() {
    let (_lab, mut agent) = start("status-gone", "tcx");
    agent.kill();
    for link in std::fs::read_dir(agent.pins().join("links")).unwrap() {
        std::fs::remove_file(link.unwrap().path()).unwrap();
    }
    assert_eq!(agent.status()["attachments"][0]["attached"], false);
    let text = agent.ask("status", &[]);
    assert!(
        text.contains("our program is not on the hook any more"),
        "{text}"
    );
    let explained = agent.ask(
        "explain",
        &[
            "--interface",
            "eth0",
            "--source",
            "10.0.1.2:9",
            "--destination",
            "10.0.1.1:514",
        ],
    );
    assert!(
        explained.contains("because:  udplb was attached to eth0, but its program"),
        "{explained}"
    );
}

#[test]
fn neighbours_are_as_the_kernel_has_them() {
    let (lab, agent) = start("status-neighbours", "tcx");
    let node = lab.host("node");
    let upstreams = |status: &Value| status["forwards"][0]["destinations"][0]["upstreams"].clone();
    // The one that does not exist fails, and leaves the table.
    let status = wait::until(PATIENCE, "the neighbour to fail", || {
        let status = agent.status();
        let silent = &upstreams(&status)[2];
        (silent["chosen"] == false).then_some(status)
    });
    let all = upstreams(&status);
    assert_eq!(all[2]["upstream"], "10.0.2.99");
    assert_eq!(all[2]["reachable"], false);
    for number in [0, 1] {
        let upstream = &all[number];
        assert_eq!(upstream["chosen"], true, "{upstream}");
        let entry = &upstream["nextHop"]["entry"];
        let neighbour = upstream["nextHop"]["neighbour"].as_str().unwrap();
        let shown = node.ip(&format!("neigh show {neighbour} dev eth1"));
        assert!(
            shown.contains(entry["state"].as_str().unwrap()),
            "{shown}: {entry}"
        );
        let age = entry["confirmedSeconds"].as_u64().unwrap();
        assert!(age < 60, "{entry}");
    }
    let text = agent.ask("status", &[]);
    assert!(text.contains(", unused"), "{text}");

    let table = &status["forwards"][0]["destinations"][0]["tables"][0];
    assert_eq!(
        (&table["slots"], &table["upstreams"]),
        (&16_381.into(), &2.into())
    );
    let skew = table["skew"].as_f64().unwrap();
    assert!((1.0..=1.01).contains(&skew), "{skew}");
    assert!(
        text.contains("IPv4 table of 16381 slots with skew 1.0"),
        "{text}"
    );
}

#[test]
fn a_permanent_entry_is_called_so() {
    let (lab, agent) = start("status-permanent", "tcx");
    let mac = lab.host("collector1").mac("eth0");
    let entry = format!("neigh replace 10.0.2.2 dev eth1 lladdr {mac} nud permanent");
    drop(lab.host("node").ip(&entry));
    let text = agent.ask("status", &[]);
    let line = text
        .lines()
        .find(|line| line.contains("10.0.2.2:5514"))
        .unwrap();
    assert!(line.contains("PERMANENT"), "{line}");
}

#[test]
fn reverse_path_filters_and_drops_are_told() {
    let (lab, agent) = start("status-paths", "tcx");
    let node = lab.host("node");
    for (all, own, word) in [("0", "0", "off"), ("0", "1", "strict"), ("2", "1", "loose")] {
        node.sysctl("ipv4/conf/all/rp_filter", all);
        node.sysctl("ipv4/conf/eth0/rp_filter", own);
        assert_eq!(agent.status()["attachments"][0]["rpFilter"], word);
    }
    let destinations = agent.status()["forwards"][0]["destinations"].clone();
    let path = &destinations[0]["reversePath"][0];
    assert_eq!(
        (&path["interface"], &path["verdict"]),
        (&"eth1".into(), &"other_link".into())
    );
    assert_eq!(destinations[1]["reversePath"].as_array().unwrap().len(), 0);

    let mut originals = Capture::stack(node);
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), node.mac("eth0"));
    let frame = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello").frame(&ethernet);
    send(lab.host("sender"), "eth0", &[frame.clone(), frame]);
    drop(originals.expect(2, |packet| packet.is_udp_to(514)));
    let nowhere = &agent.status()["forwards"][0]["destinations"][1];
    assert_eq!(nowhere["dropped"]["no_upstream"], 2);
    let text = agent.ask("status", &[]);
    assert!(text.contains("did not send: no_upstream 2"), "{text}");
}

/// Readers take no lock: what they see must be whole while the agent builds tables anew.
#[test]
fn what_is_read_while_tables_change_is_whole() {
    let (_lab, agent) = start("status-change", "tcx");
    let spec = |count: u16| {
        let upstreams: Vec<_> = (0..count)
            .map(|number| format!("{{address: 10.0.2.2, port: {}}}", 1000 + number))
            .collect();
        let list = upstreams.join(", ");
        forward("syslog", &SPEC.replace("{address: 10.0.2.99}", &list))
    };
    agent.reload(&spec(2));
    let maps = Maps::open(agent.pins()).unwrap();
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let tables = maps.read(&Facts::default()).unwrap();
                for number in tables.forwards.keys() {
                    let forward = tables.forward(*number).unwrap();
                    let balance = forward.destinations[0].balance[0];
                    let shares = skew::of(&tables, balance).unwrap();
                    assert_eq!(shares.upstreams, balance.count as usize, "{shares:?}");
                    assert!(shares.skew < 1.01, "{shares:?}");
                }
                reads += 1;
            }
            reads
        });
        for round in 0..20 {
            agent.reload(&spec(2 + round % 3));
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 3, "{reads} reads");
}
