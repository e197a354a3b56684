//! Writes the man pages and shell completions of udplb-agent to a folder. **IO**
//!
//! A program of its own, so that the agent need not carry what is used once, when it is installed.
#![forbid(unsafe_code)]

use std::{env, fs, path::PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate_to};
use udplb_agent::cli::Cli;

const NAME: &str = "udplb-agent";

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = env::args_os()
        .nth(1)
        .context("name the folder to write to: udplb-pages FOLDER")?
        .into();
    let failed = || format!("failed to write to {}", folder.display());
    fs::create_dir_all(&folder).with_context(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let _path = generate_to(shell, &mut Cli::command(), NAME, &folder).with_context(failed)?;
    }
    clap_mangen::generate_to(Cli::command(), &folder).with_context(failed)
}
