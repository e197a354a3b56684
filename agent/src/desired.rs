//! What the kernel should hold: the input and this host's network, taken together. **pure**
//!
//! ```text
//! Input ─▶ interfaces ─▶ places ─▶ groups (who listens) ─┐
//!   └───▶ treatment (upstreams, without loops) ◀──────────┤
//! Facts ─▶ next hops, neighbours, attachments, VLANs ─────┴─▶ Desired
//! ```

mod families;
pub mod group;
pub mod input;
mod interfaces;
pub mod notice;
mod places;
pub mod ports;
pub mod prefix;
#[cfg(test)]
mod tests;
mod treatment;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use udplb_abi::{
    address::{self, Address, Family},
    listener::VlanKey,
    next_hop::NextHopSlot,
    record::identity,
};
use udplb_api::udp_forward::text::InterfacePattern;

use crate::{
    facts::{Facts, InterfaceIndex, Keeper, NeighbourState},
    next_hop,
};
use group::{Match, PortGroup};
use input::{Input, Options, Spec};
use notice::Notice;
use prefix::Prefix;

/// Everything of ours that the kernel should hold on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Interfaces that our program sits on.
    pub attachments: BTreeSet<InterfaceIndex>,
    /// VLAN devices on those interfaces: their frames are theirs.
    pub vlans: BTreeMap<VlanKey, InterfaceIndex>,
    /// In order of precedence.
    pub forwards: Vec<Forward>,
    /// Who listens where, conflicts settled. Derived from the forwards.
    pub groups: Vec<PortGroup>,
    /// How copies for an upstream leave, where that is known.
    pub next_hops: BTreeMap<Address, NextHopSlot>,
    /// Neighbour entries that we have the kernel keep fresh.
    pub neighbours: BTreeSet<(InterfaceIndex, IpAddr)>,
    /// Forwards that should listen and have no interface to do so, by `namespace/name`.
    pub deaf: BTreeSet<String>,
    /// What this host does not carry out, and why.
    pub notices: Vec<Notice>,
}

/// One forward on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// `namespace/name`.
    pub name: String,
    /// Identity of the name.
    pub id: u64,
    /// Where it listens, before conflicts; empty while paused.
    pub matches: Vec<Match>,
    /// What it does.
    pub treatment: Treatment,
}

/// What a forward does with its packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// `ACTION_*`.
    pub action: u8,
    /// `UNAVAILABLE_*`.
    pub when_unavailable: u8,
    /// A packet's source must be in one of these; empty: any source.
    pub sources: BTreeSet<Prefix>,
    /// In the order of the spec.
    pub destinations: Vec<Destination>,
}

/// One destination of a forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `namespace/name/destination`.
    pub name: String,
    /// Identity of the name.
    pub id: u64,
    /// How it treats packets.
    pub options: Options,
    /// By [`Family`]; sorted by address and port.
    pub upstreams: [Vec<Upstream>; Family::ALL.len()],
}

/// One upstream of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its address.
    pub address: Address,
    /// None: the port that the packet came to.
    pub port: Option<u16>,
    /// 1–256.
    pub weight: u16,
    /// Whether the balance table names it.
    pub usable: bool,
}

