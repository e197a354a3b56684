//! The custom resources of udplb, and the offline check of documents that hold one. Pure.
//!
//! ```text
//! UdpForward ──plan──▶ ResolvedForward      what is the same for all nodes, once
//!  (the user)     └──▶ NodeForwardConfig    what runs on one node: references
//! ```
//!
//! `///` texts on fields are user documentation: `kubectl explain` prints them. The schema bounds and
//! the CEL rules next to the types are the only source of validation: the API server evaluates
//! them, and [`check`] does the same for a document in a file.
#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "kubectl explain prints the documentation of fields"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns repeat the names of their settings"
)]

pub mod check;
pub mod condition;
pub mod crd;
pub mod node_forward_config;
pub mod resolved_forward;
mod schema;
pub mod transition;
pub mod udp_forward;

pub use check::{Checker, Problem};
pub use node_forward_config::{
    FailedForward, ForwardReference, NodeForwardConfig, NodeForwardConfigSpec,
    NodeForwardConfigStatus,
};
pub use resolved_forward::{
    ResolvedDestination, ResolvedForward, ResolvedForwardSpec, ResolvedMatch, ResolvedUpstream,
};
pub use udp_forward::{UdpForward, UdpForwardSpec, UdpForwardStatus};

/// `apiVersion` of the custom resources.
pub const API_VERSION: &str = "udplb.dev/v1alpha1";

/// How many forwards one file may hold.
pub const MAX_FORWARDS_IN_FILE: usize = 10_000;
/// How many upstreams one destination has once names and services are resolved.
pub const MAX_RESOLVED_UPSTREAMS: usize = 256;
/// Longest name of a forward.
pub const MAX_FORWARD_NAME: usize = 63;
