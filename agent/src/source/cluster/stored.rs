//! Our own kinds as the API server stores them, undecodable ones too. **pure**

use std::sync::Arc;

use kube::core::{
    ApiResource, DeserializeGuard, DynamicObject, ObjectMeta, error_boundary::InvalidObject,
};
use serde_json::Value;
use udplb_api::{
    NodeForwardConfig, NodeForwardConfigSpec, NodeForwardConfigStatus, ResolvedForward,
    ResolvedForwardSpec,
};
use udplb_plan::ForwardKey;
use udplb_process::mirror::Versioned;

/// A `ResolvedForward`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The uid of the `UdpForward` that owns it.
    pub owner: Option<String>,
    /// What it says, or why that cannot be read.
    pub spec: Result<Arc<ResolvedForwardSpec>, String>,
    version: u64,
}

impl Versioned for Forward {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What matters of a `ResolvedForward`.
#[must_use]
pub fn forward(guard: DeserializeGuard<ResolvedForward>) -> (ForwardKey, Forward) {
    let (meta, spec) = match guard.0 {
        Ok(ResolvedForward { metadata, spec }) => (metadata, Ok(Arc::new(spec))),
        Err(InvalidObject { metadata, error }) => (metadata, Err(error)),
    };
    let mut owners = meta.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true));
    let stored = Forward {
        owner: owner.map(|owner| owner.uid.clone()),
        spec,
        version: version(&meta),
    };
    let key = ForwardKey {
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name.unwrap_or_default(),
    };
    (key, stored)
}

/// The kind of `NodeForwardConfig`, read as a tree: what of it cannot be read must not hide the rest.
#[must_use]
pub fn config_kind() -> ApiResource {
    ApiResource::erase::<NodeForwardConfig>(&())
}

/// The `NodeForwardConfig` of this node.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its uid.
    pub uid: String,
    /// The version of its spec.
    pub generation: i64,
    /// What it says, or why that cannot be read.
    pub spec: Result<NodeForwardConfigSpec, String>,
    /// What we said; none where that cannot be read.
    pub status: Option<NodeForwardConfigStatus>,
    version: u64,
}

impl Versioned for Config {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What matters of a `NodeForwardConfig`.
#[must_use]
pub fn config(object: DynamicObject) -> (String, Config) {
    let DynamicObject {
        metadata, mut data, ..
    } = object;
    let spec = serde_json::from_value(data["spec"].take());
    let status = match data["status"].take() {
        Value::Null => Some(NodeForwardConfigStatus::default()),
        status => serde_json::from_value(status).ok(),
    };
    let stored = Config {
        generation: metadata.generation.unwrap_or_default(),
        spec: spec.map_err(|error: serde_json::Error| error.to_string()),
        status,
        version: version(&metadata),
        uid: metadata.uid.unwrap_or_default(),
    };
    (metadata.name.unwrap_or_default(), stored)
}

/// The number of a `resourceVersion`.
fn version(meta: &ObjectMeta) -> u64 {
    let text = meta.resource_version.as_deref();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
