//! What an op does to the maps. **pure**

use udplb_abi::{
    NONE,
    listener::{ListenerKey, PortWord},
};

use super::{AttachmentState, NeighbourState, Tables};
use crate::{
    desired::{group::Place, prefix::Prefix},
    op::Op,
};

impl Tables {
    /// Mirrors an op that the kernel has carried out.
    pub fn apply(&mut self, op: &Op) {
        self.grace_due |= self.frees(op);
        self.write(op);
        self.publish(op);
        self.forget(op);
        if *op == Op::Grace {
            self.grace_due = false;
        }
    }

    /// Whether an op makes something unreachable that running programs may still read.
    #[must_use]
    pub fn frees(&self, op: &Op) -> bool {
        match op {
            Op::SetListener {
                key,
                prefix_length,
                slot,
            } => {
                let old = self.listeners.get(&entry(key, *prefix_length));
                old.is_some_and(|old| old != slot)
            }
            Op::RemoveListener { .. } => true,
            Op::SetNextHop { upstream, slot } => {
                let old = self.upstreams.get(upstream);
                old.is_some_and(|old| old.next_hop != NONE && old.next_hop != *slot)
            }
            Op::SetForward { forward, slot } => {
                let old = self.forwards.get(forward);
                old.is_some_and(|old| old != slot)
            }
            Op::SetPort { port, word } => {
                let old = self.port(*port);
                old != PortWord::NOBODY && old != *word
            }
            _ => false,
        }
    }

    /// Fills slots.
    fn write(&mut self, op: &Op) {
        match op {
            Op::WriteName { id, name } => {
                let _ = self.names.insert(*id, name.clone());
            }
            Op::WriteSource { key, prefix_length } => {
                let prefix = Prefix::new(key.address, *prefix_length);
                let _ = self.sources.entry(key.set).or_default().insert(prefix);
            }
            Op::WriteTable { first, entries } => self.balance.write(*first, entries.clone()),
            Op::WriteNextHop { slot, value } => {
                let _ = self.next_hops.insert(*slot, *value);
            }
            Op::WriteRateLimit { slot, value } => {
                let _ = self.rate_limits.insert(*slot, *value);
            }
            Op::WriteUpstream { slot, value } => {
                let _ = self.upstreams.insert(*slot, *value);
            }
            Op::WriteForward { slot, value } => {
                let _ = self.forward_slots.insert(*slot, **value);
            }
            Op::WriteListener { slot, value } => {
                let _ = self.listener_slots.insert(*slot, *value);
            }
            _ => {}
        }
    }

    /// Changes what packets meet.
    fn publish(&mut self, op: &Op) {
        match op {
            Op::SetListener {
                key,
                prefix_length,
                slot,
            } => {
                let _ = self.listeners.insert(entry(key, *prefix_length), *slot);
            }
            Op::SetNextHop { upstream, slot } => {
                if let Some(upstream) = self.upstreams.get_mut(upstream) {
                    upstream.next_hop = *slot;
                }
            }
            Op::SetForward { forward, slot } if *slot == NONE => {
                let _ = self.forwards.remove(forward);
            }
            Op::SetForward { forward, slot } => {
                let _ = self.forwards.insert(*forward, *slot);
                self.claim(*slot);
            }
            Op::SetPort { port, word } if *word == PortWord::NOBODY => {
                let _ = self.ports.remove(port);
            }
            Op::SetPort { port, word } => {
                let _ = self.ports.insert(*port, *word);
            }
            Op::SetVlan { key, device } => {
                let _ = self.vlans.insert(*key, *device);
            }
            Op::Attach { interface } => {
                let state = AttachmentState::Current;
                let _ = self.attachments.insert(*interface, state);
            }
            Op::ManageNeighbour { interface, address } => {
                let key = (*interface, *address);
                let _ = self.neighbours.insert(key, NeighbourState::Kept);
            }
            _ => {}
        }
    }

    /// Whoever is counted by a version in force needs no other mention.
    fn claim(&mut self, slot: u32) {
        if self.unclaimed.is_empty() {
            return;
        }
        if let Some(forward) = self.forward_slots.get(&slot).copied() {
            let mut unclaimed = std::mem::take(&mut self.unclaimed);
            unclaimed.claim(&forward, self);
            self.unclaimed = unclaimed;
        }
    }

    /// Takes out of hashes. Counters are not mirrored.
    fn forget(&mut self, op: &Op) {
        match op {
            Op::RemoveListener { key, prefix_length } => {
                let _ = self.listeners.remove(&entry(key, *prefix_length));
            }
            Op::RemoveVlan { key } => {
                let _ = self.vlans.remove(key);
            }
            Op::Detach { interface } => {
                let _ = self.attachments.remove(interface);
            }
            Op::ReleaseNeighbour { interface, address } => {
                let _ = self.neighbours.remove(&(*interface, *address));
            }
            Op::RemoveSource { key, prefix_length } => {
                let prefix = Prefix::new(key.address, *prefix_length);
                if let Some(set) = self.sources.get_mut(&key.set) {
                    let _ = set.remove(&prefix);
                    if set.is_empty() {
                        let _ = self.sources.remove(&key.set);
                    }
                }
            }
            Op::RetireUpstream {
                destination,
                counters,
            } => {
                let _ = self.retired.insert(*destination);
                self.unclaimed.upstreams.retain(|_, slot| slot != counters);
            }
            Op::ClearUpstreamCounters { slot: cleared } => {
                self.unclaimed.upstreams.retain(|_, slot| slot != cleared);
            }
            Op::ClearDestinationCounters { slot: cleared } => {
                self.unclaimed
                    .destinations
                    .retain(|_, slot| slot != cleared);
            }
            Op::ClearForwardCounters { slot: cleared } => {
                self.unclaimed.forwards.retain(|_, slot| slot != cleared);
            }
            Op::RemoveRetired { destination } => {
                let _ = self.retired.remove(destination);
            }
            Op::RemoveName { id } => {
                let _ = self.names.remove(id);
            }
            _ => {}
        }
    }
}

/// The key of a listener's entry in the mirror.
fn entry(key: &ListenerKey, prefix_length: u8) -> (u16, Place) {
    let place = Place {
        interface: key.interface,
        prefix: Prefix::new(key.address, prefix_length),
    };
    (key.group, place)
}
