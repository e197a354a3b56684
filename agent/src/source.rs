//! Where the agent's input comes from.

pub mod file;
pub mod last_good;
pub mod planned;
pub mod standalone;
mod watch;
