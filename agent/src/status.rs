//! What runs, as `status` shows it. **IO**: reads the pinned maps, whether or not an agent runs.

mod render;

use std::collections::BTreeMap;

use serde::Serialize;
use udplb_abi::{
    address,
    counters::{DropReason, UnmatchedReason},
    next_hop::{NextHopSlot, STATE_RESOLVED},
    record::HOOK_TCX,
};

use crate::{
    facts::Facts,
    kernel::{
        bpf::{Maps, ReadError},
        interfaces,
    },
    report::{self, Upstream},
    text::{self, Names},
};

/// Everything that `status` shows.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Where our program sits.
    pub attachments: Vec<Attachment>,
    /// What it does there.
    pub forwards: Vec<Forward>,
}

/// An interface that our program sits on.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct Attachment {
    pub interface: String,
    pub hook: &'static str,
    pub unmatched: BTreeMap<&'static str, u64>,
}

/// A forward.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "fields are the words that users read")]
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
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct Listener {
    pub interface: String,
    pub address: String,
    pub ports: Vec<String>,
}

/// A destination.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct Destination {
    pub name: String,
    pub upstreams: Vec<UpstreamStatus>,
    /// Sent to upstreams that have left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Traffic>,
    pub sampled_out: u64,
    pub passed: u64,
    pub dropped: BTreeMap<&'static str, u64>,
}

/// An upstream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct UpstreamStatus {
    pub upstream: String,
    pub weight: u16,
    pub reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    pub sent: Traffic,
}

/// How copies leave.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct NextHop {
    pub interface: String,
    pub neighbour: String,
    pub mac: String,
    pub state: &'static str,
    pub mtu: u32,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "fields are the words that users read")]
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
    /// Reads the maps.
    pub fn read(maps: &Maps) -> Result<Self, ReadError> {
        let names = interfaces::names();
        let mut unmatched: BTreeMap<_, _> = maps.interfaces()?.into_iter().collect();
        let mut attachments: Vec<Attachment> = maps
            .attachments()?
            .into_iter()
            .map(|(interface, record)| {
                let counters = unmatched.remove(&interface).unwrap_or_default();
                let reasons = UnmatchedReason::ALL.map(UnmatchedReason::label);
                Attachment {
                    interface: names.of(interface),
                    hook: if record.hook == HOOK_TCX {
                        "tcx"
                    } else {
                        "clsact"
                    },
                    unmatched: reasons.into_iter().zip(counters.unmatched).collect(),
                }
            })
            .collect();
        attachments.sort_by(|a, b| a.interface.cmp(&b.interface));
        let tables = maps.read(&Facts::default())?;
        let forwards = report::forwards(&tables, maps)?;
        Ok(Self {
            attachments,
            forwards: forwards
                .into_iter()
                .map(|forward| Forward::new(forward, &names))
                .collect(),
        })
    }
}

impl Forward {
    fn new(forward: report::Forward, names: &Names) -> Self {
        let listener = |listener: report::Listener| Listener {
            interface: names.of(listener.interface),
            address: listener.prefix.to_string(),
            ports: listener.ports.into_iter().map(text::ports).collect(),
        };
        Self {
            namespace: forward.namespace,
            name: forward.name,
            action: if forward.consumes { "Forward" } else { "Clone" },
            listeners: forward.listeners.into_iter().map(listener).collect(),
            matched: forward.matched.into(),
            destinations: forward
                .destinations
                .into_iter()
                .map(|destination| Destination::new(destination, names))
                .collect(),
        }
    }
}

impl Destination {
    fn new(destination: report::Destination, names: &Names) -> Self {
        let reasons = DropReason::ALL.map(DropReason::label);
        Self {
            name: destination.name,
            upstreams: destination
                .upstreams
                .into_iter()
                .map(|upstream| UpstreamStatus::new(upstream, names))
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
    fn new(upstream: Upstream, names: &Names) -> Self {
        Self {
            reachable: upstream.is_reachable(),
            upstream: upstream.label,
            weight: upstream.weight,
            next_hop: upstream.next_hop.map(|slot| NextHop::new(&slot, names)),
            sent: upstream.sent.into(),
        }
    }
}

impl NextHop {
    fn new(slot: &NextHopSlot, names: &Names) -> Self {
        Self {
            interface: names.of(slot.interface),
            neighbour: address::to_ip(slot.neighbour).to_string(),
            mac: text::mac(slot.destination_mac),
            state: if slot.state == STATE_RESOLVED {
                "resolved"
            } else {
                "unresolved"
            },
            mtu: slot.mtu,
        }
    }
}
