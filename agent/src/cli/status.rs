//! `status`: what runs, from the pinned maps. **IO**

use std::io::{self, Write as _};

use clap::Args;

use super::{Output, Pins, runtime};
use crate::{
    kernel::bpf::Maps,
    preflight::{self, privilege::Capability},
    status::Status as Report,
};

/// Show attachments, upstreams and counters, also while no agent runs
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example: udplb-agent status --output json"
)]
pub(super) struct Status {
    #[command(flatten)]
    pins: Pins,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl Status {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        preflight::need("status", &[Capability::Bpf, Capability::NetAdmin])?;
        let maps = Maps::open(&self.pins.pin_dir)?;
        let report = runtime()?.block_on(Report::read(&maps, &self.pins.pin_dir))?;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Text => write!(out, "{report}")?,
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        }
        Ok(())
    }
}
