//! The node agent.
pub mod desired;
pub mod diff;
pub mod facts;
pub mod kernel;
pub mod next_hop;
pub mod observed;
pub mod op;
pub mod source;
pub mod tables;
