//! What one destination does with the packet: the program's decisions, taken from the tables. **pure**

use udplb_abi::{
    NONE,
    address::{self, Family},
    counters::DropReason,
    forward::{
        ACTION_FORWARD, ADDRESS_REWRITE, Balance, Destination as Slot, SAMPLING_PER_FLOW,
        UpstreamSlot,
    },
    hash::{Flow, Strategy},
    next_hop::{NextHopSlot, STATE_RESOLVED},
};

use super::{
    Met,
    destination::{
        Candidate, Chances, Destination, Frame, Link, NextHop, Outcome, Position, RateLimit,
        Sampling, Wire,
    },
    endpoint,
};
use crate::{
    desired::prefix::family_of,
    report,
    rewrite::Rewrite,
    tables::walk::{self, Choice},
    text,
};

/// Every destination of the forward.
pub(super) fn all(met: &Met<'_>) -> Vec<Destination> {
    let count = met.forward.destination_count.into();
    let slots = || met.forward.destinations.iter().take(count);
    let mut destinations: Vec<_> = slots().map(|slot| one(met, slot)).collect();
    if met.forward.action == ACTION_FORWARD {
        only_the_last_may_wait(&mut destinations);
    }
    destinations
}

fn one(met: &Met<'_>, slot: &Slot) -> Destination {
    let name = met.tables.names.get(&slot.id).map_or("", String::as_str);
    let keeps = |kind| text::address_handling(kind == ADDRESS_REWRITE);
    let strategy = walk::strategy(slot.strategy).unwrap_or(Strategy::Random);
    let mut destination = Destination {
        name: name.rsplit('/').next().unwrap_or(name).to_owned(),
        outcome: Outcome::Depends,
        strategy: text::strategy(Some(strategy)),
        source_address: keeps(slot.source_address),
        destination_address: keeps(slot.destination_address),
        sampling: sampling(met, slot),
        rate_limit: met.tables.rate_limits.get(&slot.rate_limit).map(|limit| {
            let interval = limit.interval.max(1);
            RateLimit {
                packets_per_second: 1_000_000_000 / interval,
                burst: limit.tolerance / interval + 1,
            }
        }),
        table: None,
        drop: None,
        upstreams: Vec::new(),
        conditions: Vec::new(),
        chances: Chances::default(),
    };
    decide(met, slot, strategy, &mut destination);
    destination
}

/// The program's order: sampling, TTL, upstream, next hop, MTU, rate limit.
fn decide(met: &Met<'_>, slot: &Slot, strategy: Strategy, destination: &mut Destination) {
    match destination.sampling {
        Some(Sampling {
            taken: Some(false), ..
        }) => {
            destination.outcome = Outcome::SampledOut;
            destination.chances.left_out = true;
            return;
        }
        Some(Sampling {
            taken: None,
            one_in,
            per,
        }) => {
            destination.chances.left_out = true;
            destination.conditions.push(if per == "Flow" {
                format!(
                    "sampling takes 1 of {one_in} flows: write the source's port to know whether this one"
                )
            } else {
                format!("sampling takes 1 of {one_in} packets, by chance")
            });
        }
        _ => {}
    }
    if met.question.ttl <= 1 {
        refuse(destination, DropReason::TtlExpired);
        return;
    }
    let balance = slot.balance[family(met) as usize];
    let (slots, position) = choose(met, slot, balance, strategy, destination);
    if balance.slots > 0 {
        destination.table = Some(Position {
            slots: balance.slots,
            index: position,
        });
    }
    if slots.is_empty() {
        refuse(destination, DropReason::NoUpstream);
        return;
    }
    for upstream in slots {
        let candidate = candidate(met, slot, upstream);
        match candidate.drop {
            None => destination.chances.sends = true,
            Some(reason) if reason == DropReason::MtuExceeded.label() => {
                destination.chances.left_out = true;
            }
            Some(_) => destination.chances.unavailable = true,
        }
        destination.upstreams.push(candidate);
    }
    if let Some(RateLimit {
        packets_per_second,
        burst,
    }) = destination.rate_limit
        && destination.chances.sends
    {
        destination.chances.left_out = true;
        destination.conditions.push(format!(
            "the rate limit of {packets_per_second} packets/s (burst {burst}) is not spent"
        ));
    }
    destination.outcome = outcome(destination);
}

fn outcome(destination: &Destination) -> Outcome {
    let Destination {
        upstreams,
        conditions,
        ..
    } = destination;
    if upstreams.iter().all(|one| one.drop.is_some()) {
        // Left to chance is only whether it is dropped or sampled out.
        return Outcome::Dropped;
    }
    if upstreams.iter().any(|one| one.drop.is_some()) || !conditions.is_empty() {
        return Outcome::Depends;
    }
    Outcome::Sent
}

fn refuse(destination: &mut Destination, reason: DropReason) {
    destination.drop = Some(reason.label());
    destination.outcome = Outcome::Dropped;
    if reason == DropReason::NoUpstream {
        destination.chances.unavailable = true;
    } else {
        destination.chances.left_out = true;
    }
}

