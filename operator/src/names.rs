//! Host names of all forwards, asked once for the whole cluster, by the leader. IO.

use std::collections::{BTreeMap, BTreeSet};

use udplb_plan::HostAnswer;
use udplb_process::dns::{self, Dns};

use crate::{resolved, state::State, world::Change};

/// The names that forwards refer to.
#[must_use]
pub fn wanted(state: &State) -> BTreeSet<String> {
    let forwards = state.plan.accepted.values();
    let names = forwards.flat_map(|placed| placed.forward.forward().hostnames());
    names.map(str::to_owned).collect()
}

/// Starts to ask, from what the stored forwards remember: a new leader without name servers keeps what was known.
#[must_use]
pub fn start(state: &State, metrics: dns::Metrics) -> Dns {
    let stored = state.world.resolved.iter();
    let known = stored.flat_map(|(_, stored)| resolved::remembers(stored));
    let known: BTreeMap<String, dns::Known> = known
        .map(|(name, addresses)| {
            let known = dns::Known {
                addresses,
                ..dns::Known::default()
            };
            (name, known)
        })
        .collect();
    Dns::start(known, metrics)
}

/// What the names stand for now, in the planner's words.
pub fn change(dns: &mut Dns) -> Change {
    let answers = dns.answers();
    let answer = |answer: &dns::Answer| HostAnswer {
        addresses: answer.addresses.clone(),
        answered: answer.answered_text(),
        failure: answer.failure.as_ref().map(ToString::to_string),
    };
    let answers = answers.iter();
    Change::Hostnames(
        answers
            .map(|(name, it)| (name.clone(), answer(it)))
            .collect(),
    )
}
