//! Follows the services of the namespaces that refer to one, and of no other. IO.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{Api, Client, ResourceExt, runtime::watcher::Config};
use tokio::task::JoinHandle;
use udplb_process::watch::events;

use super::Sink;
use crate::world::{
    Change,
    facts::{ServiceFacts, SliceFacts},
};

/// The namespaces that are followed. Following ends with it.
pub struct Services {
    client: Client,
    sink: Sink,
    tasks: BTreeMap<String, JoinHandle<()>>,
}

impl Services {
    /// Follows none.
    #[must_use]
    pub fn new(client: Client, sink: Sink) -> Self {
        Self {
            client,
            sink,
            tasks: BTreeMap::new(),
        }
    }

    /// Follows these namespaces. The ones that are followed no more, to be forgotten.
    pub fn want(&mut self, namespaces: &BTreeSet<String>) -> Vec<String> {
        let is_gone = |namespace: &&String| !namespaces.contains(*namespace);
        let gone: Vec<String> = self.tasks.keys().filter(is_gone).cloned().collect();
        for namespace in &gone {
            if let Some(task) = self.tasks.remove(namespace) {
                task.abort();
            }
        }
        for namespace in namespaces {
            if !self.tasks.contains_key(namespace) {
                let task = follow(self.client.clone(), namespace.clone(), self.sink.clone());
                let _ = self.tasks.insert(namespace.clone(), tokio::spawn(task));
            }
        }
        gone
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

async fn follow(client: Client, namespace: String, sink: Sink) {
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(client, &namespace);
    let service = |it: Service| (it.name_any(), ServiceFacts::from(&it));
    let slice = |it: EndpointSlice| (it.name_any(), SliceFacts::from(&it));
    let _ended = tokio::join!(
        sink.follow(
            "Service",
            events(services, Config::default()),
            service,
            |event| Change::Service(namespace.clone(), event)
        ),
        sink.follow(
            "EndpointSlice",
            events(slices, Config::default()),
            slice,
            |event| Change::Slice(namespace.clone(), event)
        ),
    );
}
