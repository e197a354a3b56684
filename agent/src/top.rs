//! Rates of everything that counts, for `top`. **pure**: `screen` has the terminal.

mod format;
pub mod rates;
mod render;
pub mod screen;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use render::{lines, sort};

/// Version of the JSON shape.
pub const VERSION: u32 = 1;

/// What passed in one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Of the JSON shape.
    pub version: u32,
    /// How long it was.
    pub seconds: f64,
    /// By forward.
    pub forwards: Vec<Forward>,
}

/// Packets and bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Rate {
    pub packets_per_second: f64,
    pub bits_per_second: f64,
}

/// What a forward matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Forward {
    pub namespace: String,
    pub name: String,
    #[serde(flatten)]
    pub matched: Rate,
    pub dropped_per_second: f64,
    pub destinations: Vec<Destination>,
}

/// What a destination sent and did not send.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Destination {
    pub name: String,
    #[serde(flatten)]
    pub sent: Rate,
    pub dropped_per_second: f64,
    pub sampled_out_per_second: f64,
    pub passed_per_second: f64,
    /// By reason; reasons that did not occur are left out.
    pub dropped: BTreeMap<&'static str, f64>,
    pub upstreams: Vec<Upstream>,
}

/// What was sent to an upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "docs/json.md says what each field is")]
pub struct Upstream {
    pub upstream: String,
    #[serde(flatten)]
    pub sent: Rate,
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Packets a second, the most first.
    #[default]
    Packets,
    /// Bits a second, the most first.
    Bits,
    /// Drops a second, the most first.
    Drops,
    /// Names.
    Name,
}
