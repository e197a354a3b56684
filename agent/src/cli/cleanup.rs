//! `cleanup`: takes down what an agent left in the kernel. **IO**

use std::io::{self, Write as _};

use clap::Args;
use udplb_process::telemetry::{self, Format};

use super::{Output, Pins, runtime};
use crate::{
    cleanup::{Summary, clean_up},
    kernel::bpf::{Maps, OpenError, PinDirectory},
    preflight::{self, privilege::Capability},
};

/// Remove everything that udplb left in the kernel, and nothing else
#[derive(Clone, Debug, Args)]
#[command(disable_help_flag = true, after_help = "Example: udplb-agent cleanup")]
pub(super) struct Cleanup {
    #[command(flatten)]
    pins: Pins,
    /// How to print what was removed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl Cleanup {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        preflight::need("cleanup", &[Capability::Bpf, Capability::NetAdmin])?;
        telemetry::start(Format::Text, false)?;
        let Summary {
            interfaces,
            neighbours,
        } = runtime()?.block_on(self.clean_up())?;
        let mut out = io::stdout().lock();
        match self.output {
            Output::Text => writeln!(
                out,
                "detached from {interfaces} interfaces, gave back {neighbours} neighbour entries"
            )?,
            Output::Json => writeln!(
                out,
                "{}",
                serde_json::json!({
                    "version": 1,
                    "interfaces": interfaces,
                    "neighbours": neighbours,
                })
            )?,
        }
        Ok(())
    }

    async fn clean_up(&self) -> anyhow::Result<Summary> {
        let pins = PinDirectory::open_any(&self.pins.pin_dir)?;
        let mut maps = match Maps::open(pins.path()) {
            Err(OpenError::Absent { .. }) => None,
            opened => Some(opened?),
        };
        Ok(clean_up(maps.as_mut(), &pins).await?)
    }
}
