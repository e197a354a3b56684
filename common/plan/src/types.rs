//! Names, seniority and verdicts, which every step of planning shares. Pure.

use std::fmt;

use udplb_api::{UdpForward, condition::Reason};

/// Namespace and name of a forward.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ForwardKey {
    /// The key of an object; an absent namespace is `default`.
    #[must_use]
    pub fn of(forward: &UdpForward) -> Self {
        Self {
            namespace: forward
                .metadata
                .namespace
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            name: forward.metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for ForwardKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Who was there first; the smaller one is older. Equal numbers are decided by namespace and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seniority(i64);

impl Seniority {
    /// By the time at which the API server took the object in. One without a time is the youngest.
    #[must_use]
    pub fn created(forward: &UdpForward) -> Self {
        let created = forward.metadata.creation_timestamp.as_ref();
        Self(created.map_or(i64::MAX, |time| time.0.as_second()))
    }

    /// By the position in a file.
    #[must_use]
    pub fn document(index: usize) -> Self {
        Self(i64::try_from(index).unwrap_or(i64::MAX))
    }
}

/// Why a forward runs nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The spec breaks a rule.
    #[error("{path}: {message}")]
    InvalidSpec {
        /// Path of the field.
        path: String,
        /// What to write instead.
        message: String,
    },
    /// An older forward listens there.
    #[error("{}", conflict(winner, listener))]
    ListenerConflict {
        /// The forward that stays.
        winner: ForwardKey,
        /// What both would take.
        listener: String,
    },
    /// Its copies would come back to it.
    #[error("{}", forwarding_loop(upstream, way))]
    ForwardingLoop {
        /// The upstream that they leave by, with its destination.
        upstream: String,
        /// The forwards that would hand them on, in this order; none: it would take them itself.
        way: Vec<ForwardKey>,
    },
    /// Forwards may not be in its namespace.
    #[error(
        "forwards may not be in namespace {namespace}: move it, or have the cluster's operator choose the namespace with --namespace-selector"
    )]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
    },
    /// Older forwards fill a node.
    #[error(
        "node {node} has {limit} older forwards, which is the limit: delete some, or choose fewer nodes with nodeSelector"
    )]
    NodeFull {
        /// The node.
        node: String,
        /// How many forwards it takes.
        limit: usize,
    },
}

fn conflict(winner: &impl fmt::Display, listener: &str) -> String {
    format!(
        "{winner} is older and listens on {listener} too: change the ports, addresses or interfaces of one of them"
    )
}

/// Forwards of a circle that are named.
const NAMED: usize = 3;

fn forwarding_loop(upstream: &str, way: &[ForwardKey]) -> String {
    if way.is_empty() {
        return format!(
            "copies for {upstream} come back to this forward: write another address or port, or choose other nodes with nodeSelector"
        );
    }
    format!(
        "copies for {upstream} come back: change it, or what one of these listens on or sends to: {}",
        named(way)
    )
}

/// Where copies come back to, and by way of whom.
pub(crate) fn by_way_of(way: &[ForwardKey]) -> String {
    if way.is_empty() {
        return "this forward".to_owned();
    }
    format!("this forward by way of {}", named(way))
}

/// The first few of many, and how many more there are.
fn named(way: &[ForwardKey]) -> String {
    let names: Vec<String> = way.iter().take(NAMED).map(ForwardKey::to_string).collect();
    let names = names.join(", ");
    match way.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

impl Rejection {
    /// In words that say where another forward is, as far as that is known: its line in a file.
    #[must_use]
    pub fn with_line(&self, line: impl Fn(&ForwardKey) -> Option<u64>) -> String {
        match self {
            Self::ListenerConflict { winner, listener } => match line(winner) {
                Some(line) => conflict(&format_args!("{winner} in line {line}"), listener),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }

    /// The reason of the `Accepted` condition.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::InvalidSpec { .. } => Reason::InvalidSpec,
            Self::ListenerConflict { .. } => Reason::ListenerConflict,
            Self::NodeFull { .. } => Reason::NodeFull,
            Self::ForwardingLoop { .. } => Reason::ForwardingLoop,
            Self::NamespaceNotAllowed { .. } => Reason::NamespaceNotAllowed,
        }
    }
}

/// Something about a forward that runs, but not all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Notice {
    /// Path of the field.
    pub path: String,
    /// The reason of the condition.
    pub reason: Reason,
    /// What is left out, and what to write instead.
    pub message: String,
}

/// What planning made of one forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The forward.
    pub key: ForwardKey,
    /// Why it runs nowhere, or that it runs.
    pub accepted: Result<(), Rejection>,
    /// What of it does not run.
    pub notices: Vec<Notice>,
}
