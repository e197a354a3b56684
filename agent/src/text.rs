//! What all commands print for people: tables, short lists, lines that fit a terminal. **pure**

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use udplb_abi::{
    hash::Strategy,
    next_hop::{STATE_LOCAL, STATE_RESOLVED},
};

use crate::facts::InterfaceIndex;

/// Words of a list that are shown before "and N more".
const LIST: usize = 8;
/// Columns of a terminal.
pub const WIDTH: usize = 80;

/// Names of interfaces; a number where there is none any more.
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<InterfaceIndex, String>);

impl Names {
    /// The name of an interface.
    #[must_use]
    pub fn of(&self, interface: InterfaceIndex) -> String {
        let name = self.0.get(&interface).cloned();
        name.unwrap_or_else(|| format!("#{interface}"))
    }
}

/// A link-layer address as people write it.
#[must_use]
pub fn mac(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// An address with its port, where it has one: 0 is none.
#[must_use]
pub fn endpoint(address: IpAddr, port: u16) -> String {
    match port {
        0 => address.to_string(),
        port => SocketAddr::new(address, port).to_string(),
    }
}

/// What becomes of an address as people write it.
#[must_use]
pub const fn address_handling(rewrites: bool) -> &'static str {
    if rewrites { "Rewrite" } else { "Preserve" }
}

/// An action as people write it.
#[must_use]
pub const fn action(consumes: bool) -> &'static str {
    if consumes { "Forward" } else { "Clone" }
}

/// The state of a next hop as people read it.
#[must_use]
pub const fn next_hop_state(state: u8) -> &'static str {
    match state {
        STATE_RESOLVED => "resolved",
        STATE_LOCAL => "local",
        _ => "unresolved",
    }
}

/// A range of ports as people write it.
#[must_use]
pub fn ports((first, last): (u16, u16)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// A strategy as people write it; None: random.
#[must_use]
pub const fn strategy(strategy: Option<Strategy>) -> &'static str {
    match strategy {
        Some(Strategy::SourceIp) => "SourceIP",
        Some(Strategy::SourcePort) => "SourcePort",
        Some(Strategy::SourceIpPort) => "SourceIPPort",
        Some(Strategy::FiveTuple) => "FiveTuple",
        Some(Strategy::Random) | None => "Random",
    }
}

/// Writes a paragraph, broken between words: `first` is in front of its first line, blanks of the same
/// width in front of the others.
pub fn paragraph(formatter: &mut impl fmt::Write, first: &str, text: &str) -> fmt::Result {
    let indent = first.chars().count();
    let mut line = first.to_owned();
    let mut width = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > indent && width + 1 + length > WIDTH {
            writeln!(formatter, "{line}")?;
            line = " ".repeat(indent);
            width = indent;
        }
        if width > indent {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    writeln!(formatter, "{line}")
}

/// Each word once, and not too many.
#[must_use]
pub fn list<'a>(words: impl Iterator<Item = &'a String>) -> String {
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
#[derive(Debug)]
pub struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table under these titles.
    #[must_use]
    pub fn new(titles: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// Writes it, each line behind `indent`.
    pub fn write(&self, formatter: &mut impl fmt::Write, indent: &str) -> fmt::Result {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_broken_between_words() {
        let mut text = String::new();
        let word = "x".repeat(30);
        paragraph(&mut text, "why: ", &[&word[..]; 4].join(" ")).unwrap();
        assert_eq!(text, format!("why: {word} {word}\n     {word} {word}\n"));
    }

    #[test]
    fn lists_name_each_word_once_and_end_somewhere() {
        let words: Vec<String> = (0..20).map(|number| (number / 2).to_string()).collect();
        assert_eq!(list(words.iter()), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
    }
}
