//! The command line: one module for each command. **IO**

mod check;
mod cleanup;
mod explain;
mod host;
mod node;
mod run;
mod status;
mod top;
mod trace;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use run::Run;
use udplb_process::telemetry::{self, Format};

/// Clones and forwards UDP packets in the kernel, before the network stack sees them.
#[derive(Debug, Parser)]
#[command(
    name = "udplb-agent",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    help_template = "{about}\n\n{usage-heading} udplb-agent <COMMAND> [OPTIONS]\n\n{subcommands}\n\n\
                     Each command has --help. Flags without a command are those of `run`:\n  \
                     udplb-agent -d -i ens3"
)]
pub struct Cli {
    /// Print this help
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the forwards of a file, and follow its changes
    Run(Run),
    /// Run the forwards that the cluster has for this node
    Node(node::Node),
    /// Show attachments, upstreams and counters, also while no agent runs
    Status(status::Status),
    /// Show live rates of forwards, destinations and upstreams
    Top(top::Top),
    /// Print what becomes of single packets while they come
    Trace(trace::Trace),
    /// Show what becomes of a packet, and why
    Explain(explain::Explain),
    /// Check this host and a file of forwards, changing nothing
    Check(check::Check),
    /// Remove everything that udplb left in the kernel, and nothing else
    Cleanup(cleanup::Cleanup),
}

/// Which kernel state is meant.
#[derive(Clone, Debug, Args)]
struct Pins {
    /// Maps and links
    ///
    /// Where they outlive the process, on a BPF file system. One agent works with a folder.
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

/// Carries out what the process's command line says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody can read it, the exit code has to do.
            let _written = writeln!(io::stderr(), "udplb-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn execute(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Run(self.run)) {
            Command::Run(run) => run.execute(),
            Command::Node(node) => node.execute(),
            Command::Status(status) => status.execute(),
            Command::Top(top) => top.execute(),
            Command::Trace(trace) => trace.execute(),
            Command::Explain(explain) => explain.execute(),
            Command::Check(check) => check.execute(),
            Command::Cleanup(cleanup) => cleanup.execute(),
        }
    }
}

impl Output {
    /// Has the process log in this form.
    fn start_logging(self, debug: bool) -> anyhow::Result<()> {
        let format = match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
        };
        telemetry::start(format, debug)?;
        Ok(())
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address and a port, such as 127.0.0.1:9465 or [::1]:9465".to_owned())
}

/// A runtime whose second thread keeps working while the first waits for the kernel.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_without_a_command_mean_run() {
        let cli = Cli::try_parse_from(["udplb-agent", "-d", "-i", "ens3"]).unwrap();
        assert!(cli.command.is_none());
        let words = ["udplb-agent", "run", "-d", "-i", "ens3"];
        let Some(Command::Run(run)) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not run");
        };
        assert_eq!(format!("{run:?}"), format!("{:?}", cli.run));
        let _unknown = Cli::try_parse_from(["udplb-agent", "-d", "status"]).unwrap_err();
        let _blank = Cli::try_parse_from(["udplb-agent", "-i", "a b"]).unwrap_err();
    }

    #[test]
    fn help_fits_a_screen_and_has_an_example() {
        let mut cli = Cli::command().term_width(80);
        cli.build();
        let names: Vec<String> = cli
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        let mut pages = vec![cli.render_help().to_string()];
        for name in names {
            let command = cli.find_subcommand_mut(&name).unwrap();
            pages.push(command.render_help().to_string());
        }
        assert!(pages.len() > 7);
        for page in pages {
            assert!(page.lines().count() <= 24, "{page}");
            assert!(page.contains("udplb-agent "), "{page}");
            assert!(page.lines().all(|line| line.len() <= 80), "{page}");
        }
    }
}
