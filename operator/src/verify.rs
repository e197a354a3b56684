//! `udplb-operator verify`: proves an installation on any cluster, without a packet. IO; what it takes is judged in
//! [`judge`].

pub mod judge;

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use k8s_openapi::api::{apps::v1::DaemonSet, coordination::v1::Lease};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};

use crate::{
    cleanup::DAEMON_SET,
    installation::{self, Installation},
    run::LEASE,
};
use judge::{Finding, agents, leader, served};

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Proves that udplb is installed and works, without a packet
///
/// The definitions are served, an operator leads, and an agent is ready on every node that should have one.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example: udplb-operator verify --kubeconfig ~/.kube/config")]
pub struct Verify {
    #[command(flatten)]
    installation: Installation,
    /// How long this may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

impl Verify {
    /// Looks until everything holds, or the time is over.
    pub fn execute(self) -> anyhow::Result<()> {
        installation::run(self.run())
    }

    async fn run(self) -> anyhow::Result<()> {
        let client = self.installation.client().await?;
        let started = Instant::now();
        let first = self.lease(&client).await;
        loop {
            let findings = self.look(&client, &first).await;
            let failed = findings.iter().any(Result::is_err);
            if !failed || started.elapsed() > Duration::from_secs(self.timeout) {
                let mut out = io::stdout();
                for finding in &findings {
                    let (mark, text) = match finding {
                        Ok(text) => ("ok", text),
                        Err(text) => ("failed", text),
                    };
                    writeln!(out, "{mark}: {text}").context("failed to print the findings")?;
                }
                anyhow::ensure!(!failed, "not as it should be after {} s", self.timeout);
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&self, client: &Client, first: &kube::Result<Lease>) -> [Finding; 5] {
        let agents_set: Api<DaemonSet> =
            Api::namespaced(client.clone(), &self.installation.namespace);
        [
            listed::<UdpForward>(client).await,
            listed::<ResolvedForward>(client).await,
            listed::<NodeForwardConfig>(client).await,
            leader(first.as_ref(), self.lease(client).await.as_ref()),
            agents(agents_set.get(DAEMON_SET).await.as_ref()),
        ]
    }

    async fn lease(&self, client: &Client) -> kube::Result<Lease> {
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.installation.namespace);
        leases.get(LEASE).await
    }
}

async fn listed<K>(client: &Client) -> Finding
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let listed = api.list_metadata(&ListParams::default().limit(1)).await;
    served(&K::kind(&()), listed.err().as_ref())
}
