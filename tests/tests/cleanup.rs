//! After `cleanup` or SIGINT nothing of ours is left in the kernel, and nothing else is gone.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use udplb_tests::{
    agent::{ADDRESS, Agent, forward},
    capture::Capture,
    foreign::{self, Counter, Place},
    lab::{Host, Lab, shapes},
    packet::{Ethernet, Udp},
    scrape,
    traffic::send,
    wait,
};

/// Longer than a clean-up takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn config() -> String {
    forward(
        "syslog",
        "
  match: {ports: [{port: 514}]}
  interfaces: ['eth*']
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
  - {name: two, upstreams: [{address: 10.0.3.2, port: 5514}, {address: '2001:db8:3::2', port: 5514}]}
",
    )
}

/// A lab in which somebody else has configured a lot already.
fn furnished(name: &str) -> (Lab, Counter) {
    let lab = shapes::two_collectors(name);
    let node = lab.host("node");
    node.ip_batch(&format!(
        "neigh add 10.0.3.2 lladdr {} dev eth2 nud permanent
         neigh add 10.0.3.99 lladdr 02:00:00:00:00:99 dev eth2 extern_learn
         route add 10.0.99.0/24 via 10.0.2.2
         rule add from 10.0.77.0/24 table 77
        ",
        lab.host("collector2").mac("eth0")
    ));
    drop(node.run("tc qdisc add dev eth1 clsact"));
    drop(
        node.run("tc filter add dev eth1 ingress protocol all prio 9 u32 match u32 0 0 flowid 1:1"),
    );
    let foreign = Counter::attach(node, "eth0", Place::First);
    (lab, foreign)
}

/// Everything that an administrator would see. Neighbour entries come and go by themselves, so that of those
/// only the ones that stay are listed, and that none is managed.
fn inventory(host: &Host) -> String {
    let listings = [
        "ip -d link show",
        "ip address show",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule show",
        "ip neigh show nud permanent",
        "ip -d neigh show | grep -E 'managed|extern_learn|proto' || true",
        "tc qdisc show",
        "for d in eth0 eth1 eth2; do tc filter show dev $d ingress; tc filter show dev $d egress; done",
    ];
    let mut text = listings
        .map(|command| format!("$ {command}\n{}", host.run(command)))
        .concat();
    for interface in ["eth0", "eth1", "eth2"] {
        text += &format!(
            "{interface}: {} TCX programs\n",
            foreign::attached(host, interface)
        );
    }
    for folder in ["ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh"] {
        text += &host.enter(|| settings(&Path::new("/proc/sys/net").join(folder)));
    }
    text
}

/// Every setting below a folder with its value.
fn settings(folder: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let show = |path: &PathBuf| {
        if path.is_dir() {
            return settings(path);
        }
        // Some can only be written.
        let value = fs::read_to_string(path).unwrap_or_default();
        format!("{} = {}\n", path.display(), value.trim())
    };
    paths.iter().map(show).collect()
}

fn assert_equal(before: &str, after: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "gone: {gone:#?}\nnew: {new:#?}"
    );
    assert_eq!(before, after);
}

/// Sends a datagram and waits for its copies, so that counters and caches are in use.
fn use_it(lab: &Lab) {
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let frames = [
        Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello").frame(&ethernet),
        Udp::new("[2001:db8:1::2]:1000", "[2001:db8:1::1]:514", b"hello").frame(&ethernet),
    ];
    send(lab.host("sender"), "eth0", &frames);
    assert_eq!(copies.expect(2, |packet| packet.is_udp_to(5514)).len(), 2);
}

fn no_pins(agent: &Agent) {
    let left: Vec<_> = fs::read_dir(agent.pins())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Gives what a stopped agent left the names of another version's, but for what all versions share.
fn become_another_version(agent: &Agent) {
    for folder in fs::read_dir(agent.pins()).unwrap() {
        let path = folder.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some((group, _)) = name.split_once('-') {
            fs::rename(&path, agent.pins().join(format!("{group}-99"))).unwrap();
        }
    }
}

/// Whose maps `cleanup` meets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Its,
    Another,
}

