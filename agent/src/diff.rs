//! Desired against observed: the ops that turn one into the other. **pure**
//!
//! ```text
//! Tables ─▶ ledger (reachable, free, by content) ─┐
//! Desired ─▶ treatment: a slot for each forward ◀─┤
//!    └─────▶ listeners: groups, entries, words ◀──┴─▶ prune ─▶ ops
//! ```
//!
//! At every point of the ops, each packet meets wholly the old or wholly the new version of its forward:
//! - A slot is written only while nothing leads to it, and never in the pass that freed it.
//! - A treatment changes by one store to `FORWARDS`. Where some packet's match changes in the same pass,
//!   the new treatment gets a number of its own, and the old listeners keep the old one.
//! - How a listener changes is told in `listeners`.
//!
//! A crash at any point loses nothing: what must be cleaned up stays in force under a number, of a
//! version that nobody listens for where need be, until it has been cleaned up.

mod cache;
mod host;
mod ledger;
mod listeners;
mod pass;
mod plan;
mod pool;
mod prune;
mod refuse;
#[cfg(test)]
mod tests;
mod treatment;

use std::collections::BTreeMap;

use thiserror::Error;
use udplb_abi::map;

use crate::{
    desired::Desired,
    op::Op,
    tables::{Tables, capacity::Capacity},
};
pub use cache::Cache;
use pass::Pass;

/// What a pass does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// In the order in which they must run; empty where nothing is to be done.
    pub ops: Vec<Op>,
    /// What does not fit. The ops do everything else.
    pub failures: Vec<MapFull>,
}

/// A map has no room for all that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MapFull {
    /// What ran of it before goes on.
    #[error(
        "forward {forward} does not fit: map {map} is full; run fewer forwards on this node, or {}",
        remedy(map)
    )]
    Forward {
        /// Index in [`Desired::forwards`].
        index: usize,
        /// `namespace/name`.
        forward: String,
        /// Name of the map.
        map: &'static str,
    },
    /// Some entries are left out.
    #[error("map {map} is full: {missing} entries are left out; {}", remedy(map))]
    Host {
        /// Name of the map.
        map: &'static str,
        /// How many do not fit.
        missing: usize,
    },
}

/// What a user can do where a map is full.
fn remedy(map: &str) -> &'static str {
    match map {
        map::TABLES => "run `udplb-agent cleanup` and start with a larger --table-memory",
        // Their size is not derived from the number of forwards.
        map::ATTACHMENTS | map::VLANS => "let forwards listen on fewer interfaces",
        _ => "run `udplb-agent cleanup` and start with a larger --max-forwards",
    }
}

/// The ops that make `tables` hold what is desired.
#[must_use]
pub fn diff(desired: &Desired, tables: &Tables, capacity: &Capacity, cache: &mut Cache) -> Change {
    let pass = Pass::new(desired, tables, capacity);
    let mut refused = BTreeMap::new();
    let mut change = loop {
        match pass.run(&refused, cache) {
            Ok(change) => break change,
            Err(more) => {
                let before = refused.len();
                refused.extend(more);
                // Nobody is left who could make room: everything stays as it is.
                if refused.len() == before {
                    break Change::default();
                }
            }
        }
    };
    cache.end_pass();
    change
        .failures
        .extend(refused.iter().filter_map(|(&index, full)| {
            let forward = desired.forwards.get(index)?.name.clone();
            Some(MapFull::Forward {
                index,
                forward,
                map: full.0,
            })
        }));
    change
}
