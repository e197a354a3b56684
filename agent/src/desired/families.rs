//! Destinations that an address family of their forward cannot reach, and the other way round. **pure**

use std::collections::BTreeSet;

use ipnet::IpNet;
use udplb_abi::address::Family;

use super::{group::Match, input::Spec, notice::Notice};

/// Adds what is to be said about a forward that listens in these places.
pub(super) fn check(forward: &Spec, matches: &[Match], notices: &mut Vec<Notice>) {
    let places = matches.iter().flat_map(|one| one.places.keys());
    let heard: BTreeSet<bool> = places
        .map(|place| place.prefix.family() == Family::V4)
        .collect();
    if heard.is_empty() {
        return;
    }
    for destination in &forward.destinations {
        let served: BTreeSet<bool> = (destination.upstreams.iter())
            .map(|upstream| upstream.address.is_ipv4())
            .collect();
        // Names that nobody has resolved yet are another matter.
        if served.is_empty() {
            continue;
        }
        let name = || format!("{}/{}", forward.name, destination.name);
        for is_ipv4 in served.difference(&heard) {
            notices.push(Notice::UpstreamsUnheard {
                destination: name(),
                family: family(*is_ipv4),
            });
        }
        // Every host has link-local addresses of IPv6, so only what was named counts.
        let unserved = |net: &&IpNet| !served.contains(&net.addr().is_ipv4());
        if let Some(net) = forward.addresses.iter().find(unserved) {
            notices.push(Notice::AddressUnserved {
                destination: name(),
                family: family(net.addr().is_ipv4()),
                address: super::prefix::Prefix::from_net(*net).to_string(),
            });
        }
    }
}

const fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "IPv4" } else { "IPv6" }
}
