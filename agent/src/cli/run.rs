//! `run`: the agent of a host without a cluster. **IO**

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use prometheus::Registry;
use tokio::sync::watch;
use udplb_api::udp_forward::text::InterfacePattern;
use udplb_process::{dns, ready::Ready, shutdown};

use super::{
    Output,
    host::{self, Host, Room, Taken},
    runtime,
};
use crate::{
    apply::Kernel, cleanup, metrics::Metrics, reconcile::Reconciler, source::standalone::Source,
};

/// Run the forwards of a file, and follow its changes
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: udplb-agent run -c forwards.yaml -i eth0\n\
                  Ending it with Ctrl-C or SIGTERM takes everything down; --keep leaves it forwarding.")]
pub(super) struct Run {
    /// Forwards to run
    #[arg(short, long, value_name = "FILE", default_value = "config.yaml")]
    config: PathBuf,
    /// Listen here, not where forwards say; repeatable
    #[arg(short, long = "interface", value_name = "NAME", value_parser = interface)]
    interfaces: Vec<InterfacePattern>,
    /// Log changes of the kernel, and packets
    ///
    /// Every change of maps, hooks and neighbours, and what becomes of single packets, as `trace` prints it.
    #[arg(short, long)]
    debug: bool,
    /// Leave everything in the kernel when ending
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    host: Host,
    #[command(flatten)]
    room: Room,
    /// Log as text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    output: Output,
}

fn interface(text: &str) -> Result<InterfacePattern, String> {
    const EXAMPLES: &str = "such as eth0, or a glob such as eth*";
    let pattern = InterfacePattern::from(text);
    let is_odd = |letter: char| letter.is_whitespace() || "[]{}!/:\\".contains(letter);
    if text.is_empty() || text.contains(is_odd) {
        return Err(format!("write an interface name {EXAMPLES}"));
    }
    if text.len() >= libc::IFNAMSIZ && !pattern.is_glob() {
        return Err(format!(
            "an interface name has at most 15 characters: write one {EXAMPLES}"
        ));
    }
    Ok(pattern)
}

impl Run {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        self.output.start_logging(self.debug)?;
        runtime()?.block_on(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let registry = Registry::new();
        let names = dns::Metrics::register(&registry, "udplb_agent")?;
        let mut source = Source::open(&self.config, &self.host.state_dir, names)?;
        let Taken {
            endpoints,
            network,
            kernel,
            capacity,
        } = self.host.take(&self.room).await?;
        tracing::info!(
            file = %self.config.display(),
            http = %endpoints.address(),
            pins = %self.host.pins.pin_dir.display(),
            "running"
        );

        let metrics = Metrics::register(&registry, &kernel)?;
        let ready = Ready::new();
        let guard = ready.wait_for("datapath");
        let http = tokio::spawn(endpoints.serve(registry, ready, stop.child_token()));

        let (versions, receiver) = watch::channel(source.first().await?);
        let source = tokio::spawn(source.follow(versions));
        let only = (!self.interfaces.is_empty()).then_some(self.interfaces);
        let trace = self.debug.then(|| {
            tokio::spawn(host::trace(
                self.host.pins.pin_dir.clone(),
                stop.child_token(),
            ))
        });
        let looks = self.host.looks();
        let kept = Arc::clone(&kernel);
        let reconciler = Reconciler::new(kept, network, only, capacity, metrics, looks);
        let ended = host::until(reconciler.run(receiver, guard, stop.clone()), http, &stop).await;
        source.abort();
        if let Some(trace) = trace {
            trace.await?;
        }
        ended?;
        if self.keep {
            tracing::info!("ended; what is in the kernel goes on");
            return Ok(());
        }
        let mut kernel = kernel.write().await;
        let Kernel { maps, pins, .. } = &mut *kernel;
        let summary = cleanup::clean_up(Some(&mut maps.records), pins).await?;
        let cleanup::Summary {
            interfaces,
            neighbours,
        } = summary;
        tracing::info!(interfaces, neighbours, "ended and cleaned up");
        Ok(())
    }
}
