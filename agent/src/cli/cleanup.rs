//! `cleanup`: takes down what an agent left in the kernel. **IO**

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use clap::Args;
use prometheus::Registry;
use udplb_process::{
    http::Endpoints,
    ready::Ready,
    shutdown,
    telemetry::{self, Format},
};

use super::{Output, Pins, runtime, socket_address};
use crate::{
    cleanup::{Summary, clean_up},
    kernel::bpf::{PinDirectory, Records},
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
    /// Then stay until a signal
    ///
    /// Serves /livez and /readyz there, ready once everything is removed. For pods that must not end.
    #[arg(long, value_name = "ADDRESS", value_parser = socket_address)]
    serve: Option<SocketAddr>,
}

impl Cleanup {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        preflight::need("cleanup", &[Capability::Bpf, Capability::NetAdmin])?;
        telemetry::start(Format::Text, false)?;
        runtime()?.block_on(async {
            match self.serve {
                None => self.print(self.clean_up().await?),
                Some(address) => self.stay(address).await,
            }
        })
    }

    async fn stay(&self, address: SocketAddr) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let endpoints = Endpoints::bind(address, "--serve").await?;
        let ready = Ready::new();
        let guard = ready.wait_for("clean-up");
        let http = tokio::spawn(endpoints.serve(Registry::new(), ready, stop));
        self.print(self.clean_up().await?)?;
        drop(guard);
        http.await??;
        Ok(())
    }

    fn print(&self, summary: Summary) -> anyhow::Result<()> {
        let Summary {
            interfaces,
            neighbours,
        } = summary;
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
        let pins = PinDirectory::lock(&self.pins.pin_dir)?;
        let mut records = match Records::open(pins.path()) {
            Ok(records) => Some(records),
            Err(_) if pins.is_empty()? => None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the records of what is ours cannot be read: the pins are removed, but what was attached by clsact \
                     filters stays (`tc filter show dev IFACE ingress` shows it as udplb), and so do neighbour entries \
                     (`ip neigh show proto 209`)"
                );
                None
            }
        };
        Ok(clean_up(records.as_mut(), &pins).await?)
    }
}
