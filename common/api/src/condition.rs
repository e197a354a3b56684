//! Conditions: their types and reasons, which are closed sets, and how they change. Pure.
//!
//! Reasons are shared by conditions, events, metrics and logs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest message of a condition, in bytes.
pub const MAX_MESSAGE: usize = 256;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// `UdpForward`: the spec is valid and no older forward is in its way.
    Accepted,
    /// `UdpForward`: every upstream that it asks for is known.
    Resolved,
    /// `UdpForward`: every node that it selects runs it.
    Programmed,
    /// `NodeForwardConfig`: the program sits on every interface that the forwards ask for.
    Attached,
    /// `NodeForwardConfig`: the kernel's maps and neighbour entries are as planned.
    Synced,
    /// The summary of the others.
    Ready,
}

impl ConditionType {
    /// As the object holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Resolved => "Resolved",
            Self::Programmed => "Programmed",
            Self::Attached => "Attached",
            Self::Synced => "Synced",
            Self::Ready => "Ready",
        }
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
    /// It does.
    True,
}

impl Truth {
    /// As the object holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::False => "False",
            Self::Unknown => "Unknown",
            Self::True => "True",
        }
    }
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Accepted: the spec keeps every rule and no older forward is in the way.
    Valid,
    /// Not accepted: the spec breaks a rule.
    InvalidSpec,
    /// Not accepted: an older forward listens there.
    ListenerConflict,
    /// Not accepted: older forwards fill a node.
    NodeFull,
    /// Not accepted: its copies would come back to it.
    ForwardingLoop,
    /// Not accepted: forwards may not be in this namespace.
    NamespaceNotAllowed,
    /// Resolved: every upstream is known.
    AllResolved,
    /// Not resolved: a name or service has no answer.
    NotResolved,
    /// Not resolved: what is written cannot be used here.
    NotSupported,
    /// Resolved, but upstreams beyond the limit were left out.
    TooManyUpstreams,
    /// Programmed: every node that is selected runs it.
    AllNodesProgrammed,
    /// Not programmed: some node could not put it in force.
    NodesFailed,
    /// Not programmed: some node has not reported yet, or does not report any more.
    NodesPending,
    /// Not programmed: no node with an agent is selected.
    NoMatchingNodes,
    /// Not programmed: it is not accepted.
    NotAccepted,
    /// Attached: the program sits where it should.
    Attached,
    /// Not attached: no interface of that name is there.
    InterfaceNotFound,
    /// Not attached: the kernel did not take the program.
    ProgramRejected,
    /// Not attached: the kernel lacks something.
    KernelUnsupported,
    /// Synced: the kernel holds what was planned.
    InSync,
    /// Not synced: a map of the program has no room.
    MapFull,
    /// Synced, but the neighbour entry of an upstream does not answer.
    NeighbourUnresolved,
    /// Not synced: something failed and is tried again.
    Retrying,
    /// Ready: the others hold.
    Ready,
    /// Nobody has looked yet.
    Pending,
    /// On purpose, no packet is touched.
    Paused,
}

impl Reason {
    /// As conditions hold it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::InvalidSpec => "InvalidSpec",
            Self::ListenerConflict => "ListenerConflict",
            Self::NodeFull => "NodeFull",
            Self::ForwardingLoop => "ForwardingLoop",
            Self::NamespaceNotAllowed => "NamespaceNotAllowed",
            Self::AllResolved => "AllResolved",
            Self::NotResolved => "NotResolved",
            Self::NotSupported => "NotSupported",
            Self::TooManyUpstreams => "TooManyUpstreams",
            Self::AllNodesProgrammed => "AllNodesProgrammed",
            Self::NodesFailed => "NodesFailed",
            Self::NodesPending => "NodesPending",
            Self::NoMatchingNodes => "NoMatchingNodes",
            Self::NotAccepted => "NotAccepted",
            Self::Attached => "Attached",
            Self::InterfaceNotFound => "InterfaceNotFound",
            Self::ProgramRejected => "ProgramRejected",
            Self::KernelUnsupported => "KernelUnsupported",
            Self::InSync => "InSync",
            Self::MapFull => "MapFull",
            Self::NeighbourUnresolved => "NeighbourUnresolved",
            Self::Retrying => "Retrying",
            Self::Ready => "Ready",
            Self::Pending => "Pending",
            Self::Paused => "Paused",
        }
    }
}

/// What was found out about one condition; the times are not its business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: ConditionType,
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for a human reader; cut at [`MAX_MESSAGE`] when it is stored.
    pub message: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(
        about: ConditionType,
        truth: Truth,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            about,
            truth,
            reason,
            message: message.into(),
        }
    }
}

/// `Ready`: the first of the worst findings, or that all hold.
#[must_use]
pub fn summary(findings: &[Finding], when_ready: (Reason, &str)) -> Finding {
    let worst = findings.iter().min_by_key(|finding| finding.truth);
    match worst {
        Some(finding) if finding.truth != Truth::True => Finding {
            about: ConditionType::Ready,
            ..finding.clone()
        },
        _ => Finding::new(
            ConditionType::Ready,
            Truth::True,
            when_ready.0,
            when_ready.1,
        ),
    }
}

/// The conditions to store. Where nothing is new they equal the old ones: a condition's time moves only
/// with its status.
#[must_use]
pub fn stored(
    old: &[Condition],
    findings: &[Finding],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    let stored = findings.iter().map(|finding| {
        let before = old
            .iter()
            .find(|condition| condition.type_ == finding.about.as_str());
        let since = before
            .filter(|condition| condition.status == finding.truth.as_str())
            .map_or(now, |condition| &condition.last_transition_time);
        Condition {
            type_: finding.about.as_str().to_owned(),
            status: finding.truth.as_str().to_owned(),
            reason: finding.reason.as_str().to_owned(),
            message: cut(&finding.message),
            observed_generation: generation,
            last_transition_time: since.clone(),
        }
    });
    stored.collect()
}

/// A text of at most [`MAX_MESSAGE`] bytes.
#[must_use]
pub fn cut(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MAX_MESSAGE - '…'.len_utf8());
    format!("{}…", &message[..end])
}
