//! Upstreams behind names and services by which copies would come back. Pure.
//!
//! What a name stands for changes by itself, so a forward is not rejected for it: the upstream is left out as long as
//! it leads back, and the forward says so. Of several forwards that close a circle together, the youngest leaves its
//! upstreams out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use udplb_api::condition::Reason;

use super::{
    edges::{self, Edges},
    index::{Hosts, Index},
    way,
};
use crate::{
    cluster::{Nodes, Placed},
    resolve::Resolution,
    types::{ForwardKey, Notice, by_way_of},
    validate::{UpstreamSource, ValidatedForward},
};

/// Leaves such upstreams out of the resolutions of forwards that run. The nodes are asked for where that takes them.
pub fn leave_out(
    accepted: &BTreeMap<ForwardKey, Placed>,
    nodes: impl FnOnce() -> Nodes,
    resolutions: &mut BTreeMap<ForwardKey, Resolution>,
) {
    let mut placed: Vec<&Placed> = accepted.values().collect();
    placed.sort_by_key(|placed| {
        let forward = placed.forward.forward();
        (forward.seniority, forward.key())
    });
    let forwards: Vec<&ValidatedForward> = placed
        .iter()
        .map(|placed| placed.forward.forward())
        .collect();
    if !forwards.iter().any(|forward| has_names(forward)) {
        return;
    }
    let nodes = nodes();
    let positions: BTreeMap<&String, usize> = nodes.keys().zip(0..).collect();
    let position = |name: &String| positions.get(name).copied();
    // Forwards that share a list of names share their positions.
    let mut lists: HashMap<*const String, Rc<[usize]>> = HashMap::new();
    let chosen: BTreeMap<&ForwardKey, Rc<[usize]>> = (placed.iter())
        .map(|placed| {
            let list = lists
                .entry(placed.nodes.as_ptr())
                .or_insert_with(|| placed.nodes.iter().filter_map(position).collect());
            (placed.forward.forward().key(), Rc::clone(list))
        })
        .collect();
    let hosts = Hosts {
        addresses: nodes.values().map(|node| &node.addresses).collect(),
        of: &|forward| chosen.get(forward.key()).map_or(&[], AsRef::as_ref),
    };
    let mut index = Index::of(&forwards, &hosts);
    let mut edges = edges::of(&forwards, &mut index);
    for (position, forward) in forwards.iter().enumerate() {
        if has_names(forward)
            && index.is_live(forward)
            && let Some(resolution) = resolutions.get_mut(forward.key())
        {
            of_forward(position, &forwards, resolution, &mut index, &mut edges);
        }
    }
}

fn has_names(forward: &ValidatedForward) -> bool {
    forward.hostnames().next().is_some() || forward.services().next().is_some()
}

fn of_forward(
    position: usize,
    forwards: &[&ValidatedForward],
    resolution: &mut Resolution,
    index: &mut Index<'_, '_>,
    edges: &mut [Edges],
) {
    let forward = forwards[position];
    let resolved = &mut resolution.forward.spec.destinations;
    for (number, (destination, resolved)) in forward.destinations.iter().zip(resolved).enumerate() {
        let written: BTreeSet<_> = (destination.upstreams.iter())
            .filter_map(|upstream| match &upstream.source {
                UpstreamSource::Address { address, port } => Some((*address, *port)),
                UpstreamSource::Hostname { .. } | UpstreamSource::Service(_) => None,
            })
            .collect();
        resolved.upstreams.retain(|upstream| {
            let upstream = (upstream.address, upstream.port);
            if written.contains(&upstream) {
                return true;
            }
            let takers = index.takers(forward, destination, upstream);
            let back = takers
                .iter()
                .find_map(|&taker| back(taker, position, edges));
            if let Some(way) = &back {
                let way: Vec<_> = way.iter().map(|at| forwards[*at].key().clone()).collect();
                resolution.notices.push(notice(
                    number,
                    &edges::endpoint(upstream.0, upstream.1),
                    &way,
                ));
            } else {
                edges[position].extend(takers.into_iter().map(|taker| (taker, (number, 0))));
            }
            back.is_none()
        });
    }
}

/// Who is on the way from a taker back to the forward, which itself is not named.
fn back(taker: usize, forward: usize, edges: &[Edges]) -> Option<Vec<usize>> {
    if taker == forward {
        return Some(Vec::new());
    }
    way(taker, forward, edges, |_| true)
}

fn notice(destination: usize, upstream: &str, way: &[ForwardKey]) -> Notice {
    let way = by_way_of(way);
    Notice {
        path: format!("spec.destinations[{destination}].upstreams"),
        reason: Reason::ForwardingLoop,
        message: format!(
            "{upstream} is left out, copies for it come back to {way}: have it listen on another port"
        ),
    }
}
