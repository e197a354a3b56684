//! Planning, from what users ask for to what nodes run. Pure: the operator plans many nodes with it,
//! the standalone agent one.
//!
//! ```text
//! UdpForward ─validate─▶ ValidatedForward ─conflict, cycles─▶ AcceptedForward ─resolve─▶ ResolvedForward
//!                                                            └──node, cluster──▶ NodeForwardConfig
//! ResolvedUpstreams ─balance─▶ table of upstream indexes
//! ```
//!
//! Equal input gives equal objects, byte for byte, in whatever order it arrives.
#![forbid(unsafe_code)]

pub mod balance;
pub mod cluster;
pub mod conflict;
mod cycles;
mod listeners;
pub mod node;
pub mod resolve;
pub mod standalone;
pub mod types;
pub mod validate;

pub use cluster::{ClusterPlan, Node, Nodes, Placed, cluster};
pub use conflict::AcceptedForward;
pub use cycles::leave_out;
pub use resolve::{Answers, HostAnswer, Resolution, ServiceAnswer, ServiceKey};
pub use standalone::{Standalone, standalone};
pub use types::{ForwardKey, Notice, Rejection, Seniority, Verdict};
pub use validate::ValidatedForward;