impl Desired {
    /// Settles the input for this host. `only` takes the place of all forwards' own interfaces.
    #[must_use]
    pub fn settle(input: &Input, only: Option<&[InterfacePattern]>, facts: &Facts) -> Self {
        let mut notices = Vec::new();
        let mut attachments = BTreeSet::new();
        let mut deaf = BTreeSet::new();
        let mut wanted: Vec<(&Spec, Vec<Match>)> = Vec::new();
        for forward in distinct(&input.forwards, &mut notices) {
            let mut matches = Vec::new();
            if !forward.paused {
                let interfaces = interfaces::resolve(forward, only, facts, &mut notices);
                let places = places::resolve(forward, &interfaces, facts, &mut notices);
                let ports = forward.ports.clone();
                matches.push(Match { ports, places });
                families::check(forward, &matches, &mut notices);
                if interfaces.is_empty() {
                    let _ = deaf.insert(forward.name.clone());
                }
                attachments.extend(interfaces);
            }
            wanted.push((forward, matches));
        }
        let (groups, conflicts) = group::group(
            (wanted.iter().enumerate())
                .flat_map(|(index, (_, all))| all.iter().map(move |one| (index, one))),
        );
        for conflict in conflicts {
            let name = |index: usize| {
                wanted
                    .get(index)
                    .map_or("", |(forward, _)| &forward.name)
                    .to_owned()
            };
            notices.push(Notice::ListenerConflict {
                forward: name(conflict.loser),
                winner: name(conflict.winner),
                interface: interfaces::name_of(conflict.place.interface, facts),
                address: conflict.place.prefix.to_string(),
                ports: conflict.ports.to_string(),
            });
        }
        let own = facts
            .addresses
            .iter()
            .map(|(_, net)| address::from_ip(net.addr()))
            .collect();
        let forwards = wanted
            .into_iter()
            .map(|(forward, matches)| Forward {
                name: forward.name.clone(),
                id: identity(forward.name.as_bytes()),
                matches,
                treatment: treatment::resolve(forward, &groups, &own, facts, &mut notices),
            })
            .collect();
        let upstreams = input.upstream_addresses();
        Self {
            vlans: vlans(&attachments, facts),
            attachments,
            forwards,
            groups,
            next_hops: upstreams
                .iter()
                .filter_map(|&upstream| {
                    let slot = next_hop::next_hop(upstream, facts).slot()?;
                    Some((address::from_ip(upstream), slot))
                })
                .collect(),
            neighbours: neighbours(&upstreams, facts),
            deaf,
            notices,
        }
    }
}

impl Desired {
    /// Whether a neighbour that copies go to has neither answered nor failed yet.
    #[must_use]
    pub fn is_resolving(&self, facts: &Facts) -> bool {
        self.neighbours.iter().any(|neighbour| {
            let state = facts.neighbours.get(neighbour).map(|entry| entry.state);
            matches!(state, None | Some(NeighbourState::Resolving))
        })
    }
}

/// Leaves out forwards whose names, or whose destinations' names, cannot be told from earlier ones.
fn distinct<'a>(forwards: &'a [Spec], notices: &mut Vec<Notice>) -> Vec<&'a Spec> {
    let mut taken: BTreeMap<u64, String> = BTreeMap::new();
    let is_new = |forward: &&Spec| {
        let destinations = forward.destinations.iter();
        let names =
            destinations.map(|destination| format!("{}/{}", forward.name, destination.name));
        let mut own = BTreeMap::new();
        for name in names.chain([forward.name.clone()]) {
            let id = identity(name.as_bytes());
            if let Some(other) = taken.get(&id).or_else(|| own.get(&id)).cloned() {
                notices.push(Notice::SameIdentity { name, other });
                return false;
            }
            let _ = own.insert(id, name);
        }
        taken.append(&mut own);
        true
    };
    forwards.iter().filter(is_new).collect()
}

fn vlans(
    attachments: &BTreeSet<InterfaceIndex>,
    facts: &Facts,
) -> BTreeMap<VlanKey, InterfaceIndex> {
    let devices = facts.links.iter().filter_map(|(&device, link)| {
        let vlan = link
            .vlan
            .filter(|vlan| attachments.contains(&vlan.parent))?;
        let key = VlanKey {
            interface: vlan.parent,
            protocol: vlan.protocol,
            vlan: vlan.id,
        };
        Some((key, device))
    });
    devices.collect()
}

/// Entries that somebody else keeps are used as they are.
fn neighbours(upstreams: &BTreeSet<IpAddr>, facts: &Facts) -> BTreeSet<(InterfaceIndex, IpAddr)> {
    upstreams
        .iter()
        .filter_map(|&upstream| next_hop::neighbour_of(upstream, facts))
        .filter(|key| {
            let entry = facts.neighbours.get(key);
            entry.is_none_or(|entry| entry.keeper != Keeper::Other)
        })
        .collect()
}
