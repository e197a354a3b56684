//! The cluster operator: what users ask for becomes what nodes run, and what nodes say becomes a status.
//!
//! ```text
//! API server ─ watch ─▶ world ─ plan ─▶ resolved, config ─┐
//!  host names ─ names ──▶                status ───────────┴─ op ─▶ apply ─▶ API server
//!                                                              ▲       │
//!                                                        lease ┘       └─▶ event
//! ```
//!
//! `state` holds `world`, plan and pace, and is pure: changes go in, ops come out. `controller` is the loop around
//! it. Every operator keeps its world warm; the one that holds the Lease writes.
#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "the documentation of arguments is what --help prints"
)]

pub mod apply;
pub mod cleanup;
pub mod config;
pub mod controller;
pub mod definitions;
pub mod event;
mod installation;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod op;
pub mod pace;
pub mod plan;
pub mod resolved;
pub mod run;
pub mod state;
pub mod status;
pub mod verify;
pub mod watch;
pub mod world;

/// Who wrote a field of a ResolvedForward or NodeForwardConfig.
const FIELD_MANAGER: &str = "udplb-operator";
/// Who wrote a field of a UdpForward's status.
const STATUS_MANAGER: &str = "udplb-operator-status";
