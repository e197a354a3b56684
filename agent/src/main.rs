//! The node agent.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    udplb_agent::cli::Cli::parse().execute()
}
