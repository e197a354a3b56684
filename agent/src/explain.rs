//! What becomes of one packet, told from the tables that the kernel holds. **pure**
//!
//! The same steps as the program's: VLAN device, port, listener, source, then each destination alone. What
//! the program leaves to chance is told as all that can happen. Where the packet is nobody's, the nearest
//! miss is named.

mod decide;
mod destination;
mod miss;
mod render;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;
use udplb_abi::{
    address,
    forward::{ACTION_FORWARD, ForwardSlot, UNAVAILABLE_PASS},
    listener::{ListenerSlot, VlanKey},
};

use crate::{
    desired::prefix::Prefix,
    facts::InterfaceIndex,
    tables::{
        Tables,
        walk::{self, Packet},
    },
    text::{self, Names},
};
pub use destination::{
    Candidate, Destination, Frame, Link, NextHop, Outcome, Position, RateLimit, Sampling, Wire,
};
pub use miss::{Kind, Miss};

/// Version of the JSON shape.
pub const VERSION: u32 = 1;

/// Tag protocol of a usual VLAN tag.
const VLAN: u16 = 0x8100;

/// The packet that is asked about. It is addressed to the interface, whole, and well-formed.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Where it arrives.
    pub interface: InterfaceIndex,
    /// Who sent it.
    pub source: IpAddr,
    /// From which port; None: not said.
    pub source_port: Option<u16>,
    /// To whom; of the same family.
    pub destination: SocketAddr,
    /// The VLAN of its tag.
    pub vlan: Option<u16>,
    /// Bytes of the IP packet; None: short enough for every link.
    pub length: Option<u32>,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// What is known of the host beside the tables.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Names of interfaces.
    pub names: Names,
    /// Interfaces whose hook runs our program.
    pub attached: BTreeSet<InterfaceIndex>,
    /// Broadcast addresses of the interface that is asked about.
    pub broadcasts: BTreeSet<IpAddr>,
}

/// What becomes of the packet.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Explanation {
    pub version: u32,
    pub packet: Asked,
    /// Whether our program sits on the interface.
    pub attached: bool,
    pub verdict: Verdict,
    /// What else can become of it, where chance has a say.
    pub other_verdicts: Vec<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    pub destinations: Vec<Destination>,
    /// Why it is nobody's, the nearest first.
    pub misses: Vec<Miss>,
}

/// The packet as it was asked about.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Asked {
    pub interface: String,
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    pub ttl: u8,
}

/// What becomes of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It goes on to the stack, copies are sent.
    Clone,
    /// It is sent, the stack does not get it.
    Forward,
    /// No destination is available; it goes on to the stack.
    Pass,
    /// Consumed without being sent.
    Drop,
    /// Not ours: the next program on the hook, then the stack.
    Next,
}

/// Whose the packet is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Forward {
    pub namespace: String,
    pub name: String,
    pub action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_unavailable: Option<&'static str>,
    /// The address or prefix that it listens on.
    pub address: String,
    pub port: u16,
    /// Sources that it takes; none: any.
    pub sources: Vec<String>,
}

/// A packet that is ours, and what it met.
struct Met<'a> {
    tables: &'a Tables,
    question: &'a Question,
    host: &'a Host,
    listener: &'a ListenerSlot,
    forward: &'a ForwardSlot,
}

/// Why nobody takes the packet.
enum Refusal<'a> {
    /// A VLAN device takes it.
    VlanDevice(InterfaceIndex),
    /// Nobody listens there.
    NoListener,
    /// A multicast or broadcast address that a listener covers, but does not name.
    Unnamed(&'a ListenerSlot),
    /// Its source is not among those that the forward takes.
    Source(&'a ForwardSlot),
}

/// Tells what becomes of a packet.
#[must_use]
pub fn explain(tables: &Tables, host: &Host, question: &Question) -> Explanation {
    let attached = host.attached.contains(&question.interface);
    let found = identify(tables, host, question);
    let mut explanation = Explanation {
        version: VERSION,
        packet: asked(host, question),
        attached,
        verdict: Verdict::Next,
        other_verdicts: Vec::new(),
        forward: None,
        destinations: Vec::new(),
        misses: Vec::new(),
    };
    match found {
        Ok(met) if attached => {
            explanation.forward = Some(describe(&met));
            explanation.destinations = decide::all(&met);
            let mut verdicts = verdicts(met.forward, &explanation.destinations).into_iter();
            explanation.verdict = verdicts.next().unwrap_or(Verdict::Next);
            explanation.other_verdicts = verdicts.collect();
            if explanation.verdict == Verdict::Pass && explanation.other_verdicts.is_empty() {
                for destination in &mut explanation.destinations {
                    destination.outcome = Outcome::Passed;
                }
            }
        }
        found => explanation.misses = miss::all(tables, host, question, found.as_ref().err()),
    }
    explanation
}

fn identify<'a>(
    tables: &'a Tables,
    host: &'a Host,
    question: &'a Question,
) -> Result<Met<'a>, Refusal<'a>> {
    let packet = packet(question);
    if let Some(vlan) = question.vlan {
        let key = VlanKey {
            interface: question.interface,
            protocol: VLAN,
            vlan,
        };
        if let Some(device) = tables.vlans.get(&key) {
            return Err(Refusal::VlanDevice(*device));
        }
    }
    let word = tables.port(packet.port);
    let listener = walk::exact(tables, word, &packet)
        .or_else(|| walk::longest_prefix(tables, word, &packet))
        .and_then(|slot| walk::listener(tables, slot, word, &packet))
        .ok_or(Refusal::NoListener)?;
    if is_for_many(host, question) && is_unicast_prefix(listener) {
        return Err(Refusal::Unnamed(listener));
    }
    let forward = tables
        .forward(listener.forward)
        .ok_or(Refusal::NoListener)?;
    if !walk::takes_source(tables, forward, &packet.source) {
        return Err(Refusal::Source(forward));
    }
    Ok(Met {
        tables,
        question,
        host,
        listener,
        forward,
    })
}

