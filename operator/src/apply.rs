//! Carries ops out at the API server. IO; one match over [`Op`].
//!
//! Every write either makes an object or names uid and version of the one that it replaces: what a leader of an
//! earlier term still has under way cannot undo what the new one has written.

use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::DeserializeGuard,
    runtime::watcher::Event,
};
use serde_json::json;
use udplb_api::{API_VERSION, NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_plan::ForwardKey;

use crate::{
    FIELD_MANAGER, STATUS_MANAGER,
    op::{Op, StatusWrite},
    world::{
        Change,
        stored::{self, Identity},
    },
};

/// Carries one op out. What is stored afterwards, as far as the server told.
pub async fn apply(client: &Client, op: &Op) -> kube::Result<Option<Change>> {
    match op {
        Op::CreateResolved(object) => {
            let made = resolved_api(client, &stored::key(&object.metadata))
                .create(&creating(), object)
                .await?;
            Ok(Some(resolved(made)))
        }
        Op::ApplyResolved(object) => {
            let key = stored::key(&object.metadata);
            let applied = resolved_api(client, &key)
                .patch(&key.name, &applying(FIELD_MANAGER), &Patch::Apply(object))
                .await?;
            Ok(Some(resolved(applied)))
        }
        Op::DeleteResolved(key, identity) => {
            let api = resolved_api(client, key);
            match api.delete(&key.name, &deleting(identity)).await {
                // Somebody else was faster: the garbage collector.
                Err(error) if !is_gone(&error) => Err(error),
                Ok(_) | Err(_) => Ok(None),
            }
        }
        Op::CreateConfig(object) => {
            let api: Api<NodeForwardConfig> = Api::all(client.clone());
            Ok(Some(config(api.create(&creating(), object).await?)))
        }
        Op::ApplyConfig(object) => {
            let api: Api<NodeForwardConfig> = Api::all(client.clone());
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let applied = api
                .patch(name, &applying(FIELD_MANAGER), &Patch::Apply(object))
                .await?;
            Ok(Some(config(applied)))
        }
        Op::WriteStatus(write) => write_status(client, write).await.map(Some),
    }
}

async fn write_status(client: &Client, write: &StatusWrite) -> kube::Result<Change> {
    let StatusWrite {
        key,
        identity,
        status,
        transitions: _,
    } = write;
    let kind = crate::watch::forward_kind();
    let api: Api<kube::core::DynamicObject> =
        Api::namespaced_with(client.clone(), &key.namespace, &kind);
    let mut metadata = identity.fence();
    metadata.name = Some(key.name.clone());
    metadata.namespace = Some(key.namespace.clone());
    let body = json!({
        "apiVersion": API_VERSION,
        "kind": UdpForward::kind(&()),
        "metadata": metadata,
        "status": status,
    });
    let applied = api
        .patch_status(&key.name, &applying(STATUS_MANAGER), &Patch::Apply(&body))
        .await?;
    Ok(Change::Forward(Event::Apply(stored::forward(applied))))
}

fn resolved_api(client: &Client, key: &ForwardKey) -> Api<ResolvedForward> {
    Api::namespaced(client.clone(), &key.namespace)
}

fn resolved(object: ResolvedForward) -> Change {
    Change::Resolved(Event::Apply(stored::resolved(DeserializeGuard(Ok(object)))))
}

fn config(object: NodeForwardConfig) -> Change {
    Change::Config(Event::Apply(stored::config(DeserializeGuard(Ok(object)))))
}

fn creating() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn applying(manager: &str) -> PatchParams {
    PatchParams::apply(manager).force()
}

fn deleting(identity: &Identity) -> DeleteParams {
    DeleteParams::background().preconditions(Preconditions {
        uid: Some(identity.uid.clone()),
        resource_version: Some(identity.resource_version.clone()),
    })
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the server had a newer version than we: the watch brings it.
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
