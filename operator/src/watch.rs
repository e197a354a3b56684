//! Follows what the API server stores, and tells of every change. IO.

pub mod services;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::{DeserializeGuard, GroupVersionKind},
    runtime::watcher::{self, Config, Event},
};
use tokio::sync::mpsc;
use udplb_api::{NodeForwardConfig, ResolvedForward};
use udplb_process::{mirror, watch::events};

use crate::{
    metrics::Metrics,
    world::{
        Allowed, Change,
        facts::{AgentFacts, NodeFacts},
        stored,
    },
};

/// How the pods of the agents are labelled.
pub const AGENTS: &str = "app.kubernetes.io/name=udplb,app.kubernetes.io/component=agent";

/// What to watch.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespace of the agents' pods.
    pub namespace: String,
    /// Which namespaces may hold forwards, as a label selector; none: every one.
    pub namespaces: Option<String>,
}

/// The kind of `UdpForward`, read as a tree: one that another version stored must not stop the others.
#[must_use]
pub fn forward_kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "udplb.dev",
        "v1alpha1",
        "UdpForward",
    ))
}

/// Where changes go. A watch waits while the loop is behind.
#[derive(Clone, Debug)]
pub struct Sink {
    /// To the loop.
    pub changes: mpsc::Sender<Change>,
    /// Counts what fails.
    pub metrics: Metrics,
}

/// Watches all kinds that are always needed, for as long as somebody listens.
pub async fn all(client: Client, scope: Scope, sink: Sink) {
    let every = Config::default;
    let forwards: Api<DynamicObject> = Api::all_with(client.clone(), &forward_kind());
    let resolved: Api<DeserializeGuard<ResolvedForward>> = Api::all(client.clone());
    let configs: Api<DeserializeGuard<NodeForwardConfig>> = Api::all(client.clone());
    let nodes: Api<Node> = Api::all(client.clone());
    let agents: Api<Pod> = Api::namespaced(client.clone(), &scope.namespace);
    let namespaces = async {
        if let Some(selector) = &scope.namespaces {
            let api: Api<Namespace> = Api::all(client.clone());
            let allowed = |it: Namespace| (it.name_any(), Allowed);
            let stream = events(api, every().labels(selector));
            sink.follow("Namespace", stream, allowed, Change::Namespace)
                .await;
        }
    };
    let node = |it: Node| (it.name_any(), NodeFacts::from(&it));
    let agent = |it: Pod| (it.name_any(), AgentFacts::from(&it));
    let _ended = tokio::join!(
        sink.follow(
            "UdpForward",
            events(forwards, every()),
            stored::forward,
            Change::Forward
        ),
        sink.follow(
            "ResolvedForward",
            events(resolved, every()),
            stored::resolved,
            Change::Resolved
        ),
        sink.follow(
            "NodeForwardConfig",
            events(configs, every()),
            stored::config,
            Change::Config
        ),
        sink.follow("Node", events(nodes, every()), node, Change::Node),
        sink.follow(
            "Pod",
            events(agents, every().labels(AGENTS)),
            agent,
            Change::Agent
        ),
        namespaces,
    );
}

impl Sink {
    /// Tells of every change of one kind.
    async fn follow<K, V>(
        &self,
        kind: &'static str,
        stream: impl Stream<Item = watcher::Result<Event<K>>>,
        prune: impl Fn(K) -> V,
        change: impl Fn(Event<V>) -> Change,
    ) {
        let mut stream = std::pin::pin!(stream);
        let mut has_failed = false;
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    // A list begins before it is known whether it can be had.
                    let is_news = !matches!(event, Event::Init);
                    if is_news && std::mem::take(&mut has_failed) {
                        tracing::info!(kind, "watching again");
                    }
                    if self
                        .changes
                        .send(change(mirror::map(event, &prune)))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    self.metrics.watch_failed(kind);
                    let error = udplb_process::error_chain(&error);
                    if std::mem::replace(&mut has_failed, true) {
                        tracing::debug!(kind, error, "still cannot watch");
                    } else {
                        tracing::warn!(kind, error, "cannot watch; what was known counts");
                    }
                }
            }
        }
    }
}
