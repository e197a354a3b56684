//! The way of a packet through the maps, step by step as the program goes it. **pure**
//!
//! `explain` shows it; the tests of `diff` judge by it. Each step reads one map, so that a test can
//! change the maps between two steps.

use std::collections::BTreeSet;

use udplb_abi::{
    NONE,
    address::{Address, Family},
    forward::{Balance, Destination, ForwardSlot, UpstreamSlot},
    hash::{self, Flow, Strategy},
    listener::{ListenerSlot, PortWord},
    next_hop::NextHopSlot,
};

use super::{Tables, balance::BalanceTable};
use crate::{
    desired::{
        group::Place,
        prefix::{Prefix, family_of},
    },
    facts::InterfaceIndex,
};

/// What decides whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The interface that it arrived on.
    pub interface: InterfaceIndex,
    /// Destination address.
    pub destination: Address,
    /// Destination port.
    pub port: u16,
    /// Source address.
    pub source: Address,
}

/// A packet that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// The listener that it met.
    pub listener: &'a ListenerSlot,
    /// The forward, as it is in force.
    pub forward: &'a ForwardSlot,
}

/// Who takes a packet, if anybody does.
#[must_use]
pub fn walk<'a>(tables: &'a Tables, packet: &Packet) -> Option<Hit<'a>> {
    let word = tables.port(packet.port);
    let slot = exact(tables, word, packet).or_else(|| longest_prefix(tables, word, packet))?;
    let listener = listener(tables, slot, word, packet)?;
    let forward = tables.forward(listener.forward)?;
    takes_source(tables, forward, &packet.source).then_some(Hit { listener, forward })
}

/// `LISTENERS`: the slot of a listener on exactly the packet's address.
#[must_use]
pub fn exact(tables: &Tables, word: PortWord, packet: &Packet) -> Option<u32> {
    if word.group() == PortWord::NOBODY.group() {
        return None;
    }
    let prefix = Prefix::exact(packet.destination);
    let place = Place {
        interface: packet.interface,
        prefix,
    };
    tables.listeners.get(&(word.group(), place)).copied()
}

/// `PREFIXES`: the slot of the listener on the longest prefix that the packet's address is in.
#[must_use]
pub fn longest_prefix(tables: &Tables, word: PortWord, packet: &Packet) -> Option<u32> {
    let family = family_of(&packet.destination);
    if word.group() == PortWord::NOBODY.group() || !word.has_prefixes(family) {
        return None;
    }
    let covering = (0..Prefix::exact(packet.destination).length())
        .rev()
        .map(|length| Place {
            interface: packet.interface,
            prefix: Prefix::new(packet.destination, length),
        });
    // One trie holds both families: an IPv4 address may end at an IPv6 prefix, which is no match.
    let mut found = covering.filter_map(|place| {
        let slot = tables.listeners.get(&(word.group(), place))?;
        Some((place.prefix.family() == family, *slot))
    });
    found
        .next()
        .and_then(|(same_family, slot)| same_family.then_some(slot))
}

/// `LISTENER_SLOTS`: what a slot holds, if it still is the slot of what led to it.
#[must_use]
pub fn listener<'a>(
    tables: &'a Tables,
    slot: u32,
    word: PortWord,
    packet: &Packet,
) -> Option<&'a ListenerSlot> {
    tables.listener_slots.get(&slot).filter(|found| {
        found.key.interface == packet.interface
            && found.key.group == word.group()
            && Prefix::new(found.key.address, found.prefix_length).covers(&packet.destination)
    })
}

/// `SOURCES`: whether a forward takes packets from this source.
#[must_use]
pub fn takes_source(tables: &Tables, forward: &ForwardSlot, source: &Address) -> bool {
    forward.sources == NONE
        || tables
            .sources
            .get(&forward.sources)
            .is_some_and(|set| set.iter().any(|prefix| prefix.covers(source)))
}

