//! `status` for people: a table for the interfaces, then one for each forward. **pure**

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Destination, Forward, NextHop, Status, UpstreamStatus};

/// Words of a list that are shown before "and N more".
const LIST: usize = 8;

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["INTERFACE", "HOOK", "LET GO"]);
        for attachment in &self.attachments {
            table.push([
                attachment.interface.clone(),
                attachment.hook.to_owned(),
                counts(&attachment.unmatched),
            ]);
        }
        table.write(formatter, "")?;
        for forward in &self.forwards {
            writeln!(formatter)?;
            forward.fmt(formatter)?;
        }
        Ok(())
    }
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
        if self.listeners.is_empty() {
            writeln!(formatter, "  listens nowhere")?;
        } else {
            let listeners = || self.listeners.iter();
            writeln!(
                formatter,
                "  ports {} of {} on {}",
                list(listeners().flat_map(|one| one.ports.iter())),
                list(listeners().map(|one| &one.address)),
                list(listeners().map(|one| &one.interface)),
            )?;
        }
        let mut table = Table::new(&["DESTINATION", "UPSTREAM", "NEXT HOP", "STATE", "SENT"]);
        for destination in &self.destinations {
            rows(destination, &mut table);
        }
        table.write(formatter, "  ")?;
        for destination in &self.destinations {
            let mut others = destination.dropped.clone();
            let _ = others.insert("sampled_out", destination.sampled_out);
            let _ = others.insert("passed", destination.passed);
            let text = counts(&others);
            if text != NOTHING {
                writeln!(formatter, "  {} did not send: {text}", destination.name)?;
            }
        }
        Ok(())
    }
}

fn rows(destination: &Destination, table: &mut Table<5>) {
    let name = &destination.name;
    for upstream in &destination.upstreams {
        table.push([
            name.clone(),
            upstream.upstream.clone(),
            upstream
                .next_hop
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), next_hop),
            state(upstream).to_owned(),
            upstream.sent.packets.to_string(),
        ]);
    }
    if let Some(retired) = destination.retired {
        let [nothing, state] = [NOTHING, "gone"].map(str::to_owned);
        let upstream = "earlier upstreams".to_owned();
        let sent = retired.packets.to_string();
        table.push([name.clone(), upstream, nothing, state, sent]);
    }
}

fn next_hop(next_hop: &NextHop) -> String {
    let NextHop {
        interface,
        neighbour,
        mac,
        ..
    } = next_hop;
    format!("{neighbour} ({mac}) on {interface}")
}

const fn state(upstream: &UpstreamStatus) -> &'static str {
    match &upstream.next_hop {
        None => "no route",
        Some(_) if upstream.reachable => "reachable",
        Some(_) => "unresolved",
    }
}

const NOTHING: &str = "-";

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

/// Each word once, and not too many.
fn list<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let mut seen = BTreeSet::new();
    let distinct: Vec<&str> = words
        .filter(|word| seen.insert(*word))
        .map(String::as_str)
        .collect();
    let shown = distinct.iter().take(LIST).copied().collect::<Vec<_>>();
    let text = shown.join(", ");
    match distinct.len().saturating_sub(LIST) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Rows of equal columns, each as wide as its widest cell.
struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    fn new(titles: &[&str; COLUMNS]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned)],
        }
    }

    fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(formatter, "{indent}{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
