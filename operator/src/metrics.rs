//! What the operator tells about itself. Pure but for the counters.

use std::collections::BTreeMap;

use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector, exponential_buckets,
};
use udplb_api::condition::{ConditionType, Reason};

use crate::{op::Op, state::State, world::World};

/// The operator's metrics. Labels are closed sets: no name of an object is one.
#[derive(Clone, Debug)]
pub struct Metrics {
    leader: IntGauge,
    forwards: IntGaugeVec,
    not_ready: IntGaugeVec,
    agents: IntGaugeVec,
    nodes: IntGauge,
    revision: IntGauge,
    writes: IntCounterVec,
    watch_failures: IntCounterVec,
    planning: Histogram,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let planning = HistogramOpts::new(
            "udplb_operator_planning_seconds",
            "Time that it took to plan the cluster after a change.",
        );
        let metrics = Self {
            leader: gauge(
                "udplb_operator_leader",
                "Whether this operator leads, 0 or 1.",
            )?,
            forwards: IntGaugeVec::new(
                Opts::new(
                    "udplb_operator_forwards",
                    "UdpForwards by what became of them.",
                ),
                &["accepted"],
            )?,
            not_ready: IntGaugeVec::new(
                Opts::new(
                    "udplb_operator_forwards_not_ready",
                    "UdpForwards whose condition Ready is not True, by its reason.",
                ),
                &["reason"],
            )?,
            agents: IntGaugeVec::new(
                Opts::new(
                    "udplb_operator_agents",
                    "Nodes with an agent's pod, by whether it is ready.",
                ),
                &["ready"],
            )?,
            nodes: gauge("udplb_operator_nodes", "Nodes that are known.")?,
            revision: gauge(
                "udplb_operator_revision",
                "The highest revision that this operator gave to a forward.",
            )?,
            writes: IntCounterVec::new(
                Opts::new(
                    "udplb_operator_writes_total",
                    "Writes to the API server by kind, verb and result.",
                ),
                &["kind", "verb", "result"],
            )?,
            watch_failures: IntCounterVec::new(
                Opts::new(
                    "udplb_operator_watch_failures_total",
                    "Watches that failed and were tried again, by kind.",
                ),
                &["kind"],
            )?,
            planning: Histogram::with_opts(
                planning.buckets(exponential_buckets(0.000_1, 4.0, 9)?),
            )?,
        };
        registry.register(Box::new(metrics.leader.clone()))?;
        registry.register(Box::new(metrics.forwards.clone()))?;
        registry.register(Box::new(metrics.not_ready.clone()))?;
        registry.register(Box::new(metrics.agents.clone()))?;
        registry.register(Box::new(metrics.nodes.clone()))?;
        registry.register(Box::new(metrics.revision.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        registry.register(Box::new(metrics.watch_failures.clone()))?;
        registry.register(Box::new(metrics.planning.clone()))?;
        Ok(metrics)
    }

    /// Whether this operator leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// A plan was made.
    pub fn planned(&self, state: &State, seconds: f64) {
        self.planning.observe(seconds);
        let accepted = |label: &str, number: usize| {
            self.forwards.with_label_values(&[label]).set(count(number));
        };
        accepted("true", state.plan.accepted.len());
        accepted("false", state.plan.rejected.len());
        self.nodes.set(count(state.world.nodes.len()));
    }

    /// What is stored now of forwards and agents.
    pub fn observe(&self, world: &World) {
        let agents = world.agents_by_node();
        let ready = agents.values().filter(|is_ready| **is_ready).count();
        for (label, number) in [("true", ready), ("false", agents.len() - ready)] {
            self.agents.with_label_values(&[label]).set(count(number));
        }
        let mut reasons = BTreeMap::new();
        // A reason that holds for nobody any more is zero: if its series vanished, so would what was measured.
        for family in self.not_ready.collect() {
            for label in family
                .get_metric()
                .iter()
                .flat_map(prometheus::proto::Metric::get_label)
            {
                let _none = reasons.insert(label.value().to_owned(), 0);
            }
        }
        let _always = reasons
            .entry(Reason::NodesFailed.as_str().to_owned())
            .or_default();
        for (_, forward) in world.forwards.iter() {
            let conditions = &forward.status.conditions;
            let about = ConditionType::Ready.as_str();
            let ready = conditions.iter().find(|it| it.type_ == about);
            if ready.is_some_and(|ready| ready.status == "True") {
                continue;
            }
            let reason = ready.map_or_else(
                || Reason::Pending.as_str().to_owned(),
                |it| it.reason.clone(),
            );
            *reasons.entry(reason).or_default() += 1;
        }
        for (reason, number) in reasons {
            self.not_ready
                .with_label_values(&[&reason])
                .set(count(number));
        }
    }

    /// A write has ended.
    pub fn wrote(&self, op: &Op, result: &'static str, revision: i64) {
        let [kind, verb] = op.labels();
        self.writes.with_label_values(&[kind, verb, result]).inc();
        self.revision.set(revision);
    }

    /// A watch has failed.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.with_label_values(&[kind]).inc();
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
