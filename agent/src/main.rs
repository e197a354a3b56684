//! The node agent.
#![forbid(unsafe_code)]

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

fn main() -> ExitCode {
    match udplb_agent::cli::Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody can read it, the exit code has to do.
            let _written = writeln!(io::stderr(), "udplb-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
