//! Reads what `status` shows. **IO**: pinned maps, hooks, neighbours, settings; whether or not an agent runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use thiserror::Error;
use udplb_abi::address;

use super::{Host, Status};
use crate::{
    facts::Facts,
    kernel::{
        bpf::{Maps, ReadError, occupants},
        interfaces,
        netlink::{self, entries},
    },
    report::{self, Forward},
};

/// Why there is no status.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum StatusError {
    #[error(transparent)]
    Maps(#[from] ReadError),
    #[error(transparent)]
    Neighbours(#[from] netlink::Error),
}

impl Status {
    /// Reads everything.
    pub async fn read(maps: &Maps, pin_directory: &Path) -> Result<Self, StatusError> {
        let tables = maps.read(&Facts::default())?;
        let forwards = report::forwards(&tables, maps)?;
        let names = interfaces::names();
        let mut host = Host {
            unmatched: maps.interfaces()?.into_iter().collect(),
            neighbours: entries(neighbours(&forwards)).await?,
            rp_filters: names
                .0
                .iter()
                .filter_map(|(index, name)| Some((*index, interfaces::rp_filter(name)?)))
                .collect(),
            names,
            hooks: BTreeMap::new(),
        };
        for (interface, record) in maps.records.attachments()? {
            let found = occupants::of(pin_directory, interface, Some(record)).await;
            let _new = host.hooks.insert(interface, (record, found));
        }
        Ok(Self::new(&tables, forwards, &host))
    }
}

/// The neighbours that copies go to.
fn neighbours(forwards: &[Forward]) -> BTreeSet<(u32, std::net::IpAddr)> {
    let destinations = forwards.iter().flat_map(|forward| &forward.destinations);
    let upstreams = destinations.flat_map(|destination| &destination.upstreams);
    let hops = (upstreams.filter_map(|upstream| upstream.next_hop)).filter(|hop| !hop.is_local());
    hops.map(|hop| (hop.interface, address::to_ip(hop.neighbour)))
        .collect()
}
