//! Balance tables that were built before. **pure**

use std::collections::HashMap;

use udplb_abi::address;
use udplb_plan::balance::{self, Weighted};

use crate::{desired::Upstream, tables::balance::BalanceTable};

/// What decides a table's content: its length, and each upstream that takes part.
type Key = (u32, Vec<Weighted>);

/// Balance tables by what they balance over. Building one takes milliseconds, so passes share them.
#[derive(Debug)]
pub struct Cache {
    build: fn(u32, &[Weighted]) -> Vec<u8>,
    tables: HashMap<Key, (BalanceTable, u64)>,
    pass: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(balance::table)
    }
}

impl Cache {
    /// A cache of what `build` makes of a number of slots and the upstreams to share them.
    pub(super) fn new(build: fn(u32, &[Weighted]) -> Vec<u8>) -> Self {
        Self {
            build,
            tables: HashMap::new(),
            pass: 0,
        }
    }

    /// The table over the usable ones of `upstreams`.
    pub(super) fn table(&mut self, upstreams: &[Upstream]) -> BalanceTable {
        let usable = (0_u8..=u8::MAX)
            .zip(upstreams)
            .filter(|(_, upstream)| upstream.usable);
        let weighted = usable.map(|(index, upstream)| Weighted {
            key: (address::to_ip(upstream.address), upstream.port),
            weight: upstream.weight,
            index,
        });
        let key: Key = (balance::slots(upstreams.len()), weighted.collect());
        let (build, pass) = (self.build, self.pass);
        let (table, used) = self
            .tables
            .entry(key)
            .or_insert_with_key(|(slots, weighted)| {
                (BalanceTable::new(build(*slots, weighted).into()), pass)
            });
        *used = pass;
        table.clone()
    }

    /// Forgets what the last pass did not ask for.
    pub(super) fn end_pass(&mut self) {
        let pass = self.pass;
        self.tables.retain(|_, (_, used)| *used == pass);
        self.pass += 1;
    }
}
