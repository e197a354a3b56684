//! A packet as the program handles it, one load of shared memory at a time.
//!
//! The steps are those of `agent-ebpf` in their order. What the packet keeps in registers and on its stack between two
//! loads is in [`At`]; everything else it reads again, at whatever state the maps are in by then.

use udplb_abi::{
    NONE,
    address::Address,
    forward::{Balance, Destination, ForwardSlot},
    listener::{LISTENER_LOOKS, ListenerSlot, PortWord},
    next_hop::NextHopSlot,
};

use super::{State, elements::Key};
use crate::{
    desired::{
        group::Place,
        prefix::{Prefix, family_of},
    },
    diff::tests::view::in_use,
    tables::{
        Tables,
        walk::{self, Packet},
    },
};

/// What became of a packet; None: nobody listens.
pub(super) type Outcome = Option<Met>;

/// The version that a packet met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    id: u64,
    source: Address,
    action: u8,
    destinations: Vec<Sent>,
}

/// What one destination does with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    id: u64,
    limit: Option<(u64, u64)>,
    /// The balance table, or the one index.
    table: Vec<u8>,
    /// Address, port and weight of each upstream.
    upstreams: Vec<Option<(Address, [u8; 2], u16)>>,
    /// How each upstream is reached. The network changes this, not a version.
    hops: Vec<Option<NextHopSlot>>,
}

impl Met {
    /// The version alone, and how its upstreams were reached.
    pub(super) fn apart(mut self) -> (Self, Vec<(Address, Option<NextHopSlot>)>) {
        let mut hops = Vec::new();
        for sent in &mut self.destinations {
            let addresses = sent.upstreams.iter().flatten().map(|one| one.0);
            hops.extend(addresses.zip(sent.hops.drain(..)));
        }
        (self, hops)
    }
}

/// Where a packet is on its way, and what it has read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum At {
    Port,
    Exact {
        word: PortWord,
        looks: u32,
    },
    /// The trie. A walk of it is one step: what it leads to is told in ARCHITECTURE.md, "The switch".
    Prefix(PortWord),
    /// The value of what was found.
    Element {
        word: PortWord,
        element: usize,
        /// Where the packet goes on if another key has the element by now.
        again: Box<At>,
    },
    Listener {
        word: PortWord,
        slot: u32,
        again: Box<At>,
    },
    Number(ListenerSlot),
    Forward {
        listener: ListenerSlot,
        slot: u32,
    },
    Sources {
        forward: Box<ForwardSlot>,
        met: Met,
    },
    Destination {
        forward: Box<ForwardSlot>,
        met: Met,
        stage: Stage,
    },
    Done(Outcome),
}

/// What is read next of the destination that comes after those of `met`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Table,
    Upstreams,
    Words,
    Hops(Vec<u32>),
    Limit,
}

impl At {
    /// The next load, from the maps as they are now.
    pub(super) fn step(self, state: &State, packet: &Packet) -> Self {
        let tables = &state.tables;
        match self {
            Self::Port => match tables.port(packet.port) {
                PortWord::NOBODY => Self::Done(None),
                word => Self::Exact {
                    word,
                    looks: LISTENER_LOOKS,
                },
            },
            Self::Exact { word, looks } => match state.elements.find(exact(word, packet)) {
                Some(element) => Self::Element {
                    word,
                    element,
                    again: Box::new(Self::again(word, looks - 1, packet)),
                },
                None => Self::again(word, 0, packet),
            },
            Self::Prefix(word) => match walk::longest_prefix(tables, word, packet) {
                Some(slot) => Self::Listener {
                    word,
                    slot,
                    again: Box::new(Self::Done(None)),
                },
                None => Self::Done(None),
            },
            Self::Element {
                word,
                element,
                again,
            } => Self::Listener {
                word,
                slot: state.elements.slot(element),
                again,
            },
            Self::Listener { word, slot, again } => {
                let listener = walk::listener(tables, slot, word, packet);
                listener.map_or(*again, |found| Self::Number(*found))
            }
            Self::Number(listener) => match tables.forwards.get(&listener.forward) {
                Some(&slot) => Self::Forward { listener, slot },
                None => Self::Done(None),
            },
            Self::Forward { listener, slot } => {
                let Some(forward) = tables.forward_slots.get(&slot) else {
                    return Self::Done(None);
                };
                let met = Met {
                    id: forward.id,
                    source: listener.source,
                    action: forward.action,
                    destinations: Vec::new(),
                };
                let forward = Box::new(*forward);
                Self::Sources { forward, met }
            }
            Self::Sources { forward, met } => {
                if walk::takes_source(tables, &forward, &packet.source) {
                    Self::next_destination(forward, met)
                } else {
                    Self::Done(None)
                }
            }
            Self::Destination {
                forward,
                met,
                stage,
            } => Self::at_destination(forward, met, stage, tables, packet),
            Self::Done(_) => self,
        }
    }

