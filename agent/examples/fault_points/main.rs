//! The node agent with fault points: wherever it asks the kernel for something, that can be made to fail, or the
//! process to die. For `make faults`.
//!
//! The points are not in the agent. Whatever it wants of the kernel goes through a function of libc, or is a store to a
//! memory-mapped array. This binary has those functions itself ([`calls`]), and makes the arrays read-only, so that
//! each store is noticed ([`stores`]). So a new operation is a point without anybody's doing, also where a library
//! makes it, and what ships has none.
//!
//! `UDPLB_FAULTS` names a folder with two files. `plan` says what is to happen ([`plan`]), and may change while the
//! agent runs. To `passed` a line is added for every point that is passed.

mod calls;
mod kernel;
mod name;
mod plan;
mod points;
mod stores;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

fn main() -> anyhow::Result<ExitCode> {
    let folder = std::env::var_os("UDPLB_FAULTS").context("UDPLB_FAULTS names no folder")?;
    points::start(&PathBuf::from(folder))?;
    stores::watch()?;
    Ok(udplb_agent::cli::main())
}