/// The upstreams that may be chosen, and where in the table the flow's hash points.
fn choose<'a>(
    met: &Met<'a>,
    slot: &Slot,
    balance: Balance,
    strategy: Strategy,
    destination: &mut Destination,
) -> (Vec<&'a UpstreamSlot>, Option<u32>) {
    let needs_port = !matches!(strategy, Strategy::SourceIp | Strategy::Random);
    if balance.slots > 0 && needs_port && met.question.source_port.is_none() {
        let strategy = text::strategy(Some(strategy));
        destination.conditions.push(format!(
            "strategy {strategy} needs the source's port: write it to know which upstream"
        ));
        return (walk::choices(met.tables, balance), None);
    }
    match walk::choose(met.tables, slot, &flow(met)) {
        Choice::NoUpstream => (Vec::new(), None),
        Choice::Any => (walk::choices(met.tables, balance), None),
        Choice::Upstream { position, slot } => (vec![slot], position),
    }
}

fn candidate(met: &Met<'_>, slot: &Slot, upstream: &UpstreamSlot) -> Candidate {
    let next_hop = met.tables.next_hops.get(&upstream.next_hop);
    let consumes = met.forward.action == ACTION_FORWARD;
    let drop = match next_hop {
        None => Some(DropReason::NoRoute),
        Some(_) if upstream.next_hop == NONE => Some(DropReason::NoRoute),
        Some(hop) if !hop.is_ready() && !consumes => Some(DropReason::NeighbourUnresolved),
        Some(hop) if met.question.length.is_some_and(|length| length > hop.mtu) => {
            Some(DropReason::MtuExceeded)
        }
        Some(_) => None,
    };
    let wire = next_hop.filter(|_| drop.is_none());
    Candidate {
        upstream: report::label(upstream),
        weight: upstream.weight,
        next_hop: next_hop.map(|hop| NextHop {
            state: text::next_hop_state(hop.state),
            link: (!hop.is_local()).then(|| Link {
                interface: met.host.names.of(hop.interface),
                neighbour: address::to_ip(hop.neighbour).to_string(),
                mac: text::mac(hop.destination_mac),
                source_mac: text::mac(hop.source_mac),
                mtu: hop.mtu,
            }),
        }),
        drop: drop.map(DropReason::label),
        wire: wire.map(|hop| wire_of(met, slot, upstream, hop)),
    }
}

fn wire_of(met: &Met<'_>, slot: &Slot, upstream: &UpstreamSlot, hop: &NextHopSlot) -> Wire {
    let question = met.question;
    let rewrite = Rewrite {
        is_local: hop.is_local(),
        source_address: slot.source_address,
        destination_address: slot.destination_address,
        listener_source: met.listener.source,
        upstream: upstream.address,
        upstream_port: upstream.port,
    };
    let (source, destination) = rewrite.of(question.source, question.destination);
    let interface = if hop.is_local() {
        question.interface
    } else {
        hop.interface
    };
    Wire {
        interface: met.host.names.of(interface),
        frame: (hop.link_header != 0).then(|| Frame {
            source_mac: text::mac(hop.source_mac),
            destination_mac: (hop.state == STATE_RESOLVED).then(|| text::mac(hop.destination_mac)),
        }),
        source: endpoint(source, question.source_port),
        destination: destination.to_string(),
        ttl: question.ttl - 1,
    }
}

/// Of a forward's destinations, only the last one that sends has the packet itself, which can wait for a
/// neighbour; copies for the others cannot.
fn only_the_last_may_wait(destinations: &mut [Destination]) {
    let waits = |one: &Candidate| {
        let wire = one.wire.as_ref();
        wire.is_some_and(Wire::waits_for_a_neighbour)
    };
    let (mut later_may, mut later_must) = (false, false);
    for destination in destinations.iter_mut().rev() {
        let Chances {
            sends,
            unavailable,
            left_out,
        } = destination.chances;
        if later_must {
            for one in destination.upstreams.iter_mut().filter(|one| waits(one)) {
                one.drop = Some(DropReason::NeighbourUnresolved.label());
                one.wire = None;
            }
            destination.outcome = match destination.outcome {
                Outcome::Sent | Outcome::Depends => outcome(destination),
                other => other,
            };
        } else if later_may && destination.upstreams.iter().any(waits) {
            destination.conditions.push(
                "no later destination sends the packet: only the last can wait for a neighbour"
                    .into(),
            );
            destination.outcome = Outcome::Depends;
        }
        later_may |= sends;
        later_must |= sends && !unavailable && !left_out;
    }
}

fn sampling(met: &Met<'_>, slot: &Slot) -> Option<Sampling> {
    if slot.sampling_one_in <= 1 {
        return None;
    }
    let per_flow = slot.sampling_per == SAMPLING_PER_FLOW;
    let taken = walk::is_sampled(slot, &flow(met))
        .filter(|_| met.question.source_port.is_some() || !per_flow);
    Some(Sampling {
        one_in: slot.sampling_one_in,
        per: if per_flow { "Flow" } else { "Packet" },
        taken,
    })
}

fn flow(met: &Met<'_>) -> Flow {
    let packet = super::packet(met.question);
    Flow {
        source: packet.source,
        destination: packet.destination,
        source_port: met.question.source_port.unwrap_or_default(),
        destination_port: packet.port,
    }
}

fn family(met: &Met<'_>) -> Family {
    family_of(&super::packet(met.question).destination)
}
