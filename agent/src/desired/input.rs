//! The agent's one input, parsed: the forwards of this node in the order in which they were referenced.
//! **pure**

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use udplb_abi::hash::Strategy;
use udplb_api::{ForwardReference, ResolvedForwardSpec, udp_forward::text::InterfacePattern};

use super::ports::PortSet;

mod convert;

/// A complete snapshot of what this node should run.
///
/// What it does not name is removed from the kernel. So there is none before all of it has been read:
/// no empty value stands for "not yet known".
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// In order of precedence.
    pub forwards: Vec<Spec>,
}

impl Input {
    /// The forwards that `references` name, in that order, as far as `resolved` finds them.
    ///
    /// Call this only once all references and all resolved forwards have been read.
    #[must_use]
    pub fn new<'a>(
        references: impl IntoIterator<Item = &'a ForwardReference>,
        resolved: impl Fn(&ForwardReference) -> Option<&'a ResolvedForwardSpec>,
    ) -> Self {
        let spec = |reference: &ForwardReference| {
            let name = format!("{}/{}", reference.namespace, reference.name);
            Some(Spec::new(name, resolved(reference)?))
        };
        Self {
            forwards: references.into_iter().filter_map(spec).collect(),
        }
    }

    /// Every upstream address, for which the host's routes must be known.
    #[must_use]
    pub fn upstream_addresses(&self) -> BTreeSet<IpAddr> {
        self.forwards
            .iter()
            .flat_map(|forward| &forward.destinations)
            .flat_map(|destination| &destination.upstreams)
            .map(|upstream| upstream.address)
            .collect()
    }
}

/// One resolved forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `namespace/name`.
    pub name: String,
    /// Everything stays planned, no packet is touched.
    pub paused: bool,
    /// Globs; empty: the interfaces that hold default routes.
    pub interfaces: Vec<InterfacePattern>,
    /// Empty: every unicast address of the host.
    pub addresses: Vec<IpNet>,
    /// Destination ports.
    pub ports: PortSet,
    /// Empty: any source.
    pub sources: Vec<IpNet>,
    /// `ACTION_*`.
    pub action: u8,
    /// `UNAVAILABLE_*`.
    pub when_unavailable: u8,
    /// 1–8, in the order of the spec.
    pub destinations: Vec<DestinationSpec>,
}

/// One destination of a resolved forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSpec {
    /// Its name within the forward.
    pub name: String,
    /// How it treats packets.
    pub options: Options,
    /// In any order, both families mixed.
    pub upstreams: Vec<UpstreamSpec>,
}

/// How a destination treats packets, its upstreams aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What chooses the upstream.
    pub strategy: Strategy,
    /// `ADDRESS_*` for the source of copies.
    pub source_address: u8,
    /// `ADDRESS_*` for the destination of copies.
    pub destination_address: u8,
    /// One of this many packets or flows is taken; 0 and 1 take all.
    pub sampling_one_in: u32,
    /// `SAMPLING_PER_*`.
    pub sampling_per: u8,
    /// None: no limit.
    pub rate_limit: Option<RateLimit>,
}

/// A rate limit in the form of its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateLimit {
    /// Time between two packets at the limit, ns.
    pub interval: u64,
    /// How far packets may run ahead of it, ns.
    pub tolerance: u64,
}

impl RateLimit {
    /// From packets a second and how many may come at once.
    #[must_use]
    pub fn new(packets_per_second: u32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(packets_per_second.max(1));
        Self {
            interval,
            tolerance: interval * u64::from(burst.saturating_sub(1)),
        }
    }
}

/// One upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// Its address.
    pub address: IpAddr,
    /// None: the port that the packet came to.
    pub port: Option<u16>,
    /// 1–256.
    pub weight: u16,
}
