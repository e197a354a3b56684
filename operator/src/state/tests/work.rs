//! What a change costs: in a large cluster, planning is what takes long.

use std::time::{Duration, Instant};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::runtime::watcher::Event;
use serde_json::json;

use super::server::{Server, empty_lists, node};
use crate::{op::Op, pace::Ending, state::State, world::Change};

/// Longer than any pause between two writes.
const PAUSE: Duration = Duration::from_secs(60);

struct Cluster {
    state: State,
    server: Server,
    now: Instant,
}

impl Cluster {
    /// Two nodes with an agent each, and one forward for both, which is in force.
    fn new() -> Self {
        let mut cluster = Self {
            state: State::new(false),
            server: Server::default(),
            now: Instant::now(),
        };
        let nodes = ["a", "b"].map(|name| node(name, "edge"));
        let changes = empty_lists().into_iter().chain(nodes.into_iter().flatten());
        for change in changes {
            cluster.state.take(change);
        }
        cluster.state.begin_term(0);
        let spec = json!({
            "match": { "ports": [{ "port": 514 }] },
            "action": "Clone",
            "destinations": [{ "name": "one", "upstreams": [{ "address": "192.0.2.1", "port": 514 }] }],
        });
        let stored = cluster.server.store("one", spec);
        cluster.state.take(stored);
        assert!(cluster.state.plan(cluster.now));
        drop(cluster.write());
        cluster
    }

    /// Carries out what is to be written, until that is nothing; the ops.
    fn write(&mut self) -> Vec<Op> {
        let mut all = Vec::new();
        loop {
            self.now += PAUSE;
            let mut ops = self.state.ops(self.now);
            ops.extend(self.state.statuses(self.now, &Time(Timestamp::now())));
            if ops.is_empty() {
                return all;
            }
            for op in &ops {
                for change in self.server.write(op).unwrap() {
                    self.state.take(change);
                }
                self.state.ended(&op.target(), Ending::Written, self.now);
            }
            all.extend(ops);
        }
    }
}

#[test]
fn what_we_and_the_agents_say_is_no_reason_to_plan() {
    let mut cluster = Cluster::new();
    assert!(!cluster.state.plan(cluster.now), "our own writes");
    for name in ["a", "b"] {
        let report = cluster.server.report(name).unwrap();
        cluster.state.take(report);
    }
    assert!(!cluster.state.plan(cluster.now), "reports");
    let ops = cluster.write();
    assert!(matches!(ops[..], [Op::WriteStatus(_)]), "{ops:?}");
    assert!(!cluster.state.plan(cluster.now), "the status");
}

#[test]
fn a_node_that_falls_silent_moves_no_forward() {
    let mut cluster = Cluster::new();
    let [Change::Node(Event::Apply((name, mut facts))), _] = node("a", "edge") else {
        panic!("a node comes first");
    };
    facts.is_ready = false;
    cluster
        .state
        .take(Change::Node(Event::Apply((name.clone(), facts.clone()))));
    assert!(!cluster.state.plan(cluster.now));
    let ops = cluster.write();
    assert!(matches!(ops[..], [Op::WriteStatus(_)]), "{ops:?}");
    // Under another label it runs something else.
    drop(facts.labels.insert("role".to_owned(), "core".to_owned()));
    cluster
        .state
        .take(Change::Node(Event::Apply((name, facts))));
    assert!(cluster.state.plan(cluster.now));
}

/// A node that is not told anything else is not looked at.
#[test]
fn a_label_concerns_its_own_node() {
    let mut cluster = Cluster::new();
    let [moved, _] = node("b", "core");
    cluster.state.take(moved);
    assert!(cluster.state.plan(cluster.now));
    assert_eq!(cluster.state.dirty.configs.len(), 1);
}
