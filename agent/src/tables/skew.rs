//! How evenly a balance table shares its slots. **pure**

use std::collections::BTreeMap;

use udplb_abi::forward::Balance;

use super::{Tables, balance::BalanceTable};

/// The shares of one table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skew {
    /// Slots.
    pub slots: u32,
    /// Upstreams that have some.
    pub upstreams: usize,
    /// Slots for each unit of weight: the largest over the mean; 1 is even.
    pub skew: f64,
}

/// The shares of a destination's table in one family; None where it has no table.
#[must_use]
pub fn of(tables: &Tables, balance: Balance) -> Option<Skew> {
    let entries = tables
        .balance
        .get(balance.table, balance.slots)
        .map(BalanceTable::entries)
        .filter(|_| balance.slots > 0)?;
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for &index in entries.iter() {
        *counts.entry(index.into()).or_default() += 1;
    }
    let weight = |index: &u32| {
        let upstream = tables.upstreams.get(&balance.first.saturating_add(*index));
        f64::from(upstream.map_or(1, |upstream| upstream.weight.max(1)))
    };
    let total: f64 = counts.keys().map(weight).sum();
    let mean = f64::from(balance.slots) / total;
    let shares = counts
        .iter()
        .map(|(index, count)| f64::from(*count) / weight(index));
    Some(Skew {
        slots: balance.slots,
        upstreams: counts.len(),
        skew: shares.fold(0.0, f64::max) / mean,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn shares_are_compared_by_weight() {
        let spec = "
  interfaces: [eth0]
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - name: out
    upstreams:
    - {address: 203.0.113.1, weight: 1}
    - {address: 203.0.113.2, weight: 3}
  - {name: single, upstreams: [{address: 203.0.113.1}]}
";
        let mut tables = fixture::tables(&[("syslog", spec)]);
        let destinations = tables.forward_slots.values().next().unwrap().destinations;
        let balance = destinations[0].balance[0];
        let found = of(&tables, balance).unwrap();
        assert_eq!((found.slots, found.upstreams), (16_381, 2));
        assert!((1.0..1.01).contains(&found.skew), "{found:?}");
        assert_eq!(of(&tables, destinations[1].balance[0]), None);

        // Half for each, of which the first should have a quarter: twice its share.
        let half = (0..16_381).map(|slot| u8::from(slot % 2 == 0)).collect();
        tables.balance.write(balance.table, half);
        let found = of(&tables, balance).unwrap();
        assert!((found.skew - 2.0).abs() < 0.001, "{found:?}");
    }
}
