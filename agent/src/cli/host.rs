//! What `run`, `node` and `check` share: where things are on this host, and its kernel taken over. **IO**

use std::{net::SocketAddr, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;
use udplb_process::http::Endpoints;

use super::{Pins, socket_address};
use crate::{
    apply::Kernel,
    kernel::{
        bpf::{HookChoice, LoadError, Maps, PinDirectory, PinError, Program, Session},
        netlink::Network,
    },
    preflight, reconcile,
    repair::Looks,
    tables::{
        Tables,
        capacity::{Capacity, DEFAULT_FORWARDS, DEFAULT_TABLE_BYTES},
    },
    takeover,
    trace::{Filter, follow},
};

const MIB: u32 = 1 << 20;

/// Where an agent keeps and serves things.
#[derive(Clone, Debug, Args)]
pub(super) struct Host {
    #[command(flatten)]
    pub(super) pins: Pins,
    /// Last good input
    ///
    /// It is kept there, so that a start without a good file or an API server still has one.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/udplb")]
    pub(super) state_dir: PathBuf,
    /// /metrics, /readyz
    ///
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9465", value_parser = socket_address)]
    pub(super) http_address: SocketAddr,
    /// Attach by auto, tcx or clsact
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    pub(super) hook: HookChoice,
    /// Look for damage every so often [default: 10, more where a look takes long]
    ///
    /// Hooks, pins and maps that somebody else removed or changed are put right then; neighbour entries at once. Unless
    /// this is set, looks take a thousandth of a processor at most.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    look_every: Option<u64>,
}

/// How large new maps are.
#[derive(Clone, Debug, Args)]
pub(super) struct Room {
    /// Room for forwards in new maps
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FORWARDS,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_forwards: u32,
    /// Room for tables in new maps
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_TABLE_BYTES / MIB,
          value_parser = clap::value_parser!(u32).range(1..=2_048))]
    table_memory: u32,
}

/// What an agent holds while it runs.
pub(super) struct Taken {
    pub(super) endpoints: Endpoints,
    pub(super) network: Network,
    pub(super) kernel: Arc<RwLock<Kernel>>,
    pub(super) capacity: Capacity,
}

impl Host {
    /// When damage is looked for.
    pub(super) fn looks(&self) -> Looks {
        let exactly = |seconds| Looks::Every(Duration::from_secs(seconds));
        self.look_every.map_or(Looks::Cheaply, exactly)
    }

    /// Takes the host over, if it offers what an agent needs.
    pub(super) async fn take(&self, room: &Room) -> anyhow::Result<Taken> {
        preflight::require(self.hook).await?;
        let pins = PinDirectory::open(&self.pins.pin_dir)?;
        let endpoints = Endpoints::bind(self.http_address, "--http-address").await?;
        let network = Network::open().await?;
        let (kernel, capacity) = self.kernel(room, pins, &network).await?;
        if kernel.takes_over {
            takeover::tell(&kernel.pins)?;
        }
        Ok(Taken {
            endpoints,
            network,
            kernel: Arc::new(RwLock::new(kernel)),
            capacity,
        })
    }

    /// Loads the program, adopts the maps, and reads what they hold.
    async fn kernel(
        &self,
        room: &Room,
        pins: PinDirectory,
        network: &Network,
    ) -> anyhow::Result<(Kernel, Capacity)> {
        let wanted = Capacity::new(room.max_forwards, room.table_memory.saturating_mul(MIB));
        let program = match Program::load(&pins, &wanted) {
            Ok(program) => program,
            Err(error) => return Err(refused(pins, error)?),
        };
        let maps = Maps::open(pins.path())?;
        let capacity = maps.capacity()?;
        if capacity != wanted {
            tracing::warn!(
                "the maps that are in use keep their size: --max-forwards and --table-memory take \
                 effect after `udplb-agent cleanup`"
            );
        }
        let takes_over = takeover::is_due(&pins)?;
        let mut kernel = Kernel {
            maps,
            program,
            pins,
            hook: self.hook,
            tables: Tables::empty(),
            takes_over,
        };
        kernel.tables = kernel.maps.read(&network.facts())?;
        kernel.maps.settle_owners(&kernel.tables)?;
        reconcile::observe_hooks(&mut kernel)
            .await
            .context("failed to look where our program is attached")?;
        Ok((kernel, capacity))
    }
}

/// Takes back what a start has made that ends here. What another version left goes on.
fn refused(pins: PinDirectory, error: LoadError) -> Result<anyhow::Error, PinError> {
    let takes_over = takeover::is_due(&pins)?;
    pins.abandon()?;
    let error = anyhow::Error::new(error);
    Ok(if takes_over {
        error.context("failed to take over; the program of another version goes on as it was")
    } else {
        error
    })
}

/// Logs what becomes of packets, a hundred decisions a second and CPU.
pub(super) async fn trace(pin_directory: PathBuf, stop: CancellationToken) {
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
pub(super) async fn until(
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
