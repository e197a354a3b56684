//! What is counted about questions. **IO**: counters that the whole process shares.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::names::{Answer, Found, Reply};

/// Counters of questions and names.
#[derive(Clone, Debug)]
pub struct Metrics {
    queries: IntCounterVec,
    names: IntGaugeVec,
}

const RESULTS: [&str; 5] = [
    "answered",
    "malformed",
    "no_address",
    "no_such_name",
    "unanswered",
];
const STATES: [&str; 3] = ["answered", "kept", "unanswered"];

impl Metrics {
    /// Registers them; `prefix` is that of the process, such as `udplb_agent`.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            queries: IntCounterVec::new(
                Opts::new(
                    format!("{prefix}_dns_queries_total"),
                    "Questions about host names, one for each name and address family, by result.",
                ),
                &["result"],
            )?,
            names: IntGaugeVec::new(
                Opts::new(
                    format!("{prefix}_dns_names"),
                    "Host names by state: answered, kept (the last good answer of a name whose question failed), unanswered.",
                ),
                &["state"],
            )?,
        };
        for result in RESULTS {
            metrics.queries.with_label_values(&[result]).inc_by(0);
        }
        metrics.names(std::iter::empty());
        registry.register(Box::new(metrics.queries.clone()))?;
        registry.register(Box::new(metrics.names.clone()))?;
        Ok(metrics)
    }

    /// A name was asked for.
    pub(super) fn asked(&self, Reply(found): &Reply) {
        for found in found {
            let result = match found {
                Found::Addresses { .. } => "answered",
                Found::Nothing => "no_address",
                Found::Failed(failure) => failure.label(),
            };
            self.queries.with_label_values(&[result]).inc();
        }
    }

    /// The names in force.
    pub(super) fn names<'a>(&self, answers: impl Iterator<Item = &'a Answer>) {
        let mut counts = [0; STATES.len()];
        for answer in answers {
            let state = match answer {
                Answer { failure: None, .. } => 0,
                Answer { addresses, .. } => 1 + usize::from(addresses.is_empty()),
            };
            counts[state] += 1;
        }
        for (state, count) in STATES.iter().zip(counts) {
            self.names.with_label_values(&[state]).set(count);
        }
    }
}
