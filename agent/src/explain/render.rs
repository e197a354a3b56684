//! An explanation for people. **pure**

use std::fmt;

use super::{Candidate, Destination, Explanation, NextHop, Outcome, Verdict};
use crate::text::{list, paragraph};

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = &self.packet;
        let ends = format!("{} to {}", packet.source, packet.destination);
        let parts = [
            Some(format!(
                "{ends} on {}, TTL {}",
                packet.interface, packet.ttl
            )),
            packet.vlan.map(|vlan| format!("VLAN {vlan}")),
            packet.length.map(|length| format!("{length} bytes")),
        ];
        paragraph(formatter, "packet:   ", &joined(parts))?;
        if let Some(forward) = &self.forward {
            let super::Forward {
                namespace,
                name,
                action,
                address,
                port,
                sources,
                when_unavailable,
            } = forward;
            let mut listens = format!("listens on port {port} of {address}");
            if !sources.is_empty() {
                listens = format!("{listens} for sources {}", list(sources.iter()));
            }
            let parts = [
                Some(format!("{namespace}/{name}: {action}")),
                Some(listens),
                when_unavailable.map(|what| format!("whenUnavailable {what}")),
            ];
            paragraph(formatter, "forward:  ", &joined(parts))?;
        }
        let verdicts = [self.verdict]
            .into_iter()
            .chain(self.other_verdicts.iter().copied());
        let verdicts: Vec<_> = verdicts.map(meaning).collect();
        paragraph(formatter, "verdict:  ", &verdicts.join("; or "))?;
        for miss in &self.misses {
            paragraph(formatter, "because:  ", &miss.text)?;
        }
        for destination in &self.destinations {
            writeln!(formatter)?;
            destination.fmt(formatter)?;
        }
        Ok(())
    }
}

/// What there is, behind commas.
fn joined(parts: [Option<String>; 3]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clone => "Clone: the original goes on to the stack, unchanged",
        Verdict::Forward => "Forward: it is sent on, the stack does not get it",
        Verdict::Pass => "Pass: no destination is available, the stack gets it",
        Verdict::Drop => "Drop: it is consumed and sent nowhere",
        Verdict::Next => "Next: not ours, the next program on the hook and the stack get it",
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match (self.outcome, self.drop) {
            (Outcome::Dropped, Some(reason)) => format!("dropped, {reason}"),
            (outcome, _) => word(outcome).to_owned(),
        };
        writeln!(formatter, "destination {}: {outcome}", self.name)?;
        if let Some(why) = self.drop.and_then(advice) {
            paragraph(formatter, "  why:       ", why)?;
        }
        if let Some(sampling) = self.sampling {
            let taken = match sampling.taken {
                Some(true) => ": takes this one",
                Some(false) => ": leaves this one out",
                None => "",
            };
            let per = sampling.per.to_lowercase();
            writeln!(
                formatter,
                "  sampling:  1 in {} by {per}{taken}",
                sampling.one_in
            )?;
        }
        for condition in &self.conditions {
            paragraph(formatter, "  if:        ", condition)?;
        }
        let index = |index: Option<u32>| index.map_or("any".to_owned(), |index| index.to_string());
        match self.table {
            Some(table) if !self.upstreams.is_empty() => writeln!(
                formatter,
                "  strategy:  {}, slot {} of {}",
                self.strategy,
                index(table.index),
                table.slots
            )?,
            _ if !self.upstreams.is_empty() => {
                writeln!(
                    formatter,
                    "  strategy:  {}, one upstream to choose",
                    self.strategy
                )?;
            }
            _ => {}
        }
        for (number, candidate) in self.upstreams.iter().enumerate() {
            let first = if number == 0 { "upstream:" } else { "or:" };
            upstream(formatter, first, candidate)?;
        }
        Ok(())
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sent => "sent",
        Outcome::SampledOut => "sampled out",
        Outcome::Dropped => "dropped",
        Outcome::Passed => "passed to the stack",
        Outcome::Depends => "depends",
    }
}

fn upstream(formatter: &mut fmt::Formatter<'_>, first: &str, candidate: &Candidate) -> fmt::Result {
    let Candidate {
        upstream,
        weight,
        next_hop,
        drop,
        wire,
    } = candidate;
    let dropped = drop.map_or(String::new(), |reason| format!(", dropped: {reason}"));
    writeln!(
        formatter,
        "  {first:<10} {upstream}, weight {weight}{dropped}"
    )?;
    if let Some(why) = drop.and_then(advice) {
        paragraph(formatter, "  why:       ", why)?;
    }
    if let Some(NextHop { state, link }) = next_hop {
        let text = match link {
            None => "this host itself".to_owned(),
            Some(link) => {
                let mac = if *state == "resolved" {
                    &link.mac
                } else {
                    *state
                };
                format!(
                    "{} ({mac}) on {}, MTU {}",
                    link.neighbour, link.interface, link.mtu
                )
            }
        };
        paragraph(formatter, "  next hop:  ", &text)?;
    }
    let Some(wire) = wire else {
        return Ok(());
    };
    let text = format!(
        "{} to {}, TTL {}, on {}",
        wire.source, wire.destination, wire.ttl, wire.interface
    );
    paragraph(formatter, "  wire:      ", &text)?;
    let Some(frame) = &wire.frame else {
        let is_local = next_hop.as_ref().is_some_and(|hop| hop.link.is_none());
        let text = if is_local {
            "none, it comes up the stack as if it had arrived on that interface"
        } else {
            "none, the interface carries bare IP packets"
        };
        return paragraph(formatter, "  frame:     ", text);
    };
    let macs = match &frame.destination_mac {
        Some(mac) => format!("from {} to {mac}", frame.source_mac),
        None => format!(
            "from {}, once the kernel has resolved the neighbour",
            frame.source_mac
        ),
    };
    paragraph(formatter, "  frame:     ", &macs)
}

/// What a drop reason means and where to look.
fn advice(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "no_upstream" => "the destination has no upstream in this address family",
        "no_route" => "no route leads there, or its interface is down: `ip route get` the upstream",
        "neighbour_unresolved" => {
            "the neighbour has not answered: `ip neigh show` on that interface"
        }
        "mtu_exceeded" => "the packet is longer than the next hop's MTU",
        "ttl_expired" => "copies leave with one hop less, and the packet has none to give",
        _ => return None,
    })
}
