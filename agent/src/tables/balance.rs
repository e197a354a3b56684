//! The balance tables in `TABLES`, as shared blocks that compare by pointer first. **pure**

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use udplb_abi::forward::TABLE_ENTRIES_PER_VALUE;

/// The entries of one balance table. Hashed once; equality is by content, and cheap for clones.
#[derive(Clone, Debug, Eq)]
pub struct BalanceTable {
    digest: u64,
    entries: Arc<[u8]>,
}

impl BalanceTable {
    /// A table of these entries.
    #[must_use]
    pub fn new(entries: Arc<[u8]>) -> Self {
        let mut hasher = DefaultHasher::new();
        entries.hash(&mut hasher);
        let digest = hasher.finish();
        Self { digest, entries }
    }

    /// One upstream index a slot.
    #[must_use]
    pub const fn entries(&self) -> &Arc<[u8]> {
        &self.entries
    }

    /// How many entries.
    #[must_use]
    pub fn slots(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// How many values of `TABLES` it takes.
    #[must_use]
    pub fn values(&self) -> u32 {
        self.slots().div_ceil(TABLE_ENTRIES_PER_VALUE)
    }
}

impl PartialEq for BalanceTable {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && (Arc::ptr_eq(&self.entries, &other.entries) || self.entries == other.entries)
    }
}

impl Hash for BalanceTable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

/// Balance tables by their first value in `TABLES`. They never overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceTables(BTreeMap<u32, BalanceTable>);

impl BalanceTables {
    /// No table.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The table at `first`, if it has this many slots.
    #[must_use]
    pub fn get(&self, first: u32, slots: u32) -> Option<&BalanceTable> {
        self.0.get(&first).filter(|table| table.slots() == slots)
    }

    /// Writes a table, over whatever was there.
    pub fn write(&mut self, first: u32, entries: Arc<[u8]>) {
        let table = BalanceTable::new(entries);
        let end = first.saturating_add(table.values());
        self.0
            .retain(|&other, old| other >= end || other.saturating_add(old.values()) <= first);
        let _ = self.0.insert(first, table);
    }
}
