//! `node`: the agent of a node of a cluster. **IO**

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use prometheus::Registry;
use tokio::sync::watch;
use udplb_process::{cluster, ready::Ready, shutdown};

use super::{
    Output,
    host::{self, Host, Room, Taken},
    runtime,
};
use crate::{
    metrics::Metrics,
    node::{unsupported, writer::Writer},
    preflight::PreflightError,
    reconcile::{ReconcileError, Reconciler},
    source::cluster::{Source, connection::Connection},
};

/// Changes whenever the machine starts.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Run the forwards that the cluster has for this node
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example: udplb-agent node --node-name $(hostname)\n\
                  Ending it leaves everything forwarding; `udplb-agent cleanup` takes it down."
)]
pub(super) struct Node {
    /// The node's name in the cluster
    #[arg(
        long = "node-name",
        value_name = "NAME",
        env = "NODE_NAME",
        hide_env_values = true
    )]
    name: String,
    /// Where the cluster is, if not around us
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Log changes of the kernel, and packets
    #[arg(short, long)]
    debug: bool,
    #[command(flatten)]
    host: Host,
    #[command(flatten)]
    room: Room,
    /// Log as text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    output: Output,
}

impl Node {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        self.output.start_logging(self.debug)?;
        runtime()?.block_on(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let registry = Registry::new();
        let connection = Connection::register(&registry)?;
        let client = cluster::client(self.kubeconfig.as_deref()).await?;
        let boot_id = fs::read_to_string(BOOT_ID).with_context(|| {
            format!("failed to read {BOOT_ID}, which says when this node started")
        })?;
        let boot_id = boot_id.trim().to_owned();
        let taken = self.host.take(&self.room).await;
        if let Some(PreflightError::Failed { message, .. }) =
            taken.as_ref().err().and_then(|error| error.downcast_ref())
        {
            unsupported::report(&client, &self.name, &boot_id, message).await;
        }
        let Taken {
            endpoints,
            network,
            kernel,
            capacity,
        } = taken?;
        tracing::info!(
            node = self.name,
            http = %endpoints.address(),
            pins = %self.host.pins.pin_dir.display(),
            "running"
        );
        let metrics = Metrics::register(&registry, &kernel)?;
        let watching = connection.listen(client.clone());
        let (name, state_dir) = (&self.name, &self.host.state_dir);
        let mut source = Source::start(watching, name, state_dir, connection);
        let (states, receiver) = watch::channel(None);
        let writer = Writer::new(client, name, boot_id, &source, receiver, &registry)?;
        let ready = Ready::new();
        let guard = ready.wait_for("datapath");
        let http = tokio::spawn(endpoints.serve(registry, ready, stop.child_token()));
        let trace = self.debug.then(|| {
            tokio::spawn(host::trace(
                self.host.pins.pin_dir.clone(),
                stop.child_token(),
            ))
        });

        let reconcile = async {
            let first = tokio::select! {
                first = source.first() => first.ok_or(ReconcileError::Source)?,
                () = stop.cancelled() => return Ok(()),
            };
            let (versions, receiver) = watch::channel(first);
            let source = tokio::spawn(source.follow(versions));
            let writer = tokio::spawn(writer.run());
            let reconciler =
                Reconciler::new(kernel, network, None, capacity, metrics, self.host.looks())
                    .telling(states);
            let ended = reconciler.run(receiver, guard, stop.clone()).await;
            source.abort();
            writer.abort();
            ended
        };
        let ended = host::until(reconcile, http, &stop).await;
        if let Some(trace) = trace {
            trace.await?;
        }
        ended?;
        tracing::info!("ended; what is in the kernel goes on");
        Ok(())
    }
}
