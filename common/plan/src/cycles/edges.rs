//! Which forward leads to which by the addresses that are written; what names and services stand for is seen in
//! `resolved`. Pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::index::Index;
use crate::validate::{UpstreamSource, ValidatedDestination, ValidatedForward};

/// The forwards that one leads to, as positions, and the first upstream that does: its destination and its own position.
pub(super) type Edges = BTreeMap<usize, (usize, usize)>;

/// The edges of each forward.
pub(super) fn of(forwards: &[&ValidatedForward], index: &mut Index<'_, '_>) -> Vec<Edges> {
    let targets = |from: &&ValidatedForward| {
        let mut found = Edges::new();
        if !index.is_live(from) {
            return found;
        }
        for (number, destination) in from.destinations.iter().enumerate() {
            for (position, upstream) in literal(destination) {
                for taker in index.takers(from, destination, upstream) {
                    let _ = found.entry(taker).or_insert((number, position));
                }
            }
        }
        found
    };
    forwards.iter().map(targets).collect()
}

/// An upstream in words.
pub(super) fn name(forward: &ValidatedForward, (destination, upstream): (usize, usize)) -> String {
    let destination = &forward.destinations[destination];
    let upstream = match &destination.upstreams[upstream].source {
        UpstreamSource::Address { address, port } => endpoint(*address, *port),
        UpstreamSource::Hostname { hostname, .. } => hostname.clone(),
        UpstreamSource::Service(service) => service.name.clone(),
    };
    let destination = destination.name.as_str();
    format!("upstream {upstream} of destination {destination}")
}

/// An address with its port, where it has one.
pub(super) fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

/// The upstreams that are written as addresses, with their positions.
fn literal(
    destination: &ValidatedDestination,
) -> impl Iterator<Item = (usize, (IpAddr, Option<u16>))> {
    let upstreams = destination.upstreams.iter().enumerate();
    upstreams.filter_map(|(position, upstream)| match &upstream.source {
        UpstreamSource::Address { address, port } => Some((position, (*address, *port))),
        UpstreamSource::Hostname { .. } | UpstreamSource::Service(_) => None,
    })
}
