//! Which packets a forward means. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{ListenAddress, SourcePrefix};
use crate::schema;

/// Overlap of two entries; a reversed range is reported by its own rule only.
const NO_OVERLAP: &str = "self.all(a, (has(a.endPort) && a.endPort < a.port) || self.exists_one(b, \
    b.port <= (has(a.endPort) ? a.endPort : a.port) && a.port <= (has(b.endPort) ? b.endPort : b.port)))";

/// Which packets are meant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// addresses or prefixes that packets are sent to. Every unicast address of the node, kept
    /// current, where it is left out. Multicast and broadcast match only when they are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub addresses: Option<Vec<ListenAddress>>,
    /// ports that packets are sent to.
    #[schemars(
        length(min = 1, max = 32),
        extend(
            "x-kubernetes-list-type" = "atomic",
            "x-kubernetes-validations" = schema::rules(&[(
                NO_OVERLAP,
                "two entries hold the same port: name each port once",
            )]),
        )
    )]
    pub ports: Vec<PortRange>,
    /// sources are the prefixes that packets come from. Any where it is left out; a packet from
    /// elsewhere is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub sources: Option<Vec<SourcePrefix>>,
}

/// A port, or a range of them.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "!has(self.endPort) || self.endPort >= self.port",
    "endPort is below port: swap them",
)])))]
pub struct PortRange {
    /// port is the UDP port, or the first of a range.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,
    /// endPort is the last port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub end_port: Option<u16>,
}

impl PortRange {
    /// One port.
    #[must_use]
    pub const fn single(port: u16) -> Self {
        Self {
            port,
            end_port: None,
        }
    }

    /// First port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.port
    }

    /// Last port, equal to the first for a single port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.end_port.unwrap_or(self.port)
    }

    /// Whether a port is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first() <= other.last() && other.first() <= self.last()
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first() == self.last() {
            write!(formatter, "{}", self.port)
        } else {
            write!(formatter, "{}-{}", self.first(), self.last())
        }
    }
}
