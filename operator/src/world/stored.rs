//! Our own kinds as the API server stores them, undecodable ones too. Pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::core::{DeserializeGuard, DynamicObject, ObjectMeta, error_boundary::InvalidObject};
use udplb_api::{
    ForwardReference, NodeForwardConfig, NodeForwardConfigStatus, ResolvedForward,
    ResolvedForwardSpec, UdpForward, UdpForwardStatus,
};
use udplb_plan::ForwardKey;

use super::{facts::version, mirror::Versioned};

/// What a write has to name, so that it hits the object that we saw and no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The object's uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

impl Identity {
    fn of(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        }
    }

    /// The metadata of a write to the object.
    #[must_use]
    pub fn fence(&self) -> ObjectMeta {
        ObjectMeta {
            uid: Some(self.uid.clone()),
            resource_version: Some(self.resource_version.clone()),
            ..ObjectMeta::default()
        }
    }
}

/// Namespace and name of any object.
#[must_use]
pub fn key(meta: &ObjectMeta) -> ForwardKey {
    ForwardKey {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

/// A `UdpForward`, or why it cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredForward {
    /// Which object.
    pub identity: Identity,
    /// The version of its spec.
    pub generation: Option<i64>,
    /// What it says, without its status.
    pub forward: Result<Box<UdpForward>, String>,
    /// What we said of it; nothing where that cannot be read, so that it is written anew.
    pub status: UdpForwardStatus,
    version: u64,
}

impl StoredForward {
    /// Whether the part that users write is equal.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let specs = [self, other].map(|it| it.forward.as_ref().map(|forward| &forward.spec));
        self.identity.uid == other.identity.uid
            && self.generation == other.generation
            && specs[0] == specs[1]
    }
}

impl Versioned for StoredForward {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What matters of a `UdpForward`. A part that cannot be read does not hide the others.
#[must_use]
pub fn forward(object: DynamicObject) -> (ForwardKey, StoredForward) {
    let DynamicObject {
        metadata, mut data, ..
    } = object;
    let status = serde_json::from_value(data["status"].take());
    let spec = serde_json::from_value(data["spec"].take());
    let meta = ObjectMeta {
        managed_fields: None,
        ..metadata
    };
    let stored = StoredForward {
        identity: Identity::of(&meta),
        generation: meta.generation,
        version: version(&meta),
        status: status.unwrap_or_default(),
        forward: spec
            .map_err(|error: serde_json::Error| error.to_string())
            .map(|spec| {
                Box::new(UdpForward {
                    metadata: meta.clone(),
                    spec,
                    status: None,
                })
            }),
    };
    (key(&meta), stored)
}

/// A `ResolvedForward`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResolved {
    /// Which object.
    pub identity: Identity,
    /// The uid of the `UdpForward` that owns it.
    pub owner: Option<String>,
    /// Our annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it says; none where it cannot be read, so that it is written anew.
    pub spec: Option<ResolvedForwardSpec>,
    version: u64,
}

impl Versioned for StoredResolved {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What matters of a `ResolvedForward`.
#[must_use]
pub fn resolved(guard: DeserializeGuard<ResolvedForward>) -> (ForwardKey, StoredResolved) {
    let (meta, resolved) = split(guard.0, |resolved| &mut resolved.metadata);
    let mut owners = meta.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true));
    let stored = StoredResolved {
        identity: Identity::of(&meta),
        owner: owner.map(|owner| owner.uid.clone()),
        annotations: meta.annotations.clone().unwrap_or_default(),
        spec: resolved.map(|resolved| resolved.spec),
        version: version(&meta),
    };
    (key(&meta), stored)
}

/// A `NodeForwardConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredConfig {
    /// Which object.
    pub identity: Identity,
    /// The version of its spec.
    pub generation: Option<i64>,
    /// The uid of the node that owns it.
    pub owner: Option<String>,
    /// The forwards that it names; none where it cannot be read, so that it is written anew. [`World`](super::World)
    /// keeps lists that are equal once.
    pub forwards: Option<Arc<[ForwardReference]>>,
    /// What the agent says.
    pub status: NodeForwardConfigStatus,
    version: u64,
}

impl StoredConfig {
    /// Whether the part that the operator writes is equal.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.owner == other.owner && self.forwards == other.forwards
    }
}

impl Versioned for StoredConfig {
    fn version(&self) -> u64 {
        self.version
    }
}

/// What matters of a `NodeForwardConfig`.
#[must_use]
pub fn config(guard: DeserializeGuard<NodeForwardConfig>) -> (String, StoredConfig) {
    let (meta, config) = split(guard.0, |config| &mut config.metadata);
    let (forwards, status) = config.map_or((None, None), |config| {
        (Some(config.spec.forwards.into()), config.status)
    });
    let mut owners = meta.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.kind == "Node");
    let stored = StoredConfig {
        identity: Identity::of(&meta),
        generation: meta.generation,
        owner: owner.map(|owner| owner.uid.clone()),
        forwards,
        status: status.unwrap_or_default(),
        version: version(&meta),
    };
    (meta.name.unwrap_or_default(), stored)
}

fn split<K>(
    guarded: Result<K, InvalidObject>,
    meta: impl Fn(&mut K) -> &mut ObjectMeta,
) -> (ObjectMeta, Option<K>) {
    match guarded {
        Ok(mut object) => (std::mem::take(meta(&mut object)), Some(object)),
        Err(InvalidObject { metadata, .. }) => (metadata, None),
    }
}
