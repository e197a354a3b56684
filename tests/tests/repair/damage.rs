//! Hooks, links, pins, maps and neighbour entries, damaged one at a time.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use udplb_abi::listener::PortWord;
use udplb_agent::{kernel::bpf::Maps, op::Op};
use udplb_tests::{agent::forward, foreign, traffic::use_it, wait};

use crate::scene::{SOME, Scene};

const PATIENCE: Duration = Duration::from_secs(60);

const FORWARDS: [(&str, &str); 2] = [
    (
        "damaged",
        "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
",
    ),
    (
        "steady",
        "
  match: {ports: [{port: 515}]}
  action: Forward
  destinations:
  - {name: two, upstreams: [{address: 10.0.3.2, port: 5515}]}
",
    ),
];

/// A node with a forward to damage and one that nobody touches, under traffic.
fn scene(name: &str, hook: &str) -> Scene {
    let config = FORWARDS.map(|(name, spec)| forward(name, spec));
    Scene::new(
        name,
        &["--hook", hook],
        &config.concat(),
        ("collector2", "10.0.3.2:5515"),
    )
}

impl Scene {
    /// Does some damage and returns when it is told of and put right; then packets get through.
    fn damage(&self, object: &str, said: &str, damage: impl FnOnce(&Self)) {
        let told = || self.agent.log().matches(said).count();
        let repairs = || {
            let labels = [("object", object)];
            let metrics = self.agent.metrics();
            metrics.count("udplb_agent_repairs_total", &labels)
        };
        let before = (told(), repairs());
        damage(self);
        wait::until(PATIENCE, said, || (told() > before.0).then_some(()));
        self.agent.settle();
        assert!(repairs() > before.1, "{object}");
        self.steady.pass(SOME);
        use_it(&self.lab);
    }

    fn maps(&self) -> Maps {
        Maps::open(self.agent.pins()).unwrap()
    }

    fn link(&self, interface: &str) -> PathBuf {
        let index = self.node().index(interface);
        self.agent.pins().join(format!("links/ingress-{index}"))
    }
}

/// A map that was written to is put right, and packets of the other forward never notice.
#[test]
fn an_overwritten_map_is_put_right() {
    let scene = scene("repair-maps", "tcx");
    let op = Op::SetPort {
        port: 514,
        word: PortWord::NOBODY,
    };
    let said = "somebody changed the BPF map PORTS; putting it right";
    scene.damage("map", said, |scene| scene.maps().apply(&op).unwrap());
    scene.finish();
}

/// Programs hold their maps, so nothing happens to packets; the next start needs the pins.
#[test]
fn removed_pins_are_made_again() {
    let mut scene = scene("repair-pins", "tcx");
    let pins = scene.agent.pins().to_owned();
    let said = "somebody removed the pin of the BPF map PORTS; putting it right";
    scene.damage("pin", said, |_| {
        fs::remove_file(pins.join("tables-1/PORTS")).unwrap();
    });
    let said = "somebody removed the pin of the BPF map NEIGHBOURS; putting it right";
    scene.damage("pin", said, |_| remove(&pins.join("records")));
    scene.agent.kill();
    scene.agent.run();
    scene.steady.pass(SOME);
    use_it(&scene.lab);
    scene.finish();
}

fn remove(folder: &Path) {
    for pin in fs::read_dir(folder).unwrap() {
        fs::remove_file(pin.unwrap().path()).unwrap();
    }
    fs::remove_dir(folder).unwrap();
}

/// Where the hook of the interface goes, packets on it are everybody else's until it is back; what comes on others is not
/// touched.
#[test]
fn links_and_programs_are_put_back() {
    let scene = scene("repair-links", "tcx");
    let index = scene.node().index("eth0");
    let said = format!("somebody removed or replaced the program on interface {index}");
    // Its packets come by that hook, too.
    let (lab, mut agent) = scene.stop();
    let node = lab.host("node");
    let link = agent.pins().join(format!("links/ingress-{index}"));
    let damages: [(&str, &dyn Fn()); 3] = [
        ("unpinned", &|| fs::remove_file(&link).unwrap()),
        ("detached", &|| foreign::detach_link(&link)),
        ("replaced", &|| foreign::replace_program(&link)),
    ];
    for (round, (how, damage)) in damages.into_iter().enumerate() {
        damage();
        wait::until(PATIENCE, how, || {
            (agent.log().matches(&said).count() == round + 1).then_some(())
        });
        agent.settle();
        wait::until(PATIENCE, how, || {
            (foreign::attached(node, "eth0") == 1).then_some(())
        });
        use_it(&lab);
        assert!(link.exists(), "{how}");
    }
    agent.without_final_identity();
}

/// A filter or the qdisc under it, removed by hand.
#[test]
fn filters_are_put_back() {
    let scene = scene("repair-filters", "clsact");
    let index = scene.node().index("eth0");
    let said = format!("somebody removed or replaced the program on interface {index}");
    // Everything goes through the filter, so nothing is steady while it is away.
    let (lab, agent) = scene.stop();
    let node = lab.host("node");
    let commands = [
        "tc filter del dev eth0 ingress",
        "tc qdisc del dev eth0 clsact",
    ];
    for (round, command) in commands.into_iter().enumerate() {
        drop(node.run(command));
        wait::until(PATIENCE, command, || {
            let shown = node.run("tc filter show dev eth0 ingress 2>&1 || true");
            let told = agent.log().matches(&said).count() == round + 1;
            (told && shown.contains("udplb_ethernet")).then_some(())
        });
        use_it(&lab);
    }
    // What we made we take down, also where it was somebody else's turn meanwhile.
    drop(agent);
}

/// A neighbour entry that is deleted, or made somebody's own for a while.
#[test]
fn neighbours_are_kept_again() {
    let scene = scene("repair-neighbours", "tcx");
    let index = scene.node().index("eth1");
    let said = format!(
        "the neighbour entry of 10.0.2.2 on interface {index} was removed or changed; putting it right"
    );
    scene.damage("neighbour", &said, |scene| {
        drop(scene.node().ip("neigh del 10.0.2.2 dev eth1"));
    });
    let mac = scene.lab.host("collector1").mac("eth0");
    let permanent = format!("neigh replace 10.0.2.2 lladdr {mac} dev eth1 nud permanent");
    scene.damage("neighbour", &said, |scene| {
        drop(scene.node().ip(&permanent));
    });
    // It is theirs now: used, and left as it is.
    let shown = scene.node().run("ip neigh show 10.0.2.2 dev eth1");
    assert!(shown.contains("PERMANENT"), "{shown}");
    drop(scene.node().ip("neigh del 10.0.2.2 dev eth1"));
    wait::until(PATIENCE, "the entry to be managed again", || {
        let shown = scene.node().run("ip -d neigh show 10.0.2.2 dev eth1");
        shown.contains("managed").then_some(())
    });
    scene.agent.settle();
    use_it(&scene.lab);
    assert!(scene.link("eth0").exists());
    scene.finish();
}
