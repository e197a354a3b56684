//! Where udplb is installed, for commands that look at it once. IO.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use kube::Client;
use udplb_process::cluster;

/// An installation, and how it is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct Installation {
    /// The namespace of the installation
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAMESPACE",
        default_value = "udplb-system"
    )]
    pub(crate) namespace: String,
    /// The cluster, if not around us
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
}

impl Installation {
    /// A client of its cluster.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Ok(cluster::client(self.kubeconfig.as_deref()).await?)
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(command)
}
