//! The node agent.
pub mod facts;
pub mod op;
