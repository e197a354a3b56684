//! What the maps hold, mirrored: every array sparse, every hash as it is. **pure**
//!
//! The agent reads it from the kernel once, then applies each op to the kernel and to the mirror. The
//! same mirror stands for the kernel in the tests of `diff`.

mod apply;
pub mod balance;
pub mod capacity;
mod difference;
pub mod owners;
pub mod skew;
pub mod usage;
pub mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use udplb_abi::{
    forward::{ForwardSlot, RateLimitSlot, UpstreamSlot},
    listener::{ListenerSlot, PortWord, VlanKey},
    next_hop::NextHopSlot,
};

use crate::{
    desired::{group::Place, prefix::Prefix},
    facts::InterfaceIndex,
};
use balance::BalanceTables;
use owners::Owners;

/// Everything of ours that the kernel holds. Values that are all zero are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// `PORTS`.
    pub ports: BTreeMap<u16, PortWord>,
    /// `LISTENERS` and `PREFIXES`: listener slots by group and place.
    pub listeners: BTreeMap<(u16, Place), u32>,
    /// `LISTENER_SLOTS`.
    pub listener_slots: BTreeMap<u32, ListenerSlot>,
    /// `FORWARDS`: forward slots by forward number.
    pub forwards: BTreeMap<u32, u32>,
    /// `FORWARD_SLOTS`.
    pub forward_slots: BTreeMap<u32, ForwardSlot>,
    /// `SOURCES`: prefixes by source set.
    pub sources: BTreeMap<u32, BTreeSet<Prefix>>,
    /// `TABLES`.
    pub balance: BalanceTables,
    /// `UPSTREAMS`.
    pub upstreams: BTreeMap<u32, UpstreamSlot>,
    /// `NEXT_HOPS`.
    pub next_hops: BTreeMap<u32, NextHopSlot>,
    /// `RATE_LIMITS`. The program moves `arrival`: what is here is out of date.
    pub rate_limits: BTreeMap<u32, RateLimitSlot>,
    /// `VLANS`.
    pub vlans: BTreeMap<VlanKey, InterfaceIndex>,
    /// `NAMES`.
    pub names: BTreeMap<u64, String>,
    /// Keys of `RETIRED`.
    pub retired: BTreeSet<u64>,
    /// Counters with an owner to whom no version in force leads, see [`Owners::unclaimed`].
    pub unclaimed: Owners,
    /// Where our program sits, or where a record says so.
    pub attachments: BTreeMap<InterfaceIndex, AttachmentState>,
    /// Neighbour entries that a record says we manage.
    pub neighbours: BTreeMap<(InterfaceIndex, IpAddr), NeighbourState>,
    /// Programs may still read what has become unreachable: no slot may be written before a grace
    /// period. True where that is not known.
    pub grace_due: bool,
}

/// How much of our attachment to an interface is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentState {
    /// All of it: the current program on its hook, and the record.
    Current,
    /// Something: an older program, a hook without record, a record without hook.
    Stale,
}

/// Whether a neighbour entry that we recorded is still ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// The kernel keeps it for us.
    Kept,
    /// It is gone, or somebody took it over.
    Lost,
}

impl Tables {
    /// What maps hold that were just created.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            ports: BTreeMap::new(),
            listeners: BTreeMap::new(),
            listener_slots: BTreeMap::new(),
            forwards: BTreeMap::new(),
            forward_slots: BTreeMap::new(),
            sources: BTreeMap::new(),
            balance: BalanceTables::new(),
            upstreams: BTreeMap::new(),
            next_hops: BTreeMap::new(),
            rate_limits: BTreeMap::new(),
            vlans: BTreeMap::new(),
            names: BTreeMap::new(),
            retired: BTreeSet::new(),
            unclaimed: Owners::none(),
            attachments: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            grace_due: false,
        }
    }

    /// The word of a port.
    #[must_use]
    pub fn port(&self, port: u16) -> PortWord {
        self.ports.get(&port).copied().unwrap_or(PortWord::NOBODY)
    }

    /// The forward slot that a forward number leads to.
    #[must_use]
    pub fn forward(&self, number: u32) -> Option<&ForwardSlot> {
        self.forward_slots.get(self.forwards.get(&number)?)
    }
}
