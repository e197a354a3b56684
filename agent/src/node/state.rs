//! What came of a pass, in the words of a `NodeForwardConfig`'s conditions. **pure**

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use udplb_api::condition::{ConditionType, Finding, Reason, Truth};

use crate::{
    apply::Object,
    desired::{Desired, input::Input, notice::Notice},
    diff::MapFull,
    facts::{Facts, InterfaceIndex},
    next_hop::{NextHop, next_hop},
    source::version::{Told, Version, Wait},
};

/// How many objects a message names.
const NAMED: usize = 3;

/// What came of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What the node was told; none where it runs what was kept.
    pub told: Option<Arc<Told>>,
    /// `Attached` and `Synced`.
    pub findings: [Finding; 2],
    /// Forwards that are not in force, by `namespace/name`.
    pub failed: BTreeMap<String, Failure>,
}

/// Why a forward is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In one word.
    pub reason: Reason,
    /// For a human reader.
    pub message: String,
}

/// A pass, and what it met.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// What it was for.
    pub version: &'a Version,
    /// What that comes to on this host.
    pub desired: &'a Desired,
    /// This host.
    pub facts: &'a Facts,
    /// What does not fit.
    pub full: &'a [MapFull],
    /// What failed and is tried again.
    pub errors: &'a BTreeMap<Object, String>,
    /// The version in force after the pass.
    pub in_force: Option<&'a Input>,
}

impl State {
    /// What came of a pass.
    #[must_use]
    pub fn of(pass: &Pass<'_>) -> Self {
        let failed = failed(pass);
        Self {
            findings: [attached(pass, &failed), synced(pass, &failed)],
            told: pass.version.told.clone(),
            failed,
        }
    }
}

/// The first reason that a forward has counts.
fn failed(pass: &Pass<'_>) -> BTreeMap<String, Failure> {
    let mut failed = BTreeMap::new();
    let mut fail = |forward: &str, reason, message: &str| {
        let _first = failed.entry(forward.to_owned()).or_insert_with(|| Failure {
            reason,
            message: message.to_owned(),
        });
    };
    for told in pass.version.told.iter().flat_map(|told| &told.forwards) {
        if let Err(wait) = &told.revision {
            fail(&told.key.to_string(), reason_of(wait), &wait.to_string());
        }
    }
    for (object, error) in pass.errors {
        match object {
            Object::Maps => {
                for forward in unlike(&pass.version.input, pass.in_force) {
                    fail(forward, Reason::Retrying, error);
                }
            }
            Object::Attachment(interface) => {
                for forward in listeners(pass.desired, *interface) {
                    fail(forward, Reason::ProgramRejected, error);
                }
            }
            Object::Neighbour(..) => {}
        }
    }
    for full in pass.full {
        if let MapFull::Forward { forward, .. } = full {
            fail(forward, Reason::MapFull, &full.to_string());
        }
    }
    for notice in &pass.desired.notices {
        let forward = notice.forward();
        let reason = match notice {
            Notice::InterfaceNotFound { .. }
            | Notice::NoDefaultRoute { .. }
            | Notice::NotEthernet { .. }
            | Notice::Member { .. }
                if pass.desired.deaf.contains(forward) =>
            {
                Reason::InterfaceNotFound
            }
            Notice::ListenerConflict { .. } => Reason::ListenerConflict,
            Notice::SameIdentity { .. } => Reason::InvalidSpec,
            _ => continue,
        };
        fail(forward, reason, &notice.to_string());
    }
    for forward in &pass.desired.deaf {
        let message = "none of its interfaces can be listened on";
        fail(forward, Reason::InterfaceNotFound, message);
    }
    failed
}

const fn reason_of(wait: &Wait) -> Reason {
    match wait {
        Wait::Unseen | Wait::OtherOwner => Reason::Pending,
        Wait::Unreadable(_) => Reason::NotSupported,
    }
}

/// Forwards of an input that are not as in the one that is in force.
fn unlike<'a>(input: &'a Input, in_force: Option<&'a Input>) -> impl Iterator<Item = &'a str> {
    let before = in_force.iter().flat_map(|input| &input.forwards);
    let before: BTreeMap<_, _> = before.map(|forward| (&forward.name, forward)).collect();
    let forwards = input.forwards.iter();
    forwards
        .filter(move |forward| before.get(&forward.name) != Some(forward))
        .map(|forward| forward.name.as_str())
}

