//! `udplb-operator cleanup`: has every node give back what udplb left in its kernel, before udplb is uninstalled. IO;
//! how far the nodes are is judged in [`progress`].
//!
//! The agents' DaemonSet gets other arguments for its container, so its pods are replaced in place, node by node, and
//! no agent comes back meanwhile.

pub mod progress;

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    installation::{self, Installation},
    watch::AGENTS,
};
use progress::Progress;

/// The agents' DaemonSet.
pub const DAEMON_SET: &str = "udplb-agent";
/// Its container.
pub const CONTAINER: &str = "agent";
/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Has every node give back what udplb left in its kernel
///
/// The agents' DaemonSet runs these arguments of udplb-agent instead of agents, and this ends when its pod is ready
/// on every node that is up.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  udplb-operator cleanup -- cleanup --serve 0.0.0.0:9465\n\
                  What is on a node that is down is gone when it starts again. `kubectl rollout undo -n \
                  udplb-system ds/udplb-agent` brings the agents back."
)]
pub struct Cleanup {
    #[command(flatten)]
    installation: Installation,
    /// How long this may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    timeout: u64,
    /// What the agents' container runs instead
    #[arg(last = true, required = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

impl Cleanup {
    /// Runs until every node that is up is clean.
    pub fn execute(self) -> anyhow::Result<()> {
        installation::run(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let client = self.installation.client().await?;
        let started = Instant::now();
        let patience = Duration::from_secs(self.timeout);
        let mut last = String::new();
        if !self.switch(&client).await? {
            return say(&format!(
                "there is no DaemonSet {DAEMON_SET} in namespace {}: nothing to clean up",
                self.installation.namespace
            ));
        }
        loop {
            let text = match self.look(&client).await {
                Ok(progress) => {
                    let text = progress.to_string();
                    if progress.is_complete() {
                        return say(&text);
                    }
                    text
                }
                Err(error) => format!(
                    "cannot see how far the nodes are: {}",
                    udplb_process::error_chain(&error)
                ),
            };
            if text != last {
                say(&text)?;
            }
            last = text;
            anyhow::ensure!(
                started.elapsed() < patience,
                "not done after {} s: {last}\n`kubectl logs -n {} -l {AGENTS}` says what a node is waiting for; try \
                 again when it is mended, or run `udplb-agent cleanup` on the node and uninstall without hooks",
                self.timeout,
                self.installation.namespace,
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Has the DaemonSet clean up; whether there is one.
    async fn switch(&self, client: &Client) -> anyhow::Result<bool> {
        let api: Api<DaemonSet> = Api::namespaced(client.clone(), &self.installation.namespace);
        // All at once: whatever a node forwarded, it is to end.
        let patch = json!({ "spec": {
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxUnavailable": "100%", "maxSurge": 0 },
            },
            "template": { "spec": {
                "containers": [{ "name": CONTAINER, "args": self.arguments }],
            } },
        } });
        let parameters = PatchParams::default();
        match api
            .patch(DAEMON_SET, &parameters, &Patch::Strategic(patch))
            .await
        {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => {
                Err(error).with_context(|| format!("failed to change DaemonSet {DAEMON_SET}"))
            }
        }
    }

    async fn look(&self, client: &Client) -> kube::Result<Progress> {
        let sets: Api<DaemonSet> = Api::namespaced(client.clone(), &self.installation.namespace);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &self.installation.namespace);
        let nodes: Api<Node> = Api::all(client.clone());
        let set = sets.get(DAEMON_SET).await?;
        let pods = pods.list(&ListParams::default().labels(AGENTS)).await?;
        let nodes = nodes.list(&ListParams::default()).await?;
        Ok(progress::of(
            &set,
            &pods.items,
            &nodes.items,
            &self.arguments,
        ))
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("failed to print how far the nodes are")
}