    /// After a lookup of the exact address that found nothing, or an element that another key has by now.
    fn again(word: PortWord, looks: u32, packet: &Packet) -> Self {
        if looks > 0 {
            Self::Exact { word, looks }
        } else if word.has_prefixes(family_of(&packet.destination)) {
            Self::Prefix(word)
        } else {
            Self::Done(None)
        }
    }

    fn next_destination(forward: Box<ForwardSlot>, met: Met) -> Self {
        if in_use(&forward).nth(met.destinations.len()).is_none() {
            return Self::Done(Some(met));
        }
        Self::Destination {
            forward,
            met,
            stage: Stage::Table,
        }
    }

    fn at_destination(
        forward: Box<ForwardSlot>,
        mut met: Met,
        stage: Stage,
        tables: &Tables,
        packet: &Packet,
    ) -> Self {
        let first = matches!(stage, Stage::Table);
        let index = met.destinations.len() - usize::from(!first);
        let destination = forward.destinations[index];
        let balance = destination.balance[family_of(&packet.destination) as usize];
        if first {
            met.destinations.push(Sent {
                id: destination.id,
                limit: None,
                table: table(balance, tables),
                upstreams: Vec::new(),
                hops: Vec::new(),
            });
        }
        let block = balance.first..balance.first + balance.count;
        let Some(sent) = met.destinations.last_mut() else {
            return Self::Done(None);
        };
        let stage = match stage {
            Stage::Table => Stage::Upstreams,
            Stage::Upstreams => {
                let read = |slot| {
                    let one = tables.upstreams.get(&slot)?;
                    Some((one.address, one.port, one.weight))
                };
                sent.upstreams = block.map(read).collect();
                Stage::Words
            }
            Stage::Words => {
                let read = |slot| tables.upstreams.get(&slot).map_or(NONE, |one| one.next_hop);
                Stage::Hops(block.map(read).collect())
            }
            Stage::Hops(words) => {
                let read = |slot: &u32| tables.next_hops.get(slot).copied();
                sent.hops = words.iter().map(read).collect();
                Stage::Limit
            }
            Stage::Limit => {
                sent.limit = limit(&destination, tables);
                return Self::next_destination(forward, met);
            }
        };
        Self::Destination {
            forward,
            met,
            stage,
        }
    }
}

/// The key under which `LISTENERS` has a packet's address.
fn exact(word: PortWord, packet: &Packet) -> Key {
    let place = Place {
        interface: packet.interface,
        prefix: Prefix::exact(packet.destination),
    };
    (word.group(), place)
}

fn table(balance: Balance, tables: &Tables) -> Vec<u8> {
    match (balance.count, balance.slots) {
        (0, _) => Vec::new(),
        (_, 0) => vec![u8::try_from(balance.table).unwrap()],
        // A value that another table has begun to take: what the packet reads is neither.
        (_, slots) => tables
            .balance
            .get(balance.table, slots)
            .map_or_else(Vec::new, |table| table.entries().to_vec()),
    }
}

fn limit(destination: &Destination, tables: &Tables) -> Option<(u64, u64)> {
    let limit = tables.rate_limits.get(&destination.rate_limit)?;
    Some((limit.interval, limit.tolerance))
}

/// What becomes of a packet in maps that do not change.
pub(super) fn walk_at_once(state: &State, packet: &Packet) -> Outcome {
    let mut at = At::Port;
    loop {
        if let At::Done(outcome) = at {
            return outcome;
        }
        at = at.step(state, packet);
    }
}
