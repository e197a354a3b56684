//! Command line of the operator.
#![forbid(unsafe_code)]
#![expect(
    clippy::doc_markdown,
    reason = "the documentation of arguments is what --help prints"
)]

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use udplb_operator::{cleanup::Cleanup, definitions, run::Run, verify::Verify};

/// Turns UdpForward resources into what the agent on each node runs.
#[derive(Parser)]
#[command(name = "udplb-operator", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<Run>),
    Verify(Verify),
    Cleanup(Cleanup),
    /// Prints the custom resource definitions as YAML.
    ///
    /// To install them: udplb-operator crd | kubectl apply --server-side -f -
    Crd {
        /// Write one file for each kind into this folder instead.
        #[arg(long, value_name = "FOLDER")]
        output_dir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let Err(error) = execute(Arguments::parse().command) else {
        return ExitCode::SUCCESS;
    };
    // Where nobody can read it, the exit code has to do.
    let error = udplb_process::error_chain(&*error);
    let _written = writeln!(io::stderr(), "udplb-operator: {error}");
    ExitCode::FAILURE
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(run) => run.execute(),
        Command::Verify(verify) => verify.execute(),
        Command::Cleanup(cleanup) => cleanup.execute(),
        Command::Crd { output_dir: None } => {
            let yaml: Vec<String> = definitions::manifests()?
                .into_iter()
                .map(|manifest| manifest.yaml)
                .collect();
            io::stdout()
                .write_all(yaml.join("---\n").as_bytes())
                .context("failed to print the definitions")
        }
        Command::Crd {
            output_dir: Some(folder),
        } => {
            for manifest in definitions::manifests()? {
                let path = folder.join(&manifest.file);
                fs::write(&path, manifest.yaml)
                    .with_context(|| format!("failed to write {}", path.display()))?;
            }
            Ok(())
        }
    }
}
