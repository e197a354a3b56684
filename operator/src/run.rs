//! `udplb-operator run`: its settings, and who is started in which order. IO.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use udplb_process::{
    cluster, dns,
    http::Endpoints,
    ready::Ready,
    shutdown,
    telemetry::{self, Format},
};

use crate::{
    controller::Controller,
    event::Events,
    lease::{Elector, Settings},
    metrics::Metrics,
    state::State,
    watch::{self, Scope, Sink, services::Services},
};

/// Changes that may wait for the loop.
const CHANGES: usize = 4_096;

/// Runs the operator
///
/// Turns UdpForwards into a ResolvedForward each and a NodeForwardConfig for each node, and keeps their status.
/// Several may run: one leads and writes, the others are warm.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example, outside the cluster:\n  udplb-operator run --kubeconfig ~/.kube/config --pod-name me"
)]
pub struct Run {
    /// Namespaces that may hold forwards
    ///
    /// A selector of namespaces by their labels, such as udplb.dev/allowed=true. Without it, every namespace may.
    #[arg(long, value_name = "SELECTOR")]
    namespace_selector: Option<String>,
    /// /metrics, /livez, /readyz
    ///
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9466")]
    http_address: SocketAddr,
    /// The cluster, if not around us
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// This pod's name, which leads
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pod_name: String,
    /// Namespace of Lease and agents
    ///
    /// The namespace of the Lease and of the agents' pods.
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAMESPACE",
        default_value = "udplb-system"
    )]
    pod_namespace: String,
    /// How long a leader lasts
    ///
    /// Seconds that a leader lasts without a renewal. It renews three times as often. Another one takes over after as
    /// long at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(3..=300))]
    lease_duration: u64,
    /// Log as text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    output: Output,
    /// Log more
    #[arg(long, short)]
    debug: bool,
}

/// How to log.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
}

/// The name of the Lease.
pub(crate) const LEASE: &str = "udplb-operator";

impl Run {
    /// Runs until a signal.
    pub fn execute(self) -> anyhow::Result<()> {
        let format = match self.output {
            Output::Text => Format::Text,
            Output::Json => Format::Json,
        };
        telemetry::start(format, self.debug)?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("failed to start the runtime")?
            .block_on(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        let names = dns::Metrics::register(&registry, "udplb_operator")?;
        let endpoints = Endpoints::bind(self.http_address, "--http-address").await?;
        let client = cluster::client(self.kubeconfig.as_deref()).await?;
        tracing::info!(
            http = %endpoints.address(),
            pod = self.pod_name,
            namespace = self.pod_namespace,
            "running"
        );
        let ready = Ready::new();
        let guard = ready.wait_for("the first list of every kind");
        let http = tokio::spawn(endpoints.serve(registry, ready, stop.child_token()));

        let (changes, receiver) = mpsc::channel(CHANGES);
        let sink = Sink {
            changes,
            metrics: metrics.clone(),
        };
        let scope = Scope {
            namespace: self.pod_namespace.clone(),
            namespaces: self.namespace_selector,
        };
        let is_restricted = scope.namespaces.is_some();
        let watches = tokio::spawn(watch::all(client.clone(), scope, sink.clone()));
        let settings = Settings {
            namespace: self.pod_namespace,
            name: LEASE.to_owned(),
            identity: self.pod_name.clone(),
            duration: Duration::from_secs(self.lease_duration),
        };
        let (elector, leadership) = Elector::new(client.clone(), settings);
        // The Lease is let go after the last write, so that no other leads before.
        let let_go = CancellationToken::new();
        let elector = tokio::spawn(elector.run(let_go.clone()));
        let controller = Controller {
            services: Services::new(client.clone(), sink),
            events: Events::new(client.clone(), &self.pod_name),
            state: State::new(is_restricted),
            client,
            leadership,
            metrics,
            names,
        };
        let mut controller = tokio::spawn(controller.run(receiver, guard, stop.clone()));
        tokio::select! {
            () = stop.cancelled() => controller.await.context("the loop ended badly")?,
            ended = &mut controller => {
                ended.context("the loop ended badly")?;
                anyhow::ensure!(stop.is_cancelled(), "the loop has ended");
            }
        }
        watches.abort();
        let_go.cancel();
        elector.await.context("the elector ended badly")?;
        http.await.context("HTTP ended badly")??;
        tracing::info!("ended");
        Ok(())
    }
}
