//! Carries out the events of a round while traffic flows. IO.

use nix::sys::signal::Signal;

use super::{
    WINDOW,
    beside::Disturbance,
    judge::Played,
    place::{ADDRESSES, Family, Site, upstream_address},
    plan::{Damage, End, Event, Round, Touch},
    report::Tally,
    scene::{Running, Scene, route_by},
    timeline::Timeline,
    version::Version,
};
use crate::agent::Agent;

/// Routes that come while the agent does not run: more than the kernel keeps news of for it, 4 MiB of messages that
/// take some 700 bytes each.
const OVERRUN: u32 = 20_000;

/// One round under way.
struct Stage<'a> {
    scene: &'a mut Scene,
    traffic: Vec<Running>,
    /// By lane.
    timelines: Vec<Timeline>,
    /// What the file says.
    version: Version,
    events: Vec<Played>,
    /// What is being played, for those who read why it could not go on.
    now: String,
}

/// Plays a round that starts with a version in force. Returns what became of its datagrams.
pub(super) fn play(scene: &mut Scene, version: &Version, round: &Round) -> Tally {
    let traffic = scene.traffic();
    let timelines = version.specs.iter();
    let timelines = timelines.map(|spec| Timeline::new(WINDOW, version.number, spec));
    let disturbances: Vec<Disturbance> = round
        .beside
        .iter()
        .map(|beside| Disturbance::start(&scene.lab, *beside))
        .collect();
    let mut stage = Stage {
        timelines: timelines.collect(),
        traffic,
        version: version.clone(),
        events: Vec::new(),
        now: String::new(),
        scene,
    };
    for (event, pause) in &round.events {
        stage.now = event.to_string();
        let began = stage.counts();
        stage.play(event);
        let ended = stage.counts();
        stage.events.push(Played {
            text: event.to_string(),
            began,
            ended,
        });
        stage.traffic[0].pass(*pause);
    }
    drop(disturbances);
    let mut tally = Tally::default();
    for (running, timeline) in stage.traffic.drain(..).zip(&stage.timelines) {
        tally += running.judge(timeline, &stage.events);
    }
    tally
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("soak: could not go on in: {}", self.now);
        }
    }
}

impl Stage<'_> {
    fn agent(&mut self) -> &mut Agent {
        &mut self.scene.agent
    }

    /// Datagrams sent so far, by lane.
    fn counts(&self) -> Vec<u64> {
        self.traffic.iter().map(Running::count).collect()
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Change(versions) => {
                for version in versions {
                    self.write(version);
                }
                self.await_version();
            }
            Event::Restart {
                end,
                build,
                meanwhile,
            } => {
                match end {
                    End::Stop => self.agent().stop(),
                    End::Kill => self.agent().kill(),
                }
                if let Some(version) = meanwhile {
                    self.write(version);
                }
                self.traffic[1].pass(WINDOW);
                let build = self.scene.builds[*build].clone();
                self.agent().use_binary(&build);
                self.agent().run();
                self.await_version();
            }
            Event::Cut { version, after } => {
                self.write(version);
                self.traffic[0].pass(*after);
                self.agent().kill();
                self.traffic[1].pass(WINDOW);
                self.agent().run();
                self.await_version();
            }
            Event::Damage(damage) => self.damage(*damage),
            Event::Overrun => self.overrun(),
            Event::Touch(touch) => self.touch(*touch),
            Event::Look(command) => self.look(command),
        }
    }

    /// Writes a version, which may be in force from now on.
    fn write(&mut self, version: &Version) {
        let counts = self.counts();
        for ((timeline, spec), sent) in self.timelines.iter_mut().zip(&version.specs).zip(counts) {
            timeline.write(version.number, spec, sent);
        }
        self.agent().write(&version.yaml());
        self.version = version.clone();
    }

    /// Returns when the last version written is in force, and all of it.
    fn await_version(&mut self) {
        let marker = self.version.marker();
        self.agent().until("the version to be in force", |metrics| {
            let name = "udplb_matched_packets_total";
            metrics.matching(name, &[("forward", &marker)]).count() > 0
        });
        let counts = self.counts();
        for (timeline, sent) in self.timelines.iter_mut().zip(counts) {
            timeline.settle(sent);
        }
    }

    /// What the file said goes on until it says something again.
    fn damage(&mut self, damage: Damage) {
        let good = self.version.yaml();
        match damage {
            Damage::Nonsense => self.agent().write("]"),
            Damage::UnknownAction => {
                let bad = good.replace("action: Clone", "action: Eat");
                self.agent().write(&bad);
            }
            Damage::Gone => self.agent().remove_file(),
        }
        self.traffic[0].pass(10 * WINDOW);
        self.agent().write(&good);
    }

    fn overrun(&mut self) {
        const RESYNCS: &str = "udplb_agent_network_resyncs_total";
        let before = self.agent().metrics().count(RESYNCS, &[]);
        let routes = |verb: &str| -> String {
            (0..OVERRUN)
                .map(|number| {
                    let [.., high, low] = number.to_be_bytes();
                    format!("route {verb} 198.18.{high}.{low}/32 dev churn\n")
                })
                .collect()
        };
        self.agent().signal(Signal::SIGSTOP);
        let node = self.scene.lab.host("node");
        node.ip_batch(&(routes("add") + &routes("del")));
        self.agent().signal(Signal::SIGCONT);
        self.agent()
            .until("the agent to list everything again", |metrics| {
                metrics.count(RESYNCS, &[]) > before
            });
    }

    fn touch(&mut self, touch: Touch) {
        let turn = self.counts()[0];
        let node = self.scene.lab.host("node");
        match touch {
            Touch::Stale | Touch::Probe => {
                let state = if touch == Touch::Stale {
                    "stale"
                } else {
                    "probe"
                };
                let on_link = 0..ADDRESSES - 1;
                let upstreams = on_link.flat_map(|address| {
                    Family::ALL.map(|family| upstream_address(Site::One, address, family))
                });
                let batch = upstreams
                    .map(|address| format!("neighbour change {address} dev eth1 nud {state}\n"));
                node.ip_batch(&batch.collect::<String>());
            }
            Touch::Route => {
                let net = if turn.is_multiple_of(2) { 2 } else { 5 };
                node.ip_batch(&route_by(net));
            }
            Touch::Mtu => drop(node.ip(&format!("link set eth1 mtu {}", 1400 + turn % 100))),
        }
    }

    fn look(&mut self, command: &str) {
        let arguments: &[&str] = match command {
            "explain" => &[
                "--interface",
                "eth0",
                "--source",
                "10.0.1.2:4000",
                "--destination",
                "10.0.1.1:514",
            ],
            _ => &[],
        };
        drop(self.agent().ask(command, arguments));
    }
}
