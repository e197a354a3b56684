//! Where maps are pinned, and what agents of different versions know of each other.
//!
//! Maps that make sense only together are a [`Group`]: one version, one folder below the pin directory. An agent adopts
//! the folders of its own versions and makes those that are missing; what others may still use it leaves alone. Its
//! tables are filled before its program takes the first hook over, hook after hook, each in one step. When it has all of
//! them it removes the folders of other versions. The same happens on the way back to an older version, so neither has
//! to know how the other's maps look:
//!
//! - Groups with the same version are the same maps, for both programs at once. Counters go on counting, and a datagram
//!   whose first fragment met the one program is put together by the other.
//! - Groups with another version begin empty, beside the old ones. Tables are filled from the input; the slots of
//!   counters keep their owners, which [`crate::record::UpstreamOwner`] and its like record beside the counters.
//!
//! # What every version may rely on in what another one left
//!
//! This holds for ever; no version may change it.
//!
//! - `records/` holds `ATTACHMENTS` and `NEIGHBOURS` with the keys and values of [`crate::record`]. A new `hook` or
//!   `origin` needs an old agent that leaves it alone: add a record of another name instead.
//! - `links/ingress-N` is the TCX link of the interface with index N. Without TCX, the hook is the clsact filter with
//!   [`crate::record::FILTER_PRIORITY`] and [`crate::record::FILTER_HANDLE`].
//! - Neighbour entries of ours have [`crate::record::NEIGHBOUR_PROTOCOL`] and a record.
//! - Every other folder belongs to one version of one group, has only pins in it, and may be removed when no hook runs a
//!   program that works with it. Its name is the group's, and numbers.
//! - Whoever works with the pin directory holds a lock (`flock`) on it.

use crate::map;

/// Maps that change their layout together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What is ours on this host. Never changes.
    Records,
    /// The way of a packet, from its port to a next hop.
    Tables,
    /// Counters of forwards, destinations and upstreams, and whose they are. They begin anew together, or they would no
    /// longer add up.
    Totals,
    /// Counters of interfaces.
    Interfaces,
    /// What was decided for datagrams whose fragments are on their way. Decisions name slots of the tables.
    Fragments,
    /// IPv4 identifications that were given away. Beginning anew would give some of them away twice.
    Identifications,
    /// What `trace` asks and gets.
    Trace,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Records,
        Self::Tables,
        Self::Totals,
        Self::Interfaces,
        Self::Fragments,
        Self::Identifications,
        Self::Trace,
    ];

    /// What the names of its folders begin with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Tables => "tables",
            Self::Totals => "totals",
            Self::Interfaces => "interfaces",
            Self::Fragments => "fragments",
            Self::Identifications => "identifications",
            Self::Trace => "trace",
        }
    }

    /// Version of the layout: raise it when a map of the group comes, goes, or changes its key, its value, or what they
    /// mean. `None`: there is one for ever.
    #[must_use]
    #[expect(
        clippy::match_same_arms,
        reason = "each group is raised on its own, whatever the others have"
    )]
    pub const fn version(self) -> Option<u32> {
        match self {
            Self::Records => None,
            Self::Tables => Some(1),
            Self::Totals => Some(1),
            Self::Interfaces => Some(1),
            Self::Fragments => Some(1),
            Self::Identifications => Some(1),
            Self::Trace => Some(1),
        }
    }

    /// The group whose slots this one's values name: where that begins anew, so does this.
    #[must_use]
    pub const fn refers_to(self) -> Option<Self> {
        match self {
            Self::Fragments => Some(Self::Tables),
            _ => None,
        }
    }

    /// The group of a map, by one of the names in [`map`].
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            map::ATTACHMENTS | map::NEIGHBOURS => Self::Records,
            map::FORWARD_COUNTERS
            | map::DESTINATION_COUNTERS
            | map::UPSTREAM_COUNTERS
            | map::RETIRED
            | map::FORWARD_OWNERS
            | map::DESTINATION_OWNERS
            | map::UPSTREAM_OWNERS => Self::Totals,
            map::INTERFACE_COUNTERS => Self::Interfaces,
            map::FRAGMENTS => Self::Fragments,
            map::IDENTIFICATIONS => Self::Identifications,
            map::TRACE | map::TRACE_BUDGETS | map::TRACE_EVENTS => Self::Trace,
            _ => Self::Tables,
        }
    }
}
