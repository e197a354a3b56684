//! `status` for people: a table for the interfaces, then each forward with a table for each destination. **pure**

use std::{collections::BTreeMap, fmt};

use super::{Attachment, Destination, Forward, Link, NextHop, Occupant, Status, UpstreamStatus};
use crate::text::{Table, list, paragraph};

const NOTHING: &str = "-";

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["INTERFACE", "HOOK", "RP_FILTER", "LET GO"]);
        for attachment in &self.attachments {
            table.push([
                attachment.interface.clone(),
                attachment.hook.to_owned(),
                attachment.rp_filter.unwrap_or(NOTHING).to_owned(),
                counts(&attachment.unmatched),
            ]);
        }
        table.write(formatter, "")?;
        for attachment in &self.attachments {
            hook(formatter, attachment)?;
        }
        for forward in &self.forwards {
            writeln!(formatter)?;
            forward.fmt(formatter)?;
        }
        Ok(())
    }
}

/// What else is on the hook, or that we are not on it any more.
fn hook(formatter: &mut fmt::Formatter<'_>, attachment: &Attachment) -> fmt::Result {
    let Attachment {
        interface,
        attached,
        on_hook,
        ..
    } = attachment;
    if !attached {
        let text = "our program is not on the hook any more: a running agent puts it back";
        paragraph(formatter, &format!("  {interface}: "), text)?;
    }
    if on_hook.iter().any(|one| !one.ours) {
        let mut words: Vec<_> = on_hook.iter().map(occupant).collect();
        // One filter of u32 stands for its hash tables, too.
        words.dedup();
        let text = format!("on the hook, in this order: {}", words.join(", "));
        paragraph(formatter, &format!("  {interface}: "), &text)?;
    }
    Ok(())
}

fn occupant(occupant: &Occupant) -> String {
    let Occupant {
        hook,
        ours,
        kind,
        program,
        name,
        priority,
        ..
    } = occupant;
    if *ours {
        return "udplb".to_owned();
    }
    let words = [
        Some((*hook).to_owned()),
        (*hook == "clsact").then(|| kind.clone()),
        name.clone(),
        program.map(|id| format!("program {id}")),
        priority.map(|priority| format!("pref {priority}")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Forward {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            name,
            action,
            matched,
            ..
        } = self;
        let (packets, bytes) = (matched.packets, matched.bytes);
        writeln!(
            formatter,
            "{namespace}/{name}: {action}, matched {packets} packets, {bytes} bytes"
        )?;
        let listeners = || self.listeners.iter();
        let text = if self.listeners.is_empty() {
            "listens nowhere".to_owned()
        } else {
            format!(
                "ports {} of {} on {}",
                list(listeners().flat_map(|one| one.ports.iter())),
                list(listeners().map(|one| &one.address)),
                list(listeners().map(|one| &one.interface)),
            )
        };
        paragraph(formatter, "  ", &text)?;
        self.destinations
            .iter()
            .try_for_each(|destination| destination.fmt(formatter))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut about = vec![self.strategy.to_owned()];
        about.extend(self.tables.iter().map(|table| {
            let super::Table {
                family,
                slots,
                skew,
                ..
            } = table;
            format!("{family} table of {slots} slots with skew {skew:.3}")
        }));
        paragraph(formatter, &format!("  {}: ", self.name), &about.join(", "))?;
        let mut table = Table::new(["UPSTREAM", "NEXT HOP", "NEIGHBOUR", "SENT"]);
        for upstream in &self.upstreams {
            table.push([
                upstream.upstream.clone(),
                upstream
                    .next_hop
                    .as_ref()
                    .map_or_else(|| NOTHING.to_owned(), next_hop),
                state(upstream),
                upstream.sent.packets.to_string(),
            ]);
        }
        if let Some(retired) = self.retired {
            let sent = retired.packets.to_string();
            let [upstream, nothing, state] =
                ["earlier upstreams", NOTHING, "gone"].map(str::to_owned);
            table.push([upstream, nothing, state, sent]);
        }
        table.write(formatter, "    ")?;
        let mut others = self.dropped.clone();
        let _ = others.insert("sampled_out", self.sampled_out);
        let _ = others.insert("passed", self.passed);
        let text = counts(&others);
        if text != NOTHING {
            paragraph(formatter, "    did not send: ", &text)?;
        }
        self.reverse_path
            .iter()
            .try_for_each(|path| paragraph(formatter, "    ", &path.text))
    }
}

/// The interface, and the router where one is next.
fn next_hop(next_hop: &NextHop) -> String {
    let Some(link) = &next_hop.link else {
        return "this host".to_owned();
    };
    let Link {
        interface,
        neighbour,
        is_gateway,
        ..
    } = link;
    if *is_gateway {
        format!("{interface} {neighbour}")
    } else {
        interface.clone()
    }
}

/// The neighbour's state as the kernel has it, and for how long.
fn state(upstream: &UpstreamStatus) -> String {
    let Some(hop) = &upstream.next_hop else {
        return "no route".to_owned();
    };
    let entry = hop.link.as_ref().and_then(|link| link.entry.as_ref());
    let state = match entry {
        None => hop.state.to_owned(),
        Some(entry) if matches!(entry.state, "PERMANENT" | "NOARP") => entry.state.to_owned(),
        Some(entry) if upstream.reachable => {
            format!("{} {}", entry.state, age(entry.confirmed_seconds))
        }
        Some(entry) => format!("{} {}", entry.state, age(entry.updated_seconds)),
    };
    if upstream.chosen {
        state
    } else {
        format!("{state}, unused")
    }
}

/// A time in its largest unit.
fn age(seconds: u32) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Counters that are not zero.
fn counts(counters: &BTreeMap<&'static str, u64>) -> String {
    let counted = counters.iter().filter(|(_, count)| **count > 0);
    let words: Vec<_> = counted
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if words.is_empty() {
        NOTHING.to_owned()
    } else {
        words.join(", ")
    }
}
