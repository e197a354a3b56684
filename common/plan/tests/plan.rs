//! From forwards to what a node runs: parsing, conflicts, resolution, bytes.
#![cfg(test)]

#[path = "plan/cluster.rs"]
mod cluster;
#[path = "plan/common.rs"]
mod common;
#[path = "plan/conflict.rs"]
mod conflict;
#[path = "plan/cycles.rs"]
mod cycles;
#[path = "plan/named_cycles.rs"]
mod named_cycles;
#[path = "plan/node.rs"]
mod node;
#[path = "plan/resolve.rs"]
mod resolve;
#[path = "plan/standalone.rs"]
mod standalone;
#[path = "plan/validate.rs"]
mod validate;
