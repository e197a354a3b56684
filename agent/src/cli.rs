//! The command line: one module for each command. **IO**

mod cleanup;
mod run;
mod status;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use nix::unistd::Uid;

use run::Run;

/// Clones and forwards UDP packets in the kernel, before the network stack sees them.
#[derive(Debug, Parser)]
#[command(
    name = "udplb-agent",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    after_help = "Without a command, flags are those of `run`: udplb-agent -d -i ens3"
)]
pub struct Cli {
    /// Print this help.
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the forwards of a file, and follow its changes.
    Run(Run),
    /// Show what is attached, each upstream's next hop, and counters; works with no agent running.
    Status(status::Status),
    /// Remove everything that udplb left in the kernel, and nothing else.
    Cleanup(cleanup::Cleanup),
}

/// Which kernel state is meant.
#[derive(Clone, Debug, Args)]
struct Pins {
    /// Folder on a BPF file system where maps and links outlive the process.
    #[arg(long, value_name = "FOLDER", default_value = "/sys/fs/bpf/udplb")]
    pin_dir: PathBuf,
}

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Text for people.
    #[default]
    Text,
    /// JSON for machines.
    Json,
}

impl Cli {
    /// Carries out the command.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Run(self.run)) {
            Command::Run(run) => run.execute(),
            Command::Status(status) => status.execute(),
            Command::Cleanup(cleanup) => cleanup.execute(),
        }
    }
}

/// Everything here talks to the kernel about BPF and the network, which takes root.
fn require_root(command: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        Uid::effective().is_root(),
        "`udplb-agent {command}` needs root: run it with sudo"
    );
    Ok(())
}

/// A runtime whose second thread keeps working while the first waits for the kernel.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}
