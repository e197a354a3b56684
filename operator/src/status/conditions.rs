//! The conditions of a `UdpForward`. Pure.

use udplb_api::{
    condition::{ConditionType, Finding, Reason, Truth, summary},
    udp_forward::State,
};
use udplb_plan::{Notice, Rejection, ValidatedForward};

use super::nodes::Counts;
use crate::world::stored::StoredResolved;

/// What is known of a forward.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Why it runs nowhere.
    pub rejection: Option<&'a Rejection>,
    /// The forward where it is accepted.
    pub forward: Option<&'a ValidatedForward>,
    /// What could not be resolved; none: nobody has looked yet.
    pub notices: Option<&'a [Notice]>,
    /// What is stored for the nodes.
    pub resolved: Option<&'a StoredResolved>,
    /// What the nodes say.
    pub counts: Option<&'a Counts>,
}

/// All conditions, the summary last.
#[must_use]
pub fn of(facts: &Facts<'_>) -> [Finding; 4] {
    let (accepted, resolved, programmed) = (accepted(facts), resolved(facts), programmed(facts));
    let ready = ready(facts, &accepted, &resolved, &programmed);
    [accepted, resolved, programmed, ready]
}

fn accepted(facts: &Facts<'_>) -> Finding {
    let about = ConditionType::Accepted;
    match (facts.rejection, facts.forward) {
        (Some(rejection), _) => {
            let message = match (rejection, facts.resolved) {
                // Admission keeps such specs out, so this was stored before the rule existed.
                (Rejection::InvalidSpec { .. }, Some(_)) => {
                    format!("{rejection}; the last valid version stays in force")
                }
                _ => rejection.to_string(),
            };
            Finding::new(about, Truth::False, rejection.reason(), message)
        }
        (None, Some(_)) => Finding::new(about, Truth::True, Reason::Valid, "the spec is valid"),
        (None, None) => pending(about, "nobody has looked at it yet"),
    }
}

fn resolved(facts: &Facts<'_>) -> Finding {
    let about = ConditionType::Resolved;
    if facts.rejection.is_some() {
        return Finding::new(
            about,
            Truth::Unknown,
            Reason::NotAccepted,
            "it is not accepted",
        );
    }
    let Some(notices) = facts.notices else {
        return pending(about, "host names and services are being looked up");
    };
    let unresolved = notices
        .iter()
        .find(|notice| notice.reason != Reason::TooManyUpstreams);
    let truth = match unresolved {
        Some(_) => Truth::False,
        None => Truth::True,
    };
    match unresolved.or_else(|| notices.first()) {
        None => Finding::new(about, truth, Reason::AllResolved, "every upstream is known"),
        Some(first) => {
            let more = match notices.len() - 1 {
                0 => String::new(),
                more => format!(" ({more} more)"),
            };
            Finding::new(about, truth, first.reason, format!("{first}{more}"))
        }
    }
}

fn programmed(facts: &Facts<'_>) -> Finding {
    let about = ConditionType::Programmed;
    if facts.rejection.is_some() {
        return Finding::new(
            about,
            Truth::False,
            Reason::NotAccepted,
            "it is not accepted",
        );
    }
    let Some(counts) = facts.counts else {
        return pending(about, "nobody has looked at it yet");
    };
    let Counts {
        matching,
        desired,
        ready,
        failed,
        unknown,
        failures,
        silent,
    } = counts;
    if *failed > 0 {
        let message = format!(
            "{failed} of {desired} nodes failed: {}",
            failures.text(*failed)
        );
        return Finding::new(about, Truth::False, Reason::NodesFailed, message);
    }
    if *desired == 0 {
        let message = match matching {
            0 => "no node matches spec.nodeSelector".to_owned(),
            _ => format!("{matching} nodes match, and none of them has an agent"),
        };
        return Finding::new(about, Truth::False, Reason::NoMatchingNodes, message);
    }
    if *unknown > 0 {
        let message = format!(
            "{unknown} of {desired} nodes pending: {}",
            silent.text(*unknown)
        );
        return Finding::new(about, Truth::Unknown, Reason::NodesPending, message);
    }
    let message = format!("{ready} of {desired} nodes");
    Finding::new(about, Truth::True, Reason::AllNodesProgrammed, message)
}

fn ready(
    facts: &Facts<'_>,
    accepted: &Finding,
    resolved: &Finding,
    programmed: &Finding,
) -> Finding {
    let mut findings = vec![accepted.clone(), programmed.clone()];
    // A destination that lost some upstreams works; one that has none sends nothing.
    if resolved.truth != Truth::True && lacks_upstreams(facts) {
        findings.insert(1, resolved.clone());
    }
    let is_paused = facts.forward.is_some_and(|it| it.state() == State::Paused);
    if is_paused {
        findings.insert(
            1,
            Finding::new(
                ConditionType::Ready,
                Truth::False,
                Reason::Paused,
                "spec.state is Paused: no packet is touched; set it to Active",
            ),
        );
    }
    let message = match facts.counts {
        Some(counts) => format!("in force on {} of {} nodes", counts.ready, counts.desired),
        None => String::new(),
    };
    summary(&findings, (Reason::Ready, &message))
}

fn lacks_upstreams(facts: &Facts<'_>) -> bool {
    let spec = facts.resolved.and_then(|stored| stored.spec.as_ref());
    spec.is_none_or(|spec| {
        let mut destinations = spec.destinations.iter();
        destinations.any(|destination| destination.upstreams.is_empty())
    })
}

fn pending(about: ConditionType, message: &str) -> Finding {
    Finding::new(about, Truth::Unknown, Reason::Pending, message)
}
