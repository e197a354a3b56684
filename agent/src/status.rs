//! What runs, as `status` shows it. **pure**: `read` has the effects.

mod read;
mod render;
mod reverse_path;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::Serialize;
use udplb_abi::{
    address,
    counters::{DropReason, InterfaceCounters, UnmatchedReason},
    forward::ADDRESS_REWRITE,
    next_hop::NextHopSlot,
    record::{self, HOOK_TCX},
};

use crate::{
    facts::InterfaceIndex,
    kernel::{bpf::occupants::Occupant as Found, netlink::Entry},
    report::{self, Upstream},
    tables::{Tables, skew, walk},
    text::{self, Names},
};
pub use read::StatusError;
pub use reverse_path::{ReversePath, Verdict};

/// Version of the JSON shape.
pub const VERSION: u32 = 1;

/// What is known of the host beside the maps.
#[derive(Debug, Default)]
pub struct Host {
    /// Names of interfaces.
    pub names: Names,
    /// What each interface let go.
    pub unmatched: BTreeMap<InterfaceIndex, InterfaceCounters>,
    /// Where we were attached, and what is on those hooks.
    pub hooks: BTreeMap<InterfaceIndex, (record::Attachment, Vec<Found>)>,
    /// Neighbour entries that copies go to.
    pub neighbours: BTreeMap<(InterfaceIndex, IpAddr), Entry>,
    /// Reverse-path filters in force.
    pub rp_filters: BTreeMap<InterfaceIndex, u8>,
}

/// Everything that `status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Of the JSON shape.
    pub version: u32,
    /// Where our program sits.
    pub attachments: Vec<Attachment>,
    /// What it does there.
    pub forwards: Vec<Forward>,
}

/// An interface that our program sits on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Attachment {
    pub interface: String,
    pub hook: &'static str,
    /// False: somebody took it off.
    pub attached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rp_filter: Option<&'static str>,
    /// In the order in which they see a packet.
    pub on_hook: Vec<Occupant>,
    pub unmatched: BTreeMap<&'static str, u64>,
}

/// A program or filter on the hook.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Occupant {
    pub hook: &'static str,
    pub ours: bool,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// A forward.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Forward {
    pub namespace: String,
    pub name: String,
    pub action: &'static str,
    pub listeners: Vec<Listener>,
    pub matched: Traffic,
    pub destinations: Vec<Destination>,
}

/// An interface and an address that a forward listens on.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Listener {
    pub interface: String,
    pub address: String,
    pub ports: Vec<String>,
}

/// A destination.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Destination {
    pub name: String,
    pub strategy: &'static str,
    pub source_address: &'static str,
    /// Balance tables, one for each family that needs one.
    pub tables: Vec<Table>,
    /// Where the source is kept.
    pub reverse_path: Vec<ReversePath>,
    pub upstreams: Vec<UpstreamStatus>,
    /// Sent to upstreams that have left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Traffic>,
    pub sampled_out: u64,
    pub passed: u64,
    pub dropped: BTreeMap<&'static str, u64>,
}

/// A balance table.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Table {
    pub family: &'static str,
    pub slots: u32,
    pub upstreams: usize,
    pub skew: f64,
}

/// An upstream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct UpstreamStatus {
    pub upstream: String,
    pub weight: u16,
    pub reachable: bool,
    /// Whether packets can choose it.
    pub chosen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    pub sent: Traffic,
}

/// How copies leave.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct NextHop {
    pub state: &'static str,
    /// None: the upstream is this host itself.
    #[serde(flatten)]
    pub link: Option<Link>,
}

/// The link that they cross.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Link {
    pub interface: String,
    pub neighbour: String,
    pub mac: String,
    pub mtu: u32,
    /// Whether a router is next.
    #[serde(skip)]
    pub is_gateway: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<NeighbourEntry>,
}

/// The kernel's neighbour entry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct NeighbourEntry {
    pub state: &'static str,
    pub confirmed_seconds: u32,
    pub updated_seconds: u32,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

impl From<udplb_abi::counters::Traffic> for Traffic {
    fn from(traffic: udplb_abi::counters::Traffic) -> Self {
        let udplb_abi::counters::Traffic { packets, bytes } = traffic;
        Self { packets, bytes }
    }
}

impl Status {
    /// Puts together what was read.
    #[must_use]
    pub fn new(tables: &Tables, forwards: Vec<report::Forward>, host: &Host) -> Self {
        let hooks = host.hooks.iter();
        let mut attachments: Vec<_> = hooks
            .map(|(&interface, (record, found))| Attachment::new(interface, *record, found, host))
            .collect();
        attachments.sort_by(|a, b| a.interface.cmp(&b.interface));
        Self {
            version: VERSION,
            attachments,
            forwards: forwards
                .into_iter()
                .map(|forward| Forward::new(tables, forward, host))
                .collect(),
        }
    }
}

