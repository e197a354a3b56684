//! Hosts that lack something: `run` refuses in one line, `check` finds the same, and both say what to do. Each
//! situation is made for real.

#[path = "bad_environment/capabilities.rs"]
mod capabilities;
#[path = "bad_environment/folders.rs"]
mod folders;
#[path = "bad_environment/permission.rs"]
mod permission;
#[path = "bad_environment/situation.rs"]
mod situation;