/// The upstreams of a destination in one family, with the next hop of each.
pub fn upstreams(
    tables: &Tables,
    balance: Balance,
) -> impl Iterator<Item = (&UpstreamSlot, Option<&NextHopSlot>)> {
    let block = balance.first..balance.first.saturating_add(balance.count);
    block.filter_map(|slot| {
        let upstream = tables.upstreams.get(&slot)?;
        Some((upstream, tables.next_hops.get(&upstream.next_hop)))
    })
}

/// Which upstream a destination chooses for a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The destination has no upstream in the packet's family.
    NoUpstream,
    /// Any upstream of the balance table: the strategy is random.
    Any,
    /// This one.
    Upstream {
        /// Where the flow's hash points in the balance table; None: the destination needs no table.
        position: Option<u32>,
        /// The upstream there.
        slot: &'a UpstreamSlot,
    },
}

/// Which upstream `destination` chooses for `flow`.
#[must_use]
pub fn choose<'a>(tables: &'a Tables, destination: &Destination, flow: &Flow) -> Choice<'a> {
    let family = family_of(&flow.destination);
    let Balance {
        first,
        count,
        slots,
        table,
    } = match family {
        Family::V4 => destination.balance[0],
        Family::V6 => destination.balance[1],
    };
    if count == 0 {
        return Choice::NoUpstream;
    }
    let (position, index) = if slots == 0 {
        (None, Some(table))
    } else {
        let Some(strategy) = strategy(destination.strategy) else {
            return Choice::Any;
        };
        let position = hash::index(hash::flow(strategy, flow), slots);
        let entries = tables.balance.get(table, slots).map(BalanceTable::entries);
        let entry = entries.and_then(|entries| entries.get(position as usize));
        (Some(position), entry.copied().map(u32::from))
    };
    index
        .and_then(|index| tables.upstreams.get(&first.saturating_add(index)))
        .map_or(Choice::NoUpstream, |slot| Choice::Upstream {
            position,
            slot,
        })
}

/// Every upstream that a destination can choose in one family: those that its table names.
#[must_use]
pub fn choices(tables: &Tables, balance: Balance) -> Vec<&UpstreamSlot> {
    let indexes: BTreeSet<u32> = match (balance.count, balance.slots) {
        (0, _) => BTreeSet::new(),
        (_, 0) => BTreeSet::from([balance.table]),
        (_, slots) => {
            let table = tables.balance.get(balance.table, slots);
            let entries = table.map(BalanceTable::entries).into_iter();
            entries
                .flat_map(|all| all.iter().map(|&index| index.into()))
                .collect()
        }
    };
    let slots = indexes
        .into_iter()
        .map(|index| balance.first.saturating_add(index));
    slots
        .filter_map(|slot| tables.upstreams.get(&slot))
        .collect()
}

/// Whether flow sampling takes `flow`; None: each packet is decided alone.
#[must_use]
pub fn is_sampled(destination: &Destination, flow: &Flow) -> Option<bool> {
    use udplb_abi::forward::SAMPLING_PER_FLOW;
    match (destination.sampling_one_in, destination.sampling_per) {
        (0 | 1, _) => Some(true),
        (one_in, SAMPLING_PER_FLOW) => {
            Some(hash::index(hash::five_tuple(hash::SAMPLING_SEED, flow), one_in) == 0)
        }
        _ => None,
    }
}

/// The strategy of this number; None: random.
#[must_use]
pub const fn strategy(number: u8) -> Option<Strategy> {
    const SOURCE_PORT: u8 = Strategy::SourcePort as u8;
    const SOURCE_IP_PORT: u8 = Strategy::SourceIpPort as u8;
    const FIVE_TUPLE: u8 = Strategy::FiveTuple as u8;
    const RANDOM: u8 = Strategy::Random as u8;
    match number {
        SOURCE_PORT => Some(Strategy::SourcePort),
        SOURCE_IP_PORT => Some(Strategy::SourceIpPort),
        FIVE_TUPLE => Some(Strategy::FiveTuple),
        RANDOM => None,
        _ => Some(Strategy::SourceIp),
    }
}