impl Attachment {
    fn new(
        interface: InterfaceIndex,
        record: record::Attachment,
        found: &[Found],
        host: &Host,
    ) -> Self {
        let counters = host.unmatched.get(&interface).copied().unwrap_or_default();
        let reasons = UnmatchedReason::ALL.map(UnmatchedReason::label);
        Self {
            interface: host.names.of(interface),
            hook: if record.hook == HOOK_TCX {
                "tcx"
            } else {
                "clsact"
            },
            attached: found.iter().any(Found::is_ours),
            rp_filter: host.rp_filters.get(&interface).map(|value| match value {
                0 => "off",
                1 => "strict",
                _ => "loose",
            }),
            on_hook: found.iter().map(Occupant::new).collect(),
            unmatched: reasons.into_iter().zip(counters.unmatched).collect(),
        }
    }
}

impl Occupant {
    fn new(found: &Found) -> Self {
        match found {
            Found::Tcx {
                program,
                name,
                ours,
            } => Self {
                hook: "tcx",
                ours: *ours,
                kind: "bpf".to_owned(),
                program: Some(*program),
                name: Some(name.clone()).filter(|name| !name.is_empty()),
                priority: None,
                handle: None,
            },
            Found::Clsact { filter, ours } => Self {
                hook: "clsact",
                ours: *ours,
                kind: filter.kind.clone(),
                program: filter.program,
                name: filter.name.clone(),
                priority: Some(filter.priority),
                handle: Some(format!("{:#x}", filter.handle)),
            },
        }
    }
}

impl Forward {
    fn new(tables: &Tables, forward: report::Forward, host: &Host) -> Self {
        let listening: BTreeSet<_> = forward.listeners.iter().map(|one| one.interface).collect();
        let listener = |listener: report::Listener| Listener {
            interface: host.names.of(listener.interface),
            address: listener.prefix.to_string(),
            ports: listener.ports.into_iter().map(text::ports).collect(),
        };
        let destinations = forward.destinations.into_iter();
        Self {
            namespace: forward.namespace,
            name: forward.name,
            action: text::action(forward.consumes),
            listeners: forward.listeners.into_iter().map(listener).collect(),
            matched: forward.matched.into(),
            destinations: destinations
                .map(|destination| Destination::new(tables, destination, &listening, host))
                .collect(),
        }
    }
}

impl Destination {
    fn new(
        tables: &Tables,
        destination: report::Destination,
        listening: &BTreeSet<InterfaceIndex>,
        host: &Host,
    ) -> Self {
        let reasons = DropReason::ALL.map(DropReason::label);
        let rewrites = destination.slot.source_address == ADDRESS_REWRITE;
        let upstreams = &destination.upstreams;
        let reverse_path = if rewrites {
            Vec::new()
        } else {
            reverse_path::all(upstreams, listening, &host.names)
        };
        let balances = ["IPv4", "IPv6"].into_iter().zip(destination.slot.balance);
        Self {
            name: destination.name,
            strategy: text::strategy(walk::strategy(destination.slot.strategy)),
            source_address: text::address_handling(rewrites),
            tables: balances
                .filter_map(|(family, balance)| Some((family, skew::of(tables, balance)?)))
                .map(|(family, found)| Table {
                    family,
                    slots: found.slots,
                    upstreams: found.upstreams,
                    skew: found.skew,
                })
                .collect(),
            reverse_path,
            upstreams: upstreams
                .iter()
                .map(|upstream| UpstreamStatus::new(upstream, host))
                .collect(),
            retired: destination.retired.map(Traffic::from),
            sampled_out: destination.counters.sampled_out,
            passed: destination.counters.passed,
            dropped: reasons
                .into_iter()
                .zip(destination.counters.dropped)
                .collect(),
        }
    }
}

impl UpstreamStatus {
    fn new(upstream: &Upstream, host: &Host) -> Self {
        Self {
            reachable: upstream.is_reachable(),
            chosen: upstream.chosen,
            upstream: upstream.label.clone(),
            weight: upstream.weight,
            next_hop: upstream.next_hop.map(|slot| NextHop {
                state: text::next_hop_state(slot.state),
                link: (!slot.is_local()).then(|| Link::new(&slot, upstream, host)),
            }),
            sent: upstream.sent.into(),
        }
    }
}

impl Link {
    fn new(slot: &NextHopSlot, upstream: &Upstream, host: &Host) -> Self {
        let neighbour = address::to_ip(slot.neighbour);
        let entry = host.neighbours.get(&(slot.interface, neighbour));
        Self {
            interface: host.names.of(slot.interface),
            neighbour: neighbour.to_string(),
            mac: text::mac(slot.destination_mac),
            mtu: slot.mtu,
            is_gateway: slot.neighbour != upstream.address,
            entry: entry.map(|entry| NeighbourEntry {
                state: entry.state,
                confirmed_seconds: entry.confirmed,
                updated_seconds: entry.updated,
            }),
        }
    }
}
