//! Whether somebody on the way would take a kept source address for a forged one. **pure**
//!
//! A copy with its sender's address never passes a reverse-path filter of this host: it leaves. The next
//! router, or the receiver itself, may check whether its own route to the sender leads back to where the
//! copy came from. Its routes are not known here; where copies leave, and to whom, is.

use std::collections::BTreeSet;

use serde::Serialize;
use udplb_abi::{
    address::{self, Family},
    next_hop::NextHopSlot,
};

use crate::{desired::prefix::family_of, facts::InterfaceIndex, report::Upstream, text::Names};

/// What a strict filter on the way does to copies that leave in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct ReversePath {
    pub interface: String,
    /// The next router; none: receivers are on the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    pub verdict: Verdict,
    pub text: String,
}

/// What a strict filter there does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Receivers are on the link on which senders come in: it should pass.
    SameLink,
    /// Receivers are on another link: it drops unless they route the senders back over that.
    OtherLink,
    /// A router is next: it drops unless it routes the senders to this host.
    Router,
}

/// The directions in which a destination's IPv4 copies leave with kept sources. IPv6 has no `rp_filter`.
pub(super) fn all(
    upstreams: &[Upstream],
    listening: &BTreeSet<InterfaceIndex>,
    names: &Names,
) -> Vec<ReversePath> {
    let v4 = upstreams
        .iter()
        .filter(|one| family_of(&one.address) == Family::V4);
    let directions: BTreeSet<_> = v4
        .filter_map(|one| {
            one.next_hop
                .filter(|hop| !hop.is_local())
                .map(|hop| direction(one, &hop, listening, names))
        })
        .collect();
    directions.into_iter().collect()
}

fn direction(
    upstream: &Upstream,
    hop: &NextHopSlot,
    listening: &BTreeSet<InterfaceIndex>,
    names: &Names,
) -> ReversePath {
    let interface = names.of(hop.interface);
    let gateway =
        (hop.neighbour != upstream.address).then(|| address::to_ip(hop.neighbour).to_string());
    let (verdict, text) = match &gateway {
        Some(gateway) => (
            Verdict::Router,
            format!(
                "kept sources: router {gateway} on {interface} drops them if it filters reverse paths \
                 strictly and does not route the senders to this host"
            ),
        ),
        None if listening.contains(&hop.interface) => (
            Verdict::SameLink,
            format!(
                "kept sources: receivers on {interface} share the senders' link, a strict rp_filter there \
                 should pass them"
            ),
        ),
        None => (
            Verdict::OtherLink,
            format!(
                "kept sources: receivers on {interface} with a strict rp_filter drop them unless they route \
                 the senders back over that link; loose (2) passes"
            ),
        ),
    };
    ReversePath {
        interface,
        gateway,
        verdict,
        text,
    }
}
