//! Where maps are not what they should be: somebody else wrote to them. **pure**

use std::collections::BTreeSet;

use udplb_abi::{
    forward::{Balance, ForwardSlot},
    map,
};

use super::Tables;

impl Tables {
    /// The first map whose content in `read` is another one than here, if any is.
    ///
    /// What nothing leads to makes no difference, nor do words that the program moves. Attachments are looked at where the
    /// hooks are.
    #[must_use]
    pub fn difference(&self, read: &Self) -> Option<&'static str> {
        self.roots(read).or_else(|| {
            let slots = self.forwards.values();
            slots
                .map(|slot| (self.forward_slots.get(slot), read.forward_slots.get(slot)))
                .find_map(|(ours, theirs)| match ours {
                    _ if ours != theirs => Some(map::FORWARD_SLOTS),
                    Some(forward) => self.treatment(forward, read),
                    None => None,
                })
        })
    }

    /// What can be reached without a step in between, and the listeners.
    fn roots(&self, read: &Self) -> Option<&'static str> {
        let neighbours = |tables: &Self| tables.neighbours.keys().copied().collect::<BTreeSet<_>>();
        let same = [
            (map::PORTS, self.ports == read.ports),
            (map::FORWARDS, self.forwards == read.forwards),
            (map::LISTENERS, self.listeners == read.listeners),
            (
                map::LISTENER_SLOTS,
                self.listeners
                    .values()
                    .all(|slot| self.listener_slots.get(slot) == read.listener_slots.get(slot)),
            ),
            (map::SOURCES, self.sources == read.sources),
            (map::VLANS, self.vlans == read.vlans),
            (map::NAMES, self.names == read.names),
            (map::RETIRED, self.retired == read.retired),
            (map::NEIGHBOURS, neighbours(self) == neighbours(read)),
        ];
        let different = same.into_iter().find(|(_, is_same)| !is_same);
        different.map(|(name, _)| name)
    }

    /// What a version in force leads to.
    fn treatment(&self, forward: &ForwardSlot, read: &Self) -> Option<&'static str> {
        let count = forward.destination_count.into();
        forward
            .destinations
            .iter()
            .take(count)
            .find_map(|destination| {
                let limit = |tables: &Self| {
                    let limit = tables.rate_limits.get(&destination.rate_limit);
                    limit.map(|limit| (limit.interval, limit.tolerance))
                };
                if limit(self) != limit(read) {
                    return Some(map::RATE_LIMITS);
                }
                let balances = destination.balance.iter();
                balances
                    .copied()
                    .find_map(|balance| self.balance_of(balance, read))
            })
    }

    fn balance_of(&self, balance: Balance, read: &Self) -> Option<&'static str> {
        let table = |tables: &Self| tables.balance.get(balance.table, balance.slots).cloned();
        if balance.slots > 0 && table(self) != table(read) {
            return Some(map::TABLES);
        }
        let block = balance.first..balance.first.saturating_add(balance.count);
        block.into_iter().find_map(|slot| {
            let (ours, theirs) = (self.upstreams.get(&slot), read.upstreams.get(&slot));
            if ours != theirs {
                return Some(map::UPSTREAMS);
            }
            let hop = ours?.next_hop;
            (self.next_hops.get(&hop) != read.next_hops.get(&hop)).then_some(map::NEXT_HOPS)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    type Damage = fn(&mut Tables);

    fn tables() -> Tables {
        fixture::tables(&[(
            "syslog",
            "  match: {ports: [{port: 514}]}\n  action: Clone\n  destinations:\n  - {name: one, rateLimit: {packetsPerSecond: 10, burst: 2}, upstreams: [{address: 203.0.113.1}, {address: 203.0.113.2}]}\n",
        )])
    }

    /// Each map that a packet meets is looked at, wherever it is damaged.
    #[test]
    fn every_damage_is_seen() {
        let damages: [(&str, Damage); 9] = [
            (map::PORTS, |tables| tables.ports.clear()),
            (map::FORWARDS, |tables| tables.forwards.clear()),
            (map::LISTENERS, |tables| tables.listeners.clear()),
            (map::LISTENER_SLOTS, |tables| {
                for slot in tables.listener_slots.values_mut() {
                    slot.forward += 1;
                }
            }),
            (map::FORWARD_SLOTS, |tables| {
                for slot in tables.forward_slots.values_mut() {
                    slot.action ^= 1;
                }
            }),
            (map::UPSTREAMS, |tables| {
                for slot in tables.upstreams.values_mut() {
                    slot.port = [1, 1];
                }
            }),
            (map::NEXT_HOPS, |tables| {
                for slot in tables.next_hops.values_mut() {
                    slot.destination_mac[5] ^= 1;
                }
            }),
            (map::RATE_LIMITS, |tables| {
                for slot in tables.rate_limits.values_mut() {
                    slot.interval += 1;
                }
            }),
            (map::NAMES, |tables| tables.names.clear()),
        ];
        let whole = tables();
        assert_eq!(whole.difference(&tables()), None);
        for (map, damage) in damages {
            let mut read = tables();
            damage(&mut read);
            assert_eq!(whole.difference(&read), Some(map));
        }
    }

    /// The program moves the clock of a rate limit; slots that nothing leads to hold what they held.
    #[test]
    fn what_moves_by_itself_is_no_difference() {
        let mut read = tables();
        for limit in read.rate_limits.values_mut() {
            limit.arrival += 5;
        }
        let unused = read.upstreams.values().next().copied().unwrap();
        let _ = read.upstreams.insert(1000, unused);
        assert_eq!(tables().difference(&read), None);
    }
}