fn check(hook: &str, version: Version) {
    let another = if version == Version::Another {
        "-other"
    } else {
        ""
    };
    let (lab, _foreign) = furnished(&format!("cleanup-{hook}{another}"));
    let node = lab.host("node");
    let before = inventory(node);
    let mut agent = Agent::new(node, &["--keep", "--hook", hook]);
    agent.write(&config());
    agent.run();
    agent.settle();
    use_it(&lab);
    agent.stop();
    assert_ne!(
        inventory(node),
        before,
        "a stopped agent leaves its work in the kernel"
    );
    use_it(&lab);
    if version == Version::Another {
        become_another_version(&agent);
    }
    agent.cleanup();
    assert_equal(&before, &inventory(node));
    no_pins(&agent);
    // Nothing to do is no error.
    agent.cleanup();
    assert_equal(&before, &inventory(node));
}

#[test]
fn cleanup_takes_down_links_and_nothing_else() {
    check("tcx", Version::Its);
}

#[test]
fn cleanup_takes_down_filters_and_nothing_else() {
    check("clsact", Version::Its);
}

#[test]
fn cleanup_takes_down_what_another_version_recorded() {
    check("tcx", Version::Another);
    check("clsact", Version::Another);
}

#[test]
fn a_filter_that_does_not_use_our_maps_stays() {
    let lab = shapes::two_collectors("cleanup-successor");
    let node = lab.host("node");
    let run = |name: &str| {
        let mut agent = Agent::new(node, &["--keep", "--hook", "clsact", "-i", "eth0"]);
        agent.pin_below(name);
        agent.write(&config());
        agent.run();
        agent.settle();
        agent
    };
    let mut first = run("first");
    first.stop();
    drop(node.run("tc filter del dev eth0 ingress"));
    let mut second = run("second");
    second.stop();
    let filters = node.run("tc filter show dev eth0 ingress");
    assert!(filters.contains("udplb_ethernet"), "{filters}");
    first.cleanup();
    assert_eq!(node.run("tc filter show dev eth0 ingress"), filters);
    no_pins(&first);
    second.cleanup();
    assert_eq!(node.run("tc filter show dev eth0 ingress"), "");
}

#[test]
fn an_interrupted_run_cleans_up_behind_itself() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (lab, _foreign) = furnished("cleanup-interrupt");
        let node = lab.host("node");
        let before = inventory(node);
        let mut agent = Agent::new(node, &[]);
        agent.write(&config());
        agent.run();
        agent.settle();
        use_it(&lab);
        let status = agent.end(signal);
        assert!(status.success(), "{signal}: {status}");
        assert_equal(&before, &inventory(node));
        no_pins(&agent);
    }
}

#[test]
fn a_killed_agent_is_cleaned_up_after() {
    let (lab, _foreign) = furnished("cleanup-kill");
    let node = lab.host("node");
    let before = inventory(node);
    let mut agent = Agent::new(node, &[]);
    agent.write(&config());
    agent.run();
    agent.settle();
    agent.kill();
    use_it(&lab);
    agent.cleanup();
    assert_equal(&before, &inventory(node));
    no_pins(&agent);
}

/// What an uninstall runs on every node: it stays, and says that it is ready only when nothing is left.
#[test]
fn a_clean_up_that_stays_is_ready_when_nothing_is_left() {
    let lab = shapes::two_collectors("cleanup-stay");
    let node = lab.host("node");
    let mut agent = Agent::start(node, &config());
    agent.stop();
    assert!(agent.pins().exists());
    let mut command = agent.command("cleanup");
    let mut process = node.spawn("cleanup", command.args(["--serve", ADDRESS]));
    wait::until(PATIENCE, "the clean-up to be ready", || {
        if let Some(status) = process.ended() {
            panic!("it ended with {status}:\n{}", process.log());
        }
        let answer = scrape::get(node, ADDRESS, "/readyz").ok();
        answer.filter(|answer| answer.status == 200)
    });
    assert!(!agent.pins().exists());
    assert_eq!(node.run("ip -d neigh show | grep managed || true"), "");
    assert_eq!(process.ended(), None);
    let alive = scrape::get(node, ADDRESS, "/livez").unwrap();
    assert_eq!(alive.status, 200);
    process.signal(Signal::SIGTERM);
    let ended = process.wait(PATIENCE);
    assert!(ended.success(), "{ended}: {}", process.log());
}
