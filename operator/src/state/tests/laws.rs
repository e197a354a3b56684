//! Whatever happens in whatever order: what is stored is what was planned, and then nothing more is written.

use std::time::{Duration, Instant};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use udplb_api::condition::ConditionType;

use super::server::{Server, empty_lists, node};
use crate::{
    op::{Op, Target},
    pace::Ending,
    state::State,
    world::{Change, stored},
};

const NODES: [&str; 3] = ["n0", "n1", "n2"];

/// Longer than any pause between two writes.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Event {
    Store {
        name: u8,
        port: u16,
        role: u8,
    },
    Delete {
        name: u8,
    },
    Label {
        node: usize,
        role: u8,
    },
    Report {
        node: usize,
    },
    /// Writes are carried out, and some are refused as if somebody else had been faster.
    Write {
        refuse: bool,
    },
    Wait,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_u8, 514..517_u16, 0..3_u8)
            .prop_map(|(name, port, role)| Event::Store { name, port, role }),
        1 => (0..4_u8).prop_map(|name| Event::Delete { name }),
        1 => (0..NODES.len(), 0..2_u8).prop_map(|(node, role)| Event::Label { node, role }),
        2 => (0..NODES.len()).prop_map(|node| Event::Report { node }),
        4 => any::<bool>().prop_map(|refuse| Event::Write { refuse }),
        1 => Just(Event::Wait),
    ]
}

fn spec(port: u16, role: u8) -> Value {
    let mut spec = json!({
        "match": { "ports": [{ "port": port }] },
        "action": "Clone",
        "destinations": [{ "name": "siem", "upstreams": [{ "address": "192.0.2.9" }] }],
    });
    if role < 2 {
        spec["nodeSelector"] = json!({ "matchLabels": { "role": role.to_string() } });
    }
    spec
}

struct Play {
    state: State,
    server: Server,
    now: Instant,
}

impl Play {
    fn start() -> Self {
        let mut state = State::new(false);
        let nodes = NODES.iter().flat_map(|name| node(name, "0"));
        empty_lists()
            .into_iter()
            .chain(nodes)
            .for_each(|change| state.take(change));
        state.begin_term(0);
        Self {
            state,
            server: Server::default(),
            now: Instant::now(),
        }
    }

    fn ops(&mut self) -> Vec<Op> {
        let _planned = self.state.plan(self.now);
        let mut ops = self.state.ops(self.now);
        ops.extend(self.state.statuses(self.now, &Time(Timestamp::UNIX_EPOCH)));
        ops
    }

    /// Carries out what is wanted; how many writes that were.
    fn write(&mut self, refuse: bool) -> usize {
        let ops = self.ops();
        // They are under way at once, and the last may be the first.
        for (index, op) in ops.iter().rev().enumerate() {
            let is_refused = refuse && index % 2 == 0;
            let changes = (!is_refused).then(|| self.server.write(op)).flatten();
            let ending = match &changes {
                Some(_) => Ending::Written,
                None if is_refused => Ending::Failed,
                None => Ending::Outdated,
            };
            for change in changes.into_iter().flatten() {
                self.state.take(change);
            }
            self.state.ended(&op.target(), ending, self.now);
        }
        ops.len()
    }

    fn take(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.state.take(change);
        }
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Store { name, port, role } => {
                let change = self.server.store(&format!("f{name}"), spec(*port, *role));
                self.state.take(change);
            }
            Event::Delete { name } => {
                let change = self.server.delete(&format!("f{name}"));
                self.take(change);
            }
            Event::Label { node: index, role } => {
                for change in node(NODES[*index], &role.to_string()) {
                    self.state.take(change);
                }
            }
            Event::Report { node } => {
                let change = self.server.report(NODES[*node]);
                self.take(change);
            }
            Event::Write { refuse } => drop(self.write(*refuse)),
            Event::Wait => self.now += PAUSE,
        }
    }

    /// Writes until nothing more is wanted.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.now += PAUSE;
            if self.write(false) == 0 {
                return;
            }
        }
        panic!("it writes for ever: {:?}", self.ops());
    }
}

