//! Condition types and their reasons: closed sets, shared by conditions, events and metrics. Pure.

/// What a condition of a `UdpForward` or `NodeForwardConfig` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// `UdpForward`: it is valid and may run.
    Accepted,
    /// `UdpForward`: its names and services have upstreams.
    Resolved,
    /// `UdpForward`: the nodes run it.
    Programmed,
    /// `NodeForwardConfig`: the program sits on every wanted interface.
    Attached,
    /// `NodeForwardConfig`: the kernel holds what is wanted.
    Synced,
    /// Summary of the others.
    Ready,
}

impl ConditionType {
    /// As it is written.
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

/// Why planning did not take a forward, or did not take all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Accepted: nothing is wrong.
    Valid,
    /// Not accepted: the spec breaks a rule.
    InvalidSpec,
    /// Not accepted: an older forward listens there.
    ListenerConflict,
    /// Not accepted: older forwards fill a node.
    NodeFull,
    /// Resolved: every upstream is known.
    Resolved,
    /// Not resolved: a name or service has no answer.
    NotResolved,
    /// Not resolved: this way of naming upstreams cannot be used here.
    NotSupported,
    /// Resolved, but upstreams beyond the limit were left out.
    TooManyUpstreams,
}

impl Reason {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::InvalidSpec => "InvalidSpec",
            Self::ListenerConflict => "ListenerConflict",
            Self::NodeFull => "NodeFull",
            Self::Resolved => "Resolved",
            Self::NotResolved => "NotResolved",
            Self::NotSupported => "NotSupported",
            Self::TooManyUpstreams => "TooManyUpstreams",
        }
    }
}
