//! A node that cannot run anything says so before its agent ends. **IO**

use std::{sync::Arc, time::Duration};

use kube::{Api, Client, core::DynamicObject};
use tokio::time::timeout;
use udplb_api::condition::{ConditionType, Finding, Reason, Truth};
use udplb_plan::ForwardKey;

use super::{
    state::{Failure, State},
    writer,
};
use crate::source::{
    cluster::stored,
    version::{Told, ToldForward, Wait},
};

/// The agent ends soon, whether or not anybody listens.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says in the status why none of the node's forwards can run.
pub async fn report(client: &Client, node: &str, boot_id: &str, message: &str) {
    let told = timeout(PATIENCE, write(client, node, boot_id, message)).await;
    if let Ok(Err(error)) = told {
        let error = udplb_process::error_chain(&error);
        tracing::debug!(error, "the status does not say it");
    }
}

async fn write(client: &Client, node: &str, boot_id: &str, message: &str) -> kube::Result<()> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &stored::config_kind());
    let Some(object) = api.get_opt(node).await? else {
        return Ok(());
    };
    let (_, config) = stored::config(object);
    let state = state(&config, message);
    match writer::wanted(&state, &config, boot_id) {
        Some(write) => writer::write(client, node, &write).await.map(drop),
        None => Ok(()),
    }
}

/// None of the forwards is in force.
fn state(config: &stored::Config, message: &str) -> State {
    let references = config.spec.iter().flat_map(|spec| &spec.forwards);
    let forwards: Vec<ToldForward> = references
        .map(|reference| ToldForward {
            key: ForwardKey {
                namespace: reference.namespace.clone(),
                name: reference.name.clone(),
            },
            revision: Err(Wait::Unseen),
        })
        .collect();
    let failure = Failure {
        reason: Reason::KernelUnsupported,
        message: message.to_owned(),
    };
    let failed = forwards.iter();
    let finding = |about| Finding::new(about, Truth::False, Reason::KernelUnsupported, message);
    State {
        failed: failed
            .map(|forward| (forward.key.to_string(), failure.clone()))
            .collect(),
        findings: [ConditionType::Attached, ConditionType::Synced].map(finding),
        told: Some(Arc::new(Told {
            uid: config.uid.clone(),
            generation: config.generation,
            is_readable: config.spec.is_ok(),
            forwards,
        })),
    }
}
