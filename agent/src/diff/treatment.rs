//! A forward's treatment as slots: what is equal to something live is reused, the rest is written to
//! free slots. **pure**

use udplb_abi::{
    NONE,
    address::Address,
    forward::{Balance, Destination, ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    map,
};

use super::{
    Cache,
    ledger::{Block, Ledger, Room},
    pool::Full,
};
use crate::{
    desired::{self, Desired, Forward, Upstream},
    op::Op,
    tables::Tables,
};

/// Makes slots of one forward's treatment.
pub(super) struct Builder<'a> {
    pub(super) desired: &'a Desired,
    pub(super) tables: &'a Tables,
    pub(super) ledger: &'a mut Ledger,
    pub(super) cache: &'a mut Cache,
    /// Writes of slots that nobody can reach.
    pub(super) ops: &'a mut Vec<Op>,
}

impl Builder<'_> {
    /// The slot of `FORWARD_SLOTS` with the forward's treatment.
    pub(super) fn forward(&mut self, forward: &Forward) -> Result<(u32, ForwardSlot), Full> {
        let treatment = &forward.treatment;
        self.name(forward.id, &forward.name)?;
        let mut value = ForwardSlot {
            id: forward.id,
            sources: self.sources(forward)?,
            counters: self.ledger.forward_counters.find_or_take(&forward.id, 1)?.0,
            action: treatment.action,
            when_unavailable: treatment.when_unavailable,
            destination_count: 0,
            padding: 0,
            zero: 0,
            destinations: [Destination::default(); udplb_abi::MAX_DESTINATIONS],
        };
        for (slot, destination) in value.destinations.iter_mut().zip(&treatment.destinations) {
            *slot = self.destination(destination)?;
            value.destination_count += 1;
        }
        let (slot, is_new) = self.ledger.forward_slots.find_or_take(&value, 1)?;
        if is_new {
            let value = Box::new(value);
            self.ops.push(Op::WriteForward { slot, value });
        }
        Ok((slot, value))
    }

    fn name(&mut self, id: u64, name: &str) -> Result<(), Full> {
        let known = self.tables.names.get(&id);
        if known.is_none_or(|known| known != name) {
            Room::take(
                &mut self.ledger.room.names,
                usize::from(known.is_none()),
                map::NAMES,
            )?;
            let name = name.to_owned();
            self.ops.push(Op::WriteName { id, name });
        }
        Ok(())
    }

    fn sources(&mut self, forward: &Forward) -> Result<u32, Full> {
        let sources = &forward.treatment.sources;
        if sources.is_empty() {
            return Ok(NONE);
        }
        let (set, is_new) = self.ledger.sets.find_or_take(sources, 1)?;
        if is_new {
            Room::take(&mut self.ledger.room.sources, sources.len(), map::SOURCES)?;
            self.ops
                .extend(sources.iter().map(|prefix| Op::WriteSource {
                    key: SourceKey {
                        set,
                        address: prefix.address(),
                    },
                    prefix_length: prefix.length(),
                }));
        }
        Ok(set)
    }

    fn destination(&mut self, destination: &desired::Destination) -> Result<Destination, Full> {
        let options = &destination.options;
        self.name(destination.id, &destination.name)?;
        let [v4, v6] = &destination.upstreams;
        Ok(Destination {
            id: destination.id,
            counters: self
                .ledger
                .destination_counters
                .find_or_take(&destination.id, 1)?
                .0,
            rate_limit: self.rate_limit(destination)?,
            sampling_one_in: options.sampling_one_in,
            strategy: options.strategy as u8,
            source_address: options.source_address,
            destination_address: options.destination_address,
            sampling_per: options.sampling_per,
            balance: [
                self.balance(destination.id, v4)?,
                self.balance(destination.id, v6)?,
            ],
        })
    }

    /// A clock belongs to one destination, so equal limits of two are two slots.
    fn rate_limit(&mut self, destination: &desired::Destination) -> Result<u32, Full> {
        let Some(limit) = destination.options.rate_limit else {
            return Ok(NONE);
        };
        let (slot, is_new) = self
            .ledger
            .rate_limits
            .find_or_take(&(destination.id, limit), 1)?;
        if is_new {
            let value = RateLimitSlot {
                arrival: 0,
                interval: limit.interval,
                tolerance: limit.tolerance,
            };
            self.ops.push(Op::WriteRateLimit { slot, value });
        }
        Ok(slot)
    }

    fn balance(&mut self, destination: u64, upstreams: &[Upstream]) -> Result<Balance, Full> {
        let Ok(count @ 1..) = u32::try_from(upstreams.len()) else {
            return Ok(Balance::default());
        };
        let first = self.block(destination, upstreams, count)?;
        let mut usable = (0..count)
            .zip(upstreams)
            .filter(|(_, upstream)| upstream.usable);
        let (slots, table) = match (usable.next(), usable.next()) {
            (None, _) => return Ok(Balance::default()),
            (Some((only, _)), None) => (0, only),
            (Some(_), Some(_)) => self.table(upstreams)?,
        };
        Ok(Balance {
            first,
            count,
            slots,
            table,
        })
    }

    fn table(&mut self, upstreams: &[Upstream]) -> Result<(u32, u32), Full> {
        let table = self.cache.table(upstreams);
        let (first, is_new) = self.ledger.balance.find_or_take(&table, table.values())?;
        if is_new {
            let entries = table.entries().clone();
            self.ops.push(Op::WriteTable { first, entries });
        }
        Ok((table.slots(), first))
    }

    fn block(&mut self, destination: u64, upstreams: &[Upstream], count: u32) -> Result<u32, Full> {
        let content = upstreams
            .iter()
            .map(|upstream| (upstream.address, port_of(upstream), upstream.weight));
        let block: Block = (destination, content.collect());
        let (first, is_new) = self.ledger.blocks.find_or_take(&block, count)?;
        if is_new {
            for (slot, upstream) in (first..).zip(upstreams) {
                let port = port_of(upstream);
                let id = (destination, upstream.address, port);
                let value = UpstreamSlot {
                    address: upstream.address,
                    next_hop: self.next_hop(&upstream.address)?,
                    counters: self.ledger.upstream_counters.find_or_take(&id, 1)?.0,
                    port,
                    weight: upstream.weight,
                    padding: 0,
                };
                self.ops.push(Op::WriteUpstream { slot, value });
            }
        }
        Ok(first)
    }

    /// The slot of the next hop towards an upstream, or `NONE`.
    pub(super) fn next_hop(&mut self, upstream: &Address) -> Result<u32, Full> {
        let Some(value) = self.desired.next_hops.get(upstream) else {
            return Ok(NONE);
        };
        let (slot, is_new) = self.ledger.next_hops.find_or_take(value, 1)?;
        if is_new {
            let value = *value;
            self.ops.push(Op::WriteNextHop { slot, value });
        }
        Ok(slot)
    }
}

fn port_of(upstream: &Upstream) -> [u8; 2] {
    upstream.port.unwrap_or(0).to_be_bytes()
}
