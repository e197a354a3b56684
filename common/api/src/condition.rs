//! Reasons: a closed set, shared by conditions, events, metrics and logs. Pure.

/// Why planning did not take a forward, or did not take all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not accepted: the spec breaks a rule.
    InvalidSpec,
    /// Not accepted: an older forward listens there.
    ListenerConflict,
    /// Not accepted: older forwards fill a node.
    NodeFull,
    /// Not resolved: a name or service has no answer.
    NotResolved,
    /// Not resolved: what is written cannot be used here.
    NotSupported,
    /// Resolved, but upstreams beyond the limit were left out.
    TooManyUpstreams,
}

impl Reason {
    /// As conditions hold it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSpec => "InvalidSpec",
            Self::ListenerConflict => "ListenerConflict",
            Self::NodeFull => "NodeFull",
            Self::NotResolved => "NotResolved",
            Self::NotSupported => "NotSupported",
            Self::TooManyUpstreams => "TooManyUpstreams",
        }
    }
}
