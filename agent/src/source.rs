//! Where the agent's input comes from.

pub mod file;
