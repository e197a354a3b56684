//! `run`: the agent of a host without a cluster. **IO**

use std::{net::SocketAddr, ops::ControlFlow, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use prometheus::Registry;
use tokio::sync::{RwLock, watch};
use tokio_util::sync::CancellationToken;
use udplb_api::udp_forward::text::InterfacePattern;
use udplb_process::{
    dns,
    http::Endpoints,
    ready::Ready,
    shutdown,
    telemetry::{self, Format},
};

use super::{Output, Pins, runtime, socket_address};
use crate::{
    apply::Kernel,
    cleanup,
    kernel::{
        bpf::{HookChoice, Maps, PinDirectory, Program, Session},
        netlink::Network,
    },
    metrics::Metrics,
    preflight,
    reconcile::{self, Reconciler},
    source::standalone::Source,
    tables::{
        Tables,
        capacity::{Capacity, DEFAULT_FORWARDS, DEFAULT_TABLE_BYTES},
    },
    trace::{Filter, follow},
};

const MIB: u32 = 1 << 20;

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
    pins: Pins,
    /// Last good input
    ///
    /// It is kept there, so that a start without a good file still has one.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/udplb")]
    state_dir: PathBuf,
    /// /metrics, /readyz
    ///
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9465", value_parser = socket_address)]
    http_address: SocketAddr,
    /// Attach by auto, tcx or clsact
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    hook: HookChoice,
    /// Room for forwards in new maps
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FORWARDS,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_forwards: u32,
    /// Room for tables in new maps
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_TABLE_BYTES / MIB,
          value_parser = clap::value_parser!(u32).range(1..=2_048))]
    table_memory: u32,
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
        let format = match self.output {
            Output::Text => Format::Text,
            Output::Json => Format::Json,
        };
        telemetry::start(format, self.debug)?;
        runtime()?.block_on(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let registry = Registry::new();
        let names = dns::Metrics::register(&registry, "udplb_agent")?;
        let mut source = Source::open(&self.config, &self.state_dir, names)?;
        preflight::require(self.hook).await?;
        let pins = PinDirectory::open(&self.pins.pin_dir)?;
        let endpoints = Endpoints::bind(self.http_address, "--http-address").await?;
        let network = Network::open().await?;
        let (kernel, capacity) = self.kernel(pins, &network).await?;
        let kernel = Arc::new(RwLock::new(kernel));

        tracing::info!(
            file = %self.config.display(),
            http = %endpoints.address(),
            pins = %self.pins.pin_dir.display(),
            "running"
        );

        let metrics = Metrics::register(&registry, &kernel)?;
        let ready = Ready::new();
        let guard = ready.wait_for("datapath");
        let http = tokio::spawn(endpoints.serve(registry, ready, stop.child_token()));

        let (versions, receiver) = watch::channel(source.first().await?);
        let source = tokio::spawn(source.follow(versions));
        let only = (!self.interfaces.is_empty()).then_some(self.interfaces);
        let trace = self
            .debug
            .then(|| tokio::spawn(trace(self.pins.pin_dir.clone(), stop.child_token())));
        let reconciler = Reconciler::new(Arc::clone(&kernel), network, only, capacity, metrics);
        let ended = until(reconciler.run(receiver, guard, stop.clone()), http, &stop).await;
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
        let summary = cleanup::clean_up(Some(maps), pins).await?;
        let cleanup::Summary {
            interfaces,
            neighbours,
        } = summary;
        tracing::info!(interfaces, neighbours, "ended and cleaned up");
        Ok(())
    }

    /// Loads the program, adopts the maps, and reads what they hold.
    async fn kernel(
        &self,
        pins: PinDirectory,
        network: &Network,
    ) -> anyhow::Result<(Kernel, Capacity)> {
        let wanted = Capacity::new(self.max_forwards, self.table_memory.saturating_mul(MIB));
        let program = Program::load(&pins, &wanted)?;
        let maps = Maps::open(pins.path())?;
        let capacity = maps.capacity()?;
        if capacity != wanted {
            tracing::warn!(
                "the maps that are in use keep their size: --max-forwards and --table-memory take \
                 effect after `udplb-agent cleanup`"
            );
        }
        let mut kernel = Kernel {
            maps,
            program,
            pins,
            hook: self.hook,
            tables: Tables::empty(),
        };
        kernel.tables = kernel.maps.read(&network.facts())?;
        reconcile::observe_hooks(&mut kernel)
            .await
            .context("failed to look where our program is attached")?;
        Ok((kernel, capacity))
    }
}

/// Logs what becomes of packets, a hundred decisions a second and CPU.
async fn trace(pin_directory: PathBuf, stop: CancellationToken) {
    let filter = Filter {
        rate: 100,
        ..Filter::default()
    };
    let traced = match Session::start(&pin_directory, &filter).await {
        Ok(session) => {
            let log = |told| {
                tracing::debug!(target: "udplb_agent::trace", "{told}");
                ControlFlow::Continue(())
            };
            follow(session, &stop, log).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = traced {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "packets are not traced");
    }
}

/// Runs the loop while the endpoints are served. Neither may end before it is told to.
async fn until(
    reconcile: impl Future<Output = Result<(), reconcile::ReconcileError>>,
    mut http: tokio::task::JoinHandle<Result<(), udplb_process::http::Error>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut reconcile = std::pin::pin!(reconcile);
    tokio::select! {
        ended = &mut reconcile => {
            ended?;
            // Open requests are answered first.
            http.await??;
        }
        ended = &mut http => {
            ended??;
            anyhow::ensure!(stop.is_cancelled(), "HTTP is no longer served");
            // A pass that has begun ends as it should.
            reconcile.await?;
        }
    }
    Ok(())
}
