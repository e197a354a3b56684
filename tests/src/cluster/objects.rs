//! What tests do to objects of a cluster, and how they wait for them. IO.

use std::{
    collections::BTreeMap, fmt::Debug, io::Write as _, pin::pin, process::Stdio, time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Cluster;
use crate::lab::Host;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

impl Cluster {
    /// A client with every right.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs `kubectl` with every right; what it is given on standard input may be a manifest.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        self.try_kubectl(arguments, input)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, with its complaint as the error.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = self
            .kubectl_command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have no interest in it.
        let _sent = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(format!("kubectl {}: {error}", arguments.join(" ")))
    }

    /// Applies a manifest of any number of documents.
    pub fn apply(&self, manifest: &str) {
        drop(self.kubectl(&["apply", "--server-side", "-f", "-"], manifest));
    }

    /// Watches objects until the condition on all of them, by name, has an answer.
    pub async fn until<K, T>(
        &self,
        api: &Api<K>,
        config: watcher::Config,
        what: &str,
        condition: impl Fn(&BTreeMap<String, K>) -> Option<T>,
    ) -> T
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut seen = BTreeMap::new();
        let watch = async {
            let mut events = pin!(watcher::watcher(api.clone(), config));
            let mut complete = false;
            loop {
                // The watch heals by itself; what never does, the deadline shows.
                match events.next().await.expect("a watch has no end") {
                    Ok(Event::Init) => seen.clear(),
                    Ok(Event::InitDone) => complete = true,
                    Ok(Event::InitApply(object) | Event::Apply(object)) => {
                        drop(seen.insert(object.name_any(), object));
                    }
                    Ok(Event::Delete(object)) => drop(seen.remove(&object.name_any())),
                    Err(_) => {}
                }
                if complete && let Some(answer) = condition(&seen) {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, watch).await;
        answer.unwrap_or_else(|_late| {
            panic!("waited {PATIENCE:?} in vain for {what}; there is: {seen:#?}")
        })
    }

    /// Waits until so many pods with this label are ready, and none besides; returns them.
    pub async fn ready_pods(&self, namespace: &str, label: &str, count: usize) -> Vec<Pod> {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let config = watcher::Config::default().labels(label);
        let what = format!("{count} ready pods {label}");
        self.until(&api, config, &what, |pods| {
            let all = pods.len() == count && pods.values().all(is_ready);
            all.then(|| pods.values().cloned().collect())
        })
        .await
    }

    /// Sets a label of a node, or removes it.
    pub async fn label(&self, node: &str, label: &str, value: Option<&str>) {
        let api: Api<Node> = Api::all(self.client());
        let patch = json!({ "metadata": { "labels": { label: value } } });
        let _patched = api
            .patch(node, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Deletes the pods with this label and returns when they are gone, whatever comes in their place.
    pub async fn delete_pods(&self, namespace: &str, label: &str) {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let before = api
            .list(&ListParams::default().labels(label))
            .await
            .unwrap();
        let before: Vec<Option<String>> = before.iter().map(ResourceExt::uid).collect();
        let parameters = ListParams::default().labels(label);
        let _deleted = api
            .delete_collection(&DeleteParams::default(), &parameters)
            .await
            .unwrap();
        let config = watcher::Config::default().labels(label);
        let gone = |pods: &BTreeMap<String, Pod>| {
            let left = pods.values().any(|pod| before.contains(&pod.uid()));
            (!left).then_some(())
        };
        self.until(&api, config, "the pods to be gone", gone).await;
    }

    /// The network of a pod that runs, for captures and traffic; its interface is called eth0.
    pub fn pod_host(&self, pod: &Pod) -> Host {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let node = node.expect("the pod is on no node");
        self.node(node).pod(pod)
    }

    /// Waits until every node is ready, since its last start.
    pub async fn ready_nodes(&self) {
        let api: Api<Node> = Api::all(self.client());
        let boots: BTreeMap<&str, String> = self
            .nodes()
            .iter()
            .map(|node| (node.name(), node.boot_id()))
            .collect();
        let ready = |seen: &BTreeMap<String, Node>| {
            let each = |(name, boot): (&&str, &String)| {
                seen.get(*name).is_some_and(|node| is_up(node, boot))
            };
            boots.iter().all(each).then_some(())
        };
        let config = watcher::Config::default();
        self.until(&api, config, "every node to be ready", ready)
            .await;
    }
}

/// Whether a pod's containers serve.
pub fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_up(node: &Node, boot: &str) -> bool {
    let Some(status) = &node.status else {
        return false;
    };
    let mut conditions = status.conditions.iter().flatten();
    let info = status.node_info.as_ref();
    info.is_some_and(|info| info.boot_id == boot)
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