fn is_ready(forward: &Value) -> bool {
    let conditions = forward["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .any(|it| it["type"] == ConditionType::Ready.as_str() && it["status"] == "True")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_stored_is_what_was_planned(events in prop::collection::vec(event(), 1..40)) {
        let mut play = Play::start();
        for event in &events {
            play.play(event);
            // Revisions rise in the order in which they are stored: who has seen one has seen all before it.
            prop_assert!(play.server.revisions.is_sorted_by(|a, b| a < b), "{:?}", play.server.revisions);
        }
        play.settle();
        let Play { state, server, .. } = &play;
        let stored: Vec<_> = server.resolved.keys().collect();
        prop_assert_eq!(stored, state.plan.accepted.keys().collect::<Vec<_>>());
        for (key, resolved) in &server.resolved {
            let generation = &server.forwards[key]["metadata"]["generation"];
            let annotation = &resolved.metadata.annotations.as_ref().unwrap()["udplb.dev/generation"];
            prop_assert_eq!(annotation, &generation.to_string());
        }
        for name in NODES {
            let told = server.configs.get(name).map(|config| &config.spec.forwards);
            prop_assert_eq!(told.map(Vec::as_slice), Some(&*state.plan.nodes[name]));
        }
        for (key, forward) in &server.forwards {
            prop_assert_eq!(&forward["status"]["observedGeneration"], &forward["metadata"]["generation"]);
            if is_ready(forward) {
                let placed = &state.plan.accepted[key];
                let revision = server.resolved[key].spec.revision;
                for node in &*placed.nodes {
                    prop_assert_eq!(server.applied[node].get(key), Some(&revision), "{} on {}", key, node);
                }
            }
        }

        // Once every agent has reported, everybody who is accepted and has a node is ready.
        for name in NODES {
            let change = play.server.report(name).unwrap();
            play.state.take(change);
        }
        play.settle();
        for (key, forward) in &play.server.forwards {
            let placed = play.state.plan.accepted.get(key);
            let has_nodes = placed.is_some_and(|placed| !placed.nodes.is_empty());
            prop_assert_eq!(is_ready(forward), has_nodes, "{}", key);
        }
    }

    /// A new leader finds all as it should be, and writes nothing.
    #[test]
    fn a_new_leader_writes_nothing_that_is_there(events in prop::collection::vec(event(), 1..30)) {
        let mut play = Play::start();
        for event in &events {
            play.play(event);
        }
        play.settle();
        let revision = play.state.revision();
        play.state.begin_term(revision);
        play.now += PAUSE;
        let ops = play.ops();
        prop_assert!(ops.is_empty(), "{:?}", ops);
    }
}

/// The key of what is stored is the name that is planned with.
#[test]
fn a_stored_forward_is_found_by_its_name() {
    let mut play = Play::start();
    play.play(&Event::Store {
        name: 0,
        port: 514,
        role: 2,
    });
    play.settle();
    let (key, resolved) = play.server.resolved.first_key_value().unwrap();
    assert_eq!(&stored::key(&resolved.metadata), key);
    assert_eq!(resolved.spec.revision, 1);
}

/// Agents report all the time: what they overtake must not wait as if the server were ill.
#[test]
fn what_a_report_overtook_is_written_at_once() {
    let mut play = Play::start();
    let store = |port| Event::Store {
        name: 0,
        port,
        role: 2,
    };
    play.play(&store(514));
    play.settle();
    play.play(&Event::Delete { name: 0 });
    let ops = play.ops();
    let op = ops.iter().find(|op| matches!(op, Op::ApplyConfig(_)));
    let op = op.expect("a node is told");
    let Target::Config(node) = op.target() else {
        panic!("it is about a node");
    };
    let report = play.server.report(&node);
    assert_eq!(play.server.write(op).map(|_| ()), None);
    play.state.ended(&op.target(), Ending::Outdated, play.now);
    let target = op.target();
    assert!(play.ops().iter().all(|op| op.target() != target));
    play.take(report);
    assert!(play.ops().iter().any(|op| op.target() == target));
}
