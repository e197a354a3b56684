//! The node agent.
pub mod apply;
pub mod cleanup;
pub mod cli;
pub mod desired;
pub mod diff;
pub mod facts;
pub mod kernel;
pub mod metrics;
pub mod next_hop;
pub mod observed;
pub mod op;
pub mod reconcile;
pub mod report;
pub mod retry;
pub mod source;
pub mod status;
pub mod tables;
