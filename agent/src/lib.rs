//! The node agent.
pub mod facts;
pub mod next_hop;
pub mod op;
