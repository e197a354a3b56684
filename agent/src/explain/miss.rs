//! Why a packet is nobody's: the nearest miss, by name. **pure**

use serde::Serialize;
use udplb_abi::{NONE, listener::ListenerSlot};

use super::{Host, Question, Refusal, name, sources};
use crate::{
    desired::prefix::Prefix,
    report::{self, Listener},
    tables::{Tables, walk},
    text::{self, list},
};

/// How many forwards that listen nowhere are named.
const NOWHERE: usize = 3;

/// One reason why the packet is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// What misses.
    pub kind: Kind,
    /// For people.
    pub text: String,
}

/// What misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Our program is not on the interface.
    NotAttached,
    /// A VLAN device takes the frame.
    VlanDevice,
    /// Multicast or broadcast that no forward names.
    GroupNotNamed,
    /// The source is outside `match.sources`.
    Source,
    /// Everything fits but the interface.
    Interface,
    /// Everything fits but the address.
    Address,
    /// Everything fits but the port.
    Port,
    /// Nothing is near.
    Nobody,
    /// A forward that listens nowhere: what it would take is not known here.
    ListensNowhere,
}

/// All that misses, the nearest first. `refusal`: None where only the attachment is missing.
pub(super) fn all(
    tables: &Tables,
    host: &Host,
    question: &Question,
    refusal: Option<&Refusal<'_>>,
) -> Vec<Miss> {
    let mut misses = Vec::new();
    if !host.attached.contains(&question.interface) {
        misses.push(not_attached(tables, host, question));
    }
    match refusal {
        None => {}
        Some(Refusal::VlanDevice(device)) => misses.push(vlan_device(host, question, *device)),
        Some(Refusal::Unnamed(listener)) => misses.push(unnamed(tables, question, listener)),
        Some(Refusal::Source(forward)) => {
            let destination = question.destination;
            misses.push(Miss {
                kind: Kind::Source,
                text: format!(
                    "port {} of {} on {} is forward {}'s, but source {} is outside {}",
                    destination.port(),
                    destination.ip(),
                    host.names.of(question.interface),
                    name(tables, forward),
                    question.source,
                    list(of_family(&sources(tables, forward), question).into_iter()),
                ),
            });
        }
        Some(Refusal::NoListener) => {
            misses.extend(near(tables, host, question));
            misses.extend(nowhere(tables));
        }
    }
    misses
}

/// The sources of the packet's family, where there are any.
fn of_family<'a>(sources: &'a [String], question: &Question) -> Vec<&'a String> {
    let is_v6 = |one: &&String| one.contains(':');
    let same: Vec<_> = sources
        .iter()
        .filter(|one| is_v6(one) == question.source.is_ipv6())
        .collect();
    if same.is_empty() {
        return sources.iter().collect();
    }
    same
}

fn not_attached(tables: &Tables, host: &Host, question: &Question) -> Miss {
    let interface = host.names.of(question.interface);
    let others: Vec<_> = host
        .attached
        .iter()
        .map(|&one| host.names.of(one))
        .collect();
    let text = if tables.attachments.contains_key(&question.interface) {
        format!(
            "udplb was attached to {interface}, but its program is not on the hook any more: a running \
             agent puts it back"
        )
    } else if others.is_empty() {
        format!("udplb is not attached to {interface}, nor to any other interface")
    } else {
        let others = list(others.iter());
        format!("udplb is not attached to {interface}; it is attached to {others}")
    };
    Miss {
        kind: Kind::NotAttached,
        text,
    }
}

fn vlan_device(host: &Host, question: &Question, device: u32) -> Miss {
    let (parent, device) = (host.names.of(question.interface), host.names.of(device));
    let vlan = question.vlan.unwrap_or_default();
    Miss {
        kind: Kind::VlanDevice,
        text: format!(
            "frames of VLAN {vlan} on {parent} belong to VLAN device {device}: ask with --interface \
             {device} and without --vlan"
        ),
    }
}

fn unnamed(tables: &Tables, question: &Question, listener: &ListenerSlot) -> Miss {
    let prefix = Prefix::new(listener.key.address, listener.prefix_length);
    let address = question.destination.ip();
    let forward = forward_name(tables, listener.forward);
    let kind = if address.is_multicast() {
        "multicast"
    } else {
        "broadcast"
    };
    Miss {
        kind: Kind::GroupNotNamed,
        text: format!(
            "forward {forward} listens on {prefix}, but {address} is a {kind} address: those are taken \
             only where match.addresses names them"
        ),
    }
}

/// A listener beside the packet, and what does not fit.
struct Near<'a> {
    forward: u32,
    listener: &'a Listener,
    /// The range of ports that fits, or is the nearest.
    ports: (u16, u16),
    /// Interface, address, port or source.
    wrong: Vec<Kind>,
}