fn packet(question: &Question) -> Packet {
    Packet {
        interface: question.interface,
        destination: address::from_ip(question.destination.ip()),
        port: question.destination.port(),
        source: address::from_ip(question.source),
    }
}

/// Frames for such addresses carry a group's link-layer address.
fn is_for_many(host: &Host, question: &Question) -> bool {
    let address = question.destination.ip();
    let everybody = IpAddr::from(std::net::Ipv4Addr::BROADCAST);
    address.is_multicast() || address == everybody || host.broadcasts.contains(&address)
}

/// As the program has it: listeners on groups have a source of their own.
fn is_unicast_prefix(listener: &ListenerSlot) -> bool {
    !Prefix::new(listener.key.address, listener.prefix_length).is_exact()
        && listener.source == [0; 16]
}

fn asked(host: &Host, question: &Question) -> Asked {
    Asked {
        interface: host.names.of(question.interface),
        source: endpoint(question.source, question.source_port),
        destination: question.destination.to_string(),
        vlan: question.vlan,
        length: question.length,
        ttl: question.ttl,
    }
}

/// An address with its port, where that is known.
fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(
        || address.to_string(),
        |port| SocketAddr::new(address, port).to_string(),
    )
}

fn describe(met: &Met<'_>) -> Forward {
    let Met {
        tables,
        listener,
        forward,
        ..
    } = met;
    let name = name(tables, forward);
    let (namespace, short) = name.split_once('/').unwrap_or(("default", &name));
    let consumes = forward.action == ACTION_FORWARD;
    Forward {
        namespace: namespace.to_owned(),
        name: short.to_owned(),
        action: text::action(consumes),
        when_unavailable: consumes.then_some(if forward.when_unavailable == UNAVAILABLE_PASS {
            "Pass"
        } else {
            "Drop"
        }),
        address: Prefix::new(listener.key.address, listener.prefix_length).to_string(),
        port: met.question.destination.port(),
        sources: sources(tables, forward),
    }
}

/// `namespace/name`.
fn name(tables: &Tables, forward: &ForwardSlot) -> String {
    let name = tables.names.get(&forward.id).cloned();
    name.unwrap_or_else(|| format!("#{:x}", forward.id))
}

fn sources(tables: &Tables, forward: &ForwardSlot) -> Vec<String> {
    let set = tables.sources.get(&forward.sources).into_iter().flatten();
    set.map(Prefix::to_string).collect()
}

/// Everything that can become of the original, the likeliest first.
fn verdicts(forward: &ForwardSlot, destinations: &[Destination]) -> Vec<Verdict> {
    if forward.action != ACTION_FORWARD {
        return vec![Verdict::Clone];
    }
    let chances: Vec<_> = destinations.iter().map(|one| one.chances).collect();
    let passes = forward.when_unavailable == UNAVAILABLE_PASS;
    let may_not_send = chances.iter().all(|one| one.unavailable || one.left_out);
    let all_unavailable = chances.iter().all(|one| one.unavailable);
    let any_left_out = chances.iter().any(|one| one.left_out);
    let possible = [
        (Verdict::Forward, chances.iter().any(|one| one.sends)),
        (Verdict::Pass, passes && all_unavailable),
        (Verdict::Drop, may_not_send && (!passes || any_left_out)),
    ];
    let possible = possible.into_iter().filter(|(_, possible)| *possible);
    possible.map(|(verdict, _)| verdict).collect()
}
