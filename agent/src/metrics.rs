//! The agent's metrics. **IO**: a scrape reads the counters of the kernel.
//!
//! Series come from the mirror of the maps, so that they appear and vanish with the forwards. The mirror
//! is locked while it is read: a pass in progress is never seen half.

mod family;
mod traffic;

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::RwLock;

use crate::{apply::Kernel, repair::Damage};
use traffic::Traffic;

/// How a pass ended, as the label `result` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassResult {
    /// There was nothing to do.
    Unchanged,
    /// All was done.
    Changed,
    /// Something failed or did not fit.
    Failed,
}

impl PassResult {
    const ALL: [Self; 3] = [Self::Unchanged, Self::Changed, Self::Failed];

    const fn label(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Failed => "failed",
        }
    }
}

/// What the reconcile loop reports.
#[derive(Clone, Debug)]
pub struct Metrics {
    generation: IntGauge,
    passes: IntCounterVec,
    duration: Histogram,
    resyncs: IntCounter,
    repairs: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    pub fn register(
        registry: &Registry,
        kernel: &Arc<RwLock<Kernel>>,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            generation: IntGauge::new(
                "udplb_agent_generation",
                "Versions of the input that this process has put in force.",
            )?,
            passes: IntCounterVec::new(
                Opts::new(
                    "udplb_agent_reconciles_total",
                    "Reconcile passes by result.",
                ),
                &["result"],
            )?,
            duration: Histogram::with_opts(
                HistogramOpts::new(
                    "udplb_agent_reconcile_duration_seconds",
                    "Duration of reconcile passes.",
                )
                .buckets(vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
            )?,
            resyncs: IntCounter::new(
                "udplb_agent_network_resyncs_total",
                "How often the host's network had to be listed again because events were lost.",
            )?,
            repairs: IntCounterVec::new(
                Opts::new(
                    "udplb_agent_repairs_total",
                    "What somebody else had removed or changed in the kernel, by what it was.",
                ),
                &["object"],
            )?,
        };
        for object in Damage::LABELS {
            metrics.repairs.with_label_values(&[object]).inc_by(0);
        }
        for result in PassResult::ALL {
            metrics
                .passes
                .with_label_values(&[result.label()])
                .inc_by(0);
        }
        let info = IntGauge::with_opts(
            Opts::new(
                "udplb_agent_info",
                "Always 1; the label says which version runs.",
            )
            .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        info.set(1);
        registry.register(Box::new(info))?;
        registry.register(Box::new(metrics.generation.clone()))?;
        registry.register(Box::new(metrics.passes.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.resyncs.clone()))?;
        registry.register(Box::new(metrics.repairs.clone()))?;
        registry.register(Box::new(Traffic::new(Arc::clone(kernel))?))?;
        Ok(metrics)
    }

    /// A pass has ended.
    pub fn pass(&self, result: PassResult, duration: Duration) {
        self.passes.with_label_values(&[result.label()]).inc();
        self.duration.observe(duration.as_secs_f64());
    }

    /// A version of the input is in force.
    pub fn in_force(&self) {
        self.generation.inc();
    }

    /// Somebody else had removed or changed something.
    pub fn repaired(&self, damage: Damage) {
        self.repairs.with_label_values(&[damage.label()]).inc();
    }

    /// How often the network was listed again.
    pub fn resyncs(&self, count: u64) {
        self.resyncs
            .inc_by(count.saturating_sub(self.resyncs.get()));
    }
}
