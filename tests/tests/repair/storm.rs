//! Interfaces that flap, change their names and come again, and addresses and routes that change all the time.

use std::{
    fmt::Write as _,
    fs, thread,
    time::{Duration, Instant},
};

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    packet::{Ethernet, Udp},
    traffic::{send, use_it},
    wait,
};

use crate::scene::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

/// Every address of the node, so that each change of one changes listeners, too. Traffic goes by port 515.
const SPEC: &str = "
  match: {ports: [{port: 514}]}
  interfaces: ['eth0', 'late*']
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
  - {name: two, upstreams: [{address: 10.0.3.2, port: 5514}]}
";
const STEADY: &str = "
  match: {ports: [{port: 515}]}
  interfaces: ['eth0']
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5515}]}
";

/// A node with traffic to the first collector.
fn scene(name: &str) -> Scene {
    let config = forward("moving", SPEC) + &forward("steady", STEADY);
    Scene::new(name, &[], &config, ("collector1", "10.0.2.2:5515"))
}

impl Scene {
    /// Seconds that the agent has computed.
    fn computed(&self) -> f64 {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.agent.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        ticks / TICKS_A_SECOND
    }

    /// Both destinations get what is sent now, nothing of what was sent before was lost, and nobody did any damage.
    fn finish_whole(self) {
        self.agent.settle();
        let mut second = Capture::link(self.lab.host("collector2"), "eth0");
        use_it(&self.lab);
        assert_eq!(second.expect(1, |packet| packet.is_udp_to(5514)).len(), 1);
        let (lab, agent) = self.stop();
        assert!(!agent.log().contains("somebody"), "{}", agent.log());
        drop(agent);
        drop(lab);
    }
}

fn interfaces(agent: &Agent) -> Vec<String> {
    let status = agent.status();
    let attachments = status["attachments"].as_array().unwrap().iter();
    attachments
        .map(|one| one["interface"].as_str().unwrap().to_owned())
        .collect()
}

/// Ten times a second down and up again: the other interfaces never notice, and in the end it is used as before.
#[test]
fn a_flapping_interface_disturbs_no_other() {
    let scene = scene("storm-flap");
    let node = scene.lab.host("node");
    let before = scene.computed();
    let start = Instant::now();
    for _ in 0..30 {
        drop(node.ip("link set eth2 down"));
        thread::sleep(Duration::from_millis(50));
        drop(node.ip("link set eth2 up"));
        thread::sleep(Duration::from_millis(50));
    }
    println!(
        "the agent computed {:.2} s in {:.1?} of flapping",
        scene.computed() - before,
        start.elapsed()
    );
    scene.finish_whole();
}

/// By its name a forward finds an interface, by its number the kernel does: both change.
#[test]
fn an_interface_may_change_its_name_and_its_number() {
    let scene = scene("storm-names");
    let node = scene.lab.host("node");
    let attached = |wanted: &[&str]| {
        wait::until(PATIENCE, &format!("{wanted:?} to be attached"), || {
            (interfaces(&scene.agent) == wanted).then_some(())
        });
    };
    drop(node.ip("link add late0 type veth peer name peer0"));
    attached(&["eth0", "late0"]);
    for round in 0..5 {
        drop(node.ip("link set late0 name other0"));
        attached(&["eth0"]);
        drop(node.ip("link set other0 name late0"));
        attached(&["eth0", "late0"]);
        let old = node.index("late0");
        node.ip_batch("link del late0\nlink add late0 type veth peer name peer0\n");
        let new = node.index("late0");
        assert_ne!(old, new, "round {round}");
        wait::until(PATIENCE, "the new interface to be attached", || {
            let link = |index| scene.agent.pins().join(format!("links/ingress-{index}"));
            (link(new).exists() && !link(old).exists()).then_some(())
        });
        attached(&["eth0", "late0"]);
    }
    drop(node.ip("link del late0"));
    scene.finish_whole();
}

/// Addresses of the node and routes come and go, 100 events in a tenth of a second. What stays is not disturbed, and what
/// holds in the end is in force.
#[test]
fn a_thousand_events_a_second_lose_nothing() {
    const ROUNDS: u8 = 40;
    let scene = scene("storm-events");
    let node = scene.lab.host("node");
    let before = scene.computed();
    let start = Instant::now();
    for round in 0..ROUNDS {
        let mut batch = String::new();
        for number in 0..25 {
            writeln!(batch, "address add 198.18.{round}.{number}/32 dev eth2").unwrap();
            writeln!(batch, "route add 198.19.{round}.{number}/32 via 10.0.3.2").unwrap();
            writeln!(batch, "route del 198.19.{round}.{number}/32 via 10.0.3.2").unwrap();
            if number > 0 || round + 1 < ROUNDS {
                writeln!(batch, "address del 198.18.{round}.{number}/32 dev eth2").unwrap();
            }
        }
        node.ip_batch(&batch);
        let next = Duration::from_millis(100) * (u32::from(round) + 1);
        thread::sleep(next.saturating_sub(start.elapsed()));
    }
    let storm = start.elapsed();
    let computed = scene.computed() - before;
    // The one that is left.
    let address = format!("198.18.{}.0", ROUNDS - 1);
    let mut copies = Capture::link(scene.lab.host("collector1"), "eth0");
    let mac = |host: &str| scene.lab.host(host).mac("eth0");
    let frame = Udp::new("10.0.1.2:1000", &format!("{address}:514"), b"hello")
        .frame(&Ethernet::new(mac("sender"), mac("node")));
    let converged = Instant::now();
    wait::until(PATIENCE, "the last address to be listened on", || {
        send(
            scene.lab.host("sender"),
            "eth0",
            std::slice::from_ref(&frame),
        );
        (!copies.arrived(|packet| packet.is_udp_to(5514)).is_empty()).then_some(())
    });
    println!(
        "{} events in {storm:.1?}: the agent computed {computed:.2} s, the last was in force {:.1?} later",
        u32::from(ROUNDS) * 100,
        converged.elapsed()
    );
    let resyncs = scene
        .agent
        .metrics()
        .count("udplb_agent_network_resyncs_total", &[]);
    println!("listed again {resyncs} times");
    scene.finish_whole();
}
