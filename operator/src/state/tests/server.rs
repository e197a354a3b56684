//! A server that stores what is written, and tells of it.

use std::collections::BTreeMap;

use kube::{
    api::DynamicObject,
    core::{DeserializeGuard, ObjectMeta},
    runtime::watcher::Event,
};
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward};
use udplb_plan::ForwardKey;

use crate::{
    op::Op,
    world::{
        Change,
        facts::{AgentFacts, NodeFacts},
        stored::{self, Identity, key},
    },
};

/// What is stored. Every write takes the next version.
#[derive(Debug, Default)]
pub(super) struct Server {
    version: u64,
    pub(super) forwards: BTreeMap<ForwardKey, Value>,
    pub(super) resolved: BTreeMap<ForwardKey, ResolvedForward>,
    pub(super) configs: BTreeMap<String, NodeForwardConfig>,
    /// The revisions that each node's agent runs.
    pub(super) applied: BTreeMap<String, BTreeMap<ForwardKey, i64>>,
    /// The order in which revisions were given.
    pub(super) revisions: Vec<i64>,
}

impl Server {
    fn next(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// A user stores a spec. A new name is a new object.
    pub(super) fn store(&mut self, name: &str, spec: Value) -> Change {
        let version = self.next();
        let key = ForwardKey {
            namespace: "default".to_owned(),
            name: name.to_owned(),
        };
        let object = self.forwards.entry(key).or_insert_with(|| {
            json!({
                "apiVersion": "udplb.dev/v1alpha1",
                "kind": "UdpForward",
                "metadata": {
                    "namespace": "default", "name": name, "uid": format!("forward-{version}"), "generation": 0,
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                },
                "status": {},
            })
        });
        if object["spec"] != spec {
            let generation = object["metadata"]["generation"].as_i64().unwrap();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["spec"] = spec;
        object["metadata"]["resourceVersion"] = json!(version);
        tell(object)
    }

    /// A user deletes a forward.
    pub(super) fn delete(&mut self, name: &str) -> Option<Change> {
        let version = self.next();
        let found = self.forwards.keys().find(|key| key.name == name).cloned();
        let mut object = self.forwards.remove(&found?).unwrap();
        object["metadata"]["resourceVersion"] = json!(version);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        Some(Change::Forward(Event::Delete(stored::forward(object))))
    }

    /// Carries an op out as the API server does; none: it is refused.
    pub(super) fn write(&mut self, op: &Op) -> Option<Vec<Change>> {
        let version = self.next();
        match op {
            Op::CreateResolved(object) | Op::ApplyResolved(object) => {
                let key = key(&object.metadata);
                let old = self.resolved.get(&key);
                let mut object = (**object).clone();
                let old_revision = old.map(|old| old.spec.revision);
                object.metadata = admit(old.map(|it| &it.metadata), object.metadata, &version)?;
                if old_revision != Some(object.spec.revision) {
                    self.revisions.push(object.spec.revision);
                }
                drop(self.resolved.insert(key, object.clone()));
                let guard = DeserializeGuard(Ok(object));
                Some(vec![Change::Resolved(Event::Apply(stored::resolved(
                    guard,
                )))])
            }
            Op::DeleteResolved(key, identity) => {
                let old = self.resolved.get(key)?;
                matches(&old.metadata, identity).then_some(())?;
                let mut old = self.resolved.remove(key)?;
                old.metadata.resource_version = Some(version);
                let guard = DeserializeGuard(Ok(old));
                Some(vec![Change::Resolved(Event::Delete(stored::resolved(
                    guard,
                )))])
            }
            Op::CreateConfig(object) | Op::ApplyConfig(object) => {
                let name = object.metadata.name.clone().unwrap();
                let old = self.configs.get(&name);
                let mut object = (**object).clone();
                object.status = old.and_then(|old| old.status.clone());
                let generation = old.and_then(|old| old.metadata.generation);
                object.metadata = admit(old.map(|it| &it.metadata), object.metadata, &version)?;
                object.metadata.generation = Some(generation.unwrap_or_default() + 1);
                drop(self.configs.insert(name, object.clone()));
                let guard = DeserializeGuard(Ok(object));
                Some(vec![Change::Config(Event::Apply(stored::config(guard)))])
            }
            Op::WriteStatus(write) => {
                let object = self.forwards.get_mut(&write.key)?;
                let meta: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
                matches(&meta, &write.identity).then_some(())?;
                object["status"] = serde_json::to_value(&write.status).unwrap();
                object["metadata"]["resourceVersion"] = json!(version);
                Some(vec![tell(object)])
            }
        }
    }

    /// An agent says that it runs all that it was told.
    pub(super) fn report(&mut self, node: &str) -> Option<Change> {
        let version = self.next();
        let revision = self.resolved.values().map(|it| it.spec.revision).max();
        let config = self.configs.get_mut(node)?;
        config.metadata.resource_version = Some(version);
        let told = config.spec.forwards.iter().map(|it| ForwardKey {
            namespace: it.namespace.clone(),
            name: it.name.clone(),
        });
        let runs = told.filter_map(|key| {
            let revision = self.resolved.get(&key)?.spec.revision;
            Some((key, revision))
        });
        drop(self.applied.insert(node.to_owned(), runs.collect()));
        let status = json!({
            "bootID": "boot", "appliedRevision": revision, "failedCount": 0,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "observedGeneration": config.metadata.generation,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        });
        config.status = Some(serde_json::from_value(status).unwrap());
        let guard = DeserializeGuard(Ok(config.clone()));
        Some(Change::Config(Event::Apply(stored::config(guard))))
    }
}

fn tell(object: &Value) -> Change {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    Change::Forward(Event::Apply(stored::forward(object)))
}

/// A write without uid makes an object; one with uid replaces that version of that object.
fn admit(old: Option<&ObjectMeta>, new: ObjectMeta, version: &str) -> Option<ObjectMeta> {
    let identity = Identity {
        uid: new.uid.clone().unwrap_or_default(),
        resource_version: new.resource_version.clone().unwrap_or_default(),
    };
    let uid = match old {
        None => new.uid.is_none().then(|| format!("made-{version}"))?,
        Some(old) => matches(old, &identity).then_some(identity.uid)?,
    };
    Some(ObjectMeta {
        uid: Some(uid),
        resource_version: Some(version.to_owned()),
        ..new
    })
}

fn matches(meta: &ObjectMeta, identity: &Identity) -> bool {
    meta.uid.as_ref() == Some(&identity.uid)
        && meta.resource_version.as_ref() == Some(&identity.resource_version)
}

/// A node with this role, and its agent.
pub(super) fn node(name: &str, role: &str) -> [Change; 2] {
    let node = NodeFacts {
        uid: format!("uid-of-{name}"),
        labels: BTreeMap::from([("role".to_owned(), role.to_owned())]),
        addresses: std::collections::BTreeSet::new(),
        boot_id: "boot".to_owned(),
        is_ready: true,
    };
    let agent = AgentFacts {
        node: name.to_owned(),
        is_ready: true,
    };
    [
        Change::Node(Event::Apply((name.to_owned(), node))),
        Change::Agent(Event::Apply((format!("agent-of-{name}"), agent))),
    ]
}

/// Every kind has been listed, and there is nothing.
pub(super) fn empty_lists() -> Vec<Change> {
    vec![
        Change::Forward(Event::InitDone),
        Change::Resolved(Event::InitDone),
        Change::Config(Event::InitDone),
        Change::Node(Event::InitDone),
        Change::Agent(Event::InitDone),
    ]
}