/// What one change would make fit, one of each kind; or the least far.
fn near(tables: &Tables, host: &Host, question: &Question) -> Vec<Miss> {
    let listeners = report::listeners(tables);
    let mut found: Vec<_> = listeners
        .iter()
        .flat_map(|(&forward, all)| all.iter().map(move |one| (forward, one)))
        .filter_map(|(forward, listener)| compare(tables, question, forward, listener))
        .collect();
    let address = |near: &Near<'_>| far(&near.listener.prefix, question);
    found.sort_by_key(|near| {
        let port = distance(near.ports, question.destination.port());
        (near.wrong.len(), address(near), port, near.forward)
    });
    let single = |kind: &Kind| found.iter().find(|near| near.wrong == [*kind]);
    let kinds = [Kind::Interface, Kind::Address, Kind::Port];
    let misses: Vec<_> = kinds
        .iter()
        .filter_map(|kind| Some((*kind, single(kind)?)))
        .map(|(kind, near)| Miss {
            kind,
            text: beside(tables, host, question, kind, near),
        })
        .collect();
    if misses.is_empty() {
        return vec![nobody(tables, host, question, found.first())];
    }
    misses
}

fn compare<'a>(
    tables: &Tables,
    question: &Question,
    forward: u32,
    listener: &'a Listener,
) -> Option<Near<'a>> {
    let packet = super::packet(question);
    let port = question.destination.port();
    let ports = listener
        .ports
        .iter()
        .min_by_key(|range| distance(**range, port))?;
    let takes = tables
        .forward(forward)
        .is_some_and(|slot| walk::takes_source(tables, slot, &packet.source));
    let wrong = [
        (Kind::Interface, listener.interface != question.interface),
        (Kind::Address, !listener.prefix.covers(&packet.destination)),
        (Kind::Port, distance(*ports, port) > 0),
        (Kind::Source, !takes),
    ];
    let wrong = wrong.into_iter().filter(|(_, wrong)| *wrong);
    Some(Near {
        forward,
        listener,
        ports: *ports,
        wrong: wrong.map(|(kind, _)| kind).collect(),
    })
}

/// How far a port is outside a range.
const fn distance((first, last): (u16, u16), port: u16) -> u16 {
    if port < first {
        first - port
    } else {
        port.saturating_sub(last)
    }
}

/// Bits of the destination address that are not those of the listener's.
fn far(prefix: &Prefix, question: &Question) -> u32 {
    let address = super::packet(question).destination;
    let difference = u128::from_be_bytes(address) ^ u128::from_be_bytes(prefix.address());
    u32::from(prefix.length()).saturating_sub(difference.leading_zeros())
}

fn beside(
    tables: &Tables,
    host: &Host,
    question: &Question,
    kind: Kind,
    near: &Near<'_>,
) -> String {
    let at = place(tables, host, near);
    let not = match kind {
        Kind::Interface => format!("on {}", host.names.of(question.interface)),
        Kind::Address => format!("of {}", question.destination.ip()),
        _ => format!("on port {}", question.destination.port()),
    };
    format!("forward {at}, not {not}")
}

/// Which forward listens where.
fn place(tables: &Tables, host: &Host, near: &Near<'_>) -> String {
    let plural = if near.ports.0 == near.ports.1 {
        ""
    } else {
        "s"
    };
    format!(
        "{} listens on port{plural} {} of {} on {}",
        forward_name(tables, near.forward),
        text::ports(near.ports),
        near.listener.prefix,
        host.names.of(near.listener.interface),
    )
}

fn nobody(tables: &Tables, host: &Host, question: &Question, near: Option<&Near<'_>>) -> Miss {
    let port = question.destination.port();
    let text = match near {
        None => "no forward listens anywhere".to_owned(),
        Some(near) => {
            let what = if tables.ports.contains_key(&port) {
                let interface = host.names.of(question.interface);
                format!(
                    "port {port} of {} on {interface}",
                    question.destination.ip()
                )
            } else {
                format!("port {port}")
            };
            let nearest = place(tables, host, near);
            format!("nobody listens on {what}; the nearest: forward {nearest}")
        }
    };
    Miss {
        kind: Kind::Nobody,
        text,
    }
}

/// Forwards that are loaded and listen nowhere.
fn nowhere(tables: &Tables) -> Vec<Miss> {
    let listeners = report::listeners(tables);
    let slots = tables
        .forwards
        .keys()
        .filter(|number| !listeners.contains_key(number));
    let silent = slots.filter_map(|&number| tables.forward(number));
    let listens = |id| {
        let mut numbers = listeners.keys();
        numbers.any(|&number| tables.forward(number).is_some_and(|slot| slot.id == id))
    };
    silent
        .filter(|slot| slot.counters != NONE && !listens(slot.id))
        .take(NOWHERE)
        .map(|slot| Miss {
            kind: Kind::ListensNowhere,
            text: format!(
                "forward {} listens nowhere: it is paused, its interfaces are missing, or older forwards \
                 have its listeners; the agent's log says which",
                name(tables, slot)
            ),
        })
        .collect()
}

fn forward_name(tables: &Tables, number: u32) -> String {
    tables
        .forward(number)
        .map_or_else(|| format!("#{number}"), |slot| name(tables, slot))
}
