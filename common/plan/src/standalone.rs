//! The plan for one host without a cluster: a file's forwards become the agent's input. Pure.

use std::collections::{BTreeMap, BTreeSet};

use udplb_api::{
    MAX_FORWARDS_IN_FILE, NodeForwardConfig, ResolvedForward, UdpForward, condition::Reason,
};

use crate::{
    conflict::{self, AcceptedForward},
    cycles::{Cycles, Hosts},
    node,
    resolve::{self, Answers},
    types::{ForwardKey, Notice, Rejection, Seniority, Verdict},
    validate,
};

/// The `uid` of forwards from a file: their name alone tells them apart.
pub const UID: &str = "file";
/// The `revision` of forwards from a file: nobody counts them.
pub const REVISION: i64 = 1;

/// What one host runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Standalone {
    /// The host's configuration.
    pub config: NodeForwardConfig,
    /// The forwards that it names, sorted by namespace and name.
    pub forwards: Vec<ResolvedForward>,
    /// What became of each forward that was given in, sorted alike.
    pub verdicts: Vec<Verdict>,
    /// The host names that the forwards need answers for.
    pub hostnames: BTreeSet<String>,
}

/// Plans a host for forwards in the order of their documents, as far as there are answers.
#[must_use]
pub fn standalone(forwards: &[UdpForward], node_name: &str, answers: &Answers) -> Standalone {
    let mut rejected: BTreeMap<ForwardKey, Rejection> = BTreeMap::new();
    let mut valid = Vec::new();
    for (index, forward) in forwards.iter().enumerate() {
        match validate::forward(forward, Seniority::document(index)) {
            Ok(mut forward) => {
                forward.uid = Some(UID.to_owned());
                valid.push(forward);
            }
            Err(rejection) => drop(rejected.insert(ForwardKey::of(forward), rejection)),
        }
    }
    let settled = conflict::settle(valid, |_, _| true);
    rejected.extend(settled.rejected);
    // Who has which address, nobody knows here.
    let unknown = BTreeSet::new();
    let hosts = Hosts {
        addresses: vec![&unknown],
        of: &|_| &[0],
    };
    let mut cycles = Cycles::of(&settled.accepted, &hosts);
    let mut accepted = Vec::new();
    for (index, forward) in settled.accepted.iter().enumerate() {
        match cycles.admit(index) {
            Ok(()) => accepted.push(forward),
            Err(rejection) => drop(rejected.insert(forward.forward().key().clone(), rejection)),
        }
    }
    let node::NodePlan {
        config,
        rejected: beyond,
    } = node::plan(node_name, accepted.iter().copied(), MAX_FORWARDS_IN_FILE);
    rejected.extend(beyond);

    let mut verdicts: Vec<Verdict> = rejected
        .into_iter()
        .map(|(key, rejection)| Verdict {
            key,
            accepted: Err(rejection),
            notices: Vec::new(),
        })
        .collect();
    let mut resolved = BTreeMap::new();
    let mut hostnames = BTreeSet::new();
    for accepted in accepted.into_iter().take(MAX_FORWARDS_IN_FILE) {
        let key = accepted.forward().key().clone();
        hostnames.extend(accepted.forward().hostnames().map(str::to_owned));
        let mut resolution = resolve::forward(accepted, answers, REVISION);
        resolution.notices.extend(selector_notice(accepted));
        verdicts.push(Verdict {
            key: key.clone(),
            accepted: Ok(()),
            notices: resolution.notices,
        });
        let _ = resolved.insert(key, resolution.forward);
    }
    verdicts.sort_by(|a, b| a.key.cmp(&b.key));
    Standalone {
        config,
        forwards: resolved.into_values().collect(),
        verdicts,
        hostnames,
    }
}

fn selector_notice(accepted: &AcceptedForward) -> Option<Notice> {
    let _ = accepted.forward().node_selector()?;
    Some(Notice {
        path: "spec.nodeSelector".to_owned(),
        reason: Reason::NotSupported,
        message:
            "a file is for the host that reads it: the forward runs here, leave nodeSelector out"
                .to_owned(),
    })
}