fn listeners(desired: &Desired, interface: InterfaceIndex) -> impl Iterator<Item = &str> {
    let listens = move |forward: &&crate::desired::Forward| {
        let places = forward.matches.iter().flat_map(|one| one.places.keys());
        places.into_iter().any(|place| place.interface == interface)
    };
    let forwards = desired.forwards.iter().filter(listens);
    forwards.map(|forward| forward.name.as_str())
}

fn attached(pass: &Pass<'_>, failed: &BTreeMap<String, Failure>) -> Finding {
    let finding =
        |truth, reason, message| Finding::new(ConditionType::Attached, truth, reason, message);
    let name = |interface: &InterfaceIndex| match pass.facts.links.get(interface) {
        Some(link) => link.name.clone(),
        None => format!("#{interface}"),
    };
    let rejected = pass
        .errors
        .iter()
        .filter_map(|(object, error)| match object {
            Object::Attachment(interface) => {
                Some(format!("interface {}: {error}", name(interface)))
            }
            Object::Maps | Object::Neighbour(..) => None,
        });
    if let Some(message) = named(rejected) {
        return finding(Truth::False, Reason::ProgramRejected, message);
    }
    if let Some(message) = messages(failed, |reason| reason == Reason::InterfaceNotFound) {
        return finding(Truth::False, Reason::InterfaceNotFound, message);
    }
    let interfaces: BTreeSet<_> = pass.desired.attachments.iter().map(name).collect();
    let message = named(interfaces.into_iter()).map_or_else(
        || "no forward asks for an interface".to_owned(),
        |interfaces| format!("attached to {interfaces}"),
    );
    finding(Truth::True, Reason::Attached, message)
}

fn synced(pass: &Pass<'_>, failed: &BTreeMap<String, Failure>) -> Finding {
    let finding =
        |truth, reason, message| Finding::new(ConditionType::Synced, truth, reason, message);
    let errors = pass.errors.iter();
    let failing = errors.filter(|(object, _)| !matches!(object, Object::Attachment(_)));
    if let Some(message) = named(failing.map(|(_, error)| error.clone())) {
        return finding(Truth::False, Reason::Retrying, message);
    }
    if let Some(message) = named(pass.full.iter().map(ToString::to_string)) {
        return finding(Truth::False, Reason::MapFull, message);
    }
    if pass
        .version
        .told
        .as_ref()
        .is_some_and(|told| !told.is_readable)
    {
        let message =
            "this NodeForwardConfig cannot be read, bring operator and agent to one version";
        return finding(Truth::False, Reason::NotSupported, message.to_owned());
    }
    for reason in [
        Reason::NotSupported,
        Reason::ListenerConflict,
        Reason::InvalidSpec,
        Reason::Pending,
    ] {
        if let Some(message) = messages(failed, |found| found == reason) {
            return finding(Truth::False, reason, message);
        }
    }
    let silent = silent(pass)
        .into_iter()
        .map(|upstream| upstream.to_string());
    if let Some(upstreams) = named(silent) {
        let message =
            format!("no route or no answer from upstream {upstreams}: see udplb-agent status");
        return finding(Truth::True, Reason::NeighbourUnresolved, message);
    }
    let message = "the kernel holds every forward of this node";
    finding(Truth::True, Reason::InSync, message.to_owned())
}

/// Upstreams that copies cannot be sent to.
fn silent(pass: &Pass<'_>) -> BTreeSet<IpAddr> {
    let upstreams = pass.version.input.upstream_addresses().into_iter();
    upstreams
        .filter(|upstream| {
            let next_hop = next_hop(*upstream, pass.facts);
            !matches!(next_hop, NextHop::Resolved(_) | NextHop::Local)
        })
        .collect()
}

fn messages(
    failed: &BTreeMap<String, Failure>,
    is_meant: impl Fn(Reason) -> bool,
) -> Option<String> {
    let meant = failed
        .iter()
        .filter(|(_, failure)| is_meant(failure.reason));
    named(meant.map(|(forward, failure)| {
        if failure.message.contains(forward.as_str()) {
            failure.message.clone()
        } else {
            format!("forward {forward}: {}", failure.message)
        }
    }))
}

/// The first few of many, and how many more there are; none where there are none.
fn named(all: impl Iterator<Item = String>) -> Option<String> {
    let mut all = all.peekable();
    let _first = all.peek()?;
    let text = all.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
    Some(match all.count() {
        0 => text,
        more => format!("{text} ({more} more)"),
    })
}

#[cfg(test)]
mod tests;
