//! What the operator writes, as data. Pure.

use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForwardStatus};
use udplb_plan::ForwardKey;

use crate::{
    status::transition::Transition,
    world::stored::{Identity, key},
};

/// One write. What exists is named by uid and version, so that nobody else's write is undone.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Makes a `ResolvedForward`.
    CreateResolved(Box<ResolvedForward>),
    /// Replaces what we said in a `ResolvedForward`.
    ApplyResolved(Box<ResolvedForward>),
    /// Deletes a `ResolvedForward`.
    DeleteResolved(ForwardKey, Identity),
    /// Makes a node's configuration.
    CreateConfig(Box<NodeForwardConfig>),
    /// Replaces what we said in a node's configuration.
    ApplyConfig(Box<NodeForwardConfig>),
    /// Replaces the status of a `UdpForward`.
    WriteStatus(Box<StatusWrite>),
}

/// A new status, and what is worth an event in it.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite {
    /// The forward.
    pub key: ForwardKey,
    /// Which object.
    pub identity: Identity,
    /// Its whole status.
    pub status: UdpForwardStatus,
    /// What turned.
    pub transitions: Vec<Transition>,
}

/// What a write is about. There is at most one write at a time for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The `ResolvedForward` of this name.
    Resolved(ForwardKey),
    /// The configuration of this node.
    Config(String),
    /// The status of this `UdpForward`.
    Status(ForwardKey),
}

impl Op {
    /// What it is about.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self::CreateResolved(resolved) | Self::ApplyResolved(resolved) => {
                Target::Resolved(key(&resolved.metadata))
            }
            Self::DeleteResolved(key, _) => Target::Resolved(key.clone()),
            Self::CreateConfig(config) | Self::ApplyConfig(config) => {
                Target::Config(config.metadata.name.clone().unwrap_or_default())
            }
            Self::WriteStatus(write) => Target::Status(write.key.clone()),
        }
    }

    /// For metrics: the object and what is done to it.
    #[must_use]
    pub const fn labels(&self) -> [&'static str; 2] {
        match self {
            Self::CreateResolved(_) => ["ResolvedForward", "create"],
            Self::ApplyResolved(_) => ["ResolvedForward", "apply"],
            Self::DeleteResolved(..) => ["ResolvedForward", "delete"],
            Self::CreateConfig(_) => ["NodeForwardConfig", "create"],
            Self::ApplyConfig(_) => ["NodeForwardConfig", "apply"],
            Self::WriteStatus(_) => ["UdpForward", "status"],
        }
    }
}
