//! Where the agent's input comes from.

pub mod cluster;
pub mod file;
pub mod last_good;
pub mod planned;
pub mod standalone;
pub mod version;
mod watch;
