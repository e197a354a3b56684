//! The status tells what is wrong, and never says Ready when a node does not forward.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt as _;
use kube::{
    Api,
    runtime::{
        WatchStreamExt as _,
        watcher::{Config, watcher},
    },
};
use serde_json::json;
use udplb_api::UdpForward;

use crate::{
    packets::Upstream,
    stage::{NODES, Stage, condition},
    times::{EVERY, at_upstream, clone_of},
};

pub(crate) async fn tells_what_is_wrong(stage: &Stage) {
    first_sight(stage).await;
    service_and_name(stage).await;
    interface(stage).await;
    conflict(stage).await;
    paused(stage).await;
}

async fn first_sight(stage: &Stage) {
    let upstream = at_upstream(stage, 5_514);
    let seen = Watched::start(stage, "first");
    let _stored = stage.apply("first", &clone_of(514, &upstream)).await;
    stage.ready("first", 3).await;
    let seen = seen.take();
    let first = seen.iter().find(|it| {
        it.status
            .as_ref()
            .is_some_and(|it| !it.conditions.is_empty())
    });
    let status = first.unwrap().status.as_ref().unwrap();
    let types: Vec<_> = status
        .conditions
        .iter()
        .map(|it| it.type_.as_str())
        .collect();
    assert_eq!(types, ["Accepted", "Resolved", "Programmed", "Ready"]);
    assert_eq!(status.desired_nodes, Some(3));
    stage.delete("first").await;
}

async fn service_and_name(stage: &Stage) {
    let spec = clone_of(514, &json!({ "service": { "name": "nobody" } }));
    let _stored = stage.apply("unresolved", &spec).await;
    let message = stage
        .says("unresolved", "Resolved", ["False", "NotResolved"])
        .await;
    let expected = "spec.destinations[0].upstreams[0]: service default/nobody does not exist";
    assert_eq!(message, expected);
    let spec = clone_of(
        514,
        &json!({ "hostname": "siem.nowhere.invalid", "port": 514 }),
    );
    let _stored = stage.apply("unresolved", &spec).await;
    let is = |forward: &UdpForward| {
        let found = condition(forward, "Resolved");
        found.is_some_and(|it| {
            it.message
                .contains("host name siem.nowhere.invalid has no answer")
        })
    };
    let what = "it does not name the host name";
    drop(stage.until("unresolved", what, is).await);
    stage
        .says("unresolved", "Ready", ["False", "NotResolved"])
        .await;
    stage.delete("unresolved").await;
}

/// Two nodes have the interface, and the third one keeps the forward from being called ready.
async fn interface(stage: &Stage) {
    let add = |node| {
        let node = stage.cluster.node(node);
        drop(node.run("ip link add eth9 up type veth peer name eth9-end"));
    };
    NODES[..2].iter().copied().for_each(add);
    let upstream = at_upstream(stage, 5_514);
    let mut spec = clone_of(514, &upstream);
    spec["interfaces"] = json!(["eth9"]);
    let _stored = stage.apply("absent", &spec).await;
    let is = |forward: &UdpForward| {
        let status = forward.status.as_ref();
        let counts = status.map(|it| (it.ready_nodes, it.failed_nodes, it.unknown_nodes));
        counts == Some((Some(2), Some(1), Some(0)))
    };
    let what = "it is not ready on two nodes and failed on one";
    let failed = stage.until("absent", what, is).await;
    let ready = condition(&failed, "Ready").unwrap();
    assert_eq!([&*ready.status, &*ready.reason], ["False", "NodesFailed"]);
    let message = &ready.message;
    assert!(
        message.starts_with("1 of 3 nodes failed: node3: InterfaceNotFound: "),
        "{message}"
    );
    assert!(message.contains("no interface matches eth9"), "{message}");
    add(NODES[2]);
    stage.ready("absent", 3).await;
    stage.delete("absent").await;
    for node in NODES {
        drop(stage.cluster.node(node).run("ip link del eth9"));
    }
}

async fn conflict(stage: &Stage) {
    let upstream = at_upstream(stage, 5_514);
    let copies = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    let spec = clone_of(514, &upstream);
    let _stored = stage.apply("one", &spec).await;
    let _stored = stage.apply("two", &spec).await;
    let message = stage
        .says("two", "Accepted", ["False", "ListenerConflict"])
        .await;
    assert!(
        message.starts_with("default/one is older and listens on port 514 too"),
        "{message}"
    );
    stage.ready("one", 3).await;
    stage.delete("one").await;
    stage.ready("two", 3).await;
    copies.gets_one_of_each(&stage.cluster, 514, &EVERY);
    stage.delete("two").await;
}

async fn paused(stage: &Stage) {
    let upstream = at_upstream(stage, 5_514);
    let copies = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    let mut spec = clone_of(514, &upstream);
    spec["state"] = json!("Paused");
    let _stored = stage.apply("paused", &spec).await;
    stage
        .says("paused", "Programmed", ["True", "AllNodesProgrammed"])
        .await;
    stage.says("paused", "Ready", ["False", "Paused"]).await;
    spec["state"] = json!("Active");
    let _stored = stage.apply("paused", &spec).await;
    stage.ready("paused", 3).await;
    copies.gets_one_of_each(&stage.cluster, 514, &EVERY);
    stage.delete("paused").await;
}

/// A node loses its power and starts again without pins: from the moment at which the cluster knows, its forwards are
/// unknown, until its agent says that they are in force.
pub(crate) async fn a_node_that_starts_again(stage: &mut Stage) {
    let upstream = at_upstream(stage, 5_514);
    let _stored = stage.apply("rebooted", &clone_of(514, &upstream)).await;
    stage.ready("rebooted", 3).await;
    // Kubernetes takes its time to call a node silent; from then on nobody calls it ready.
    stage.cluster.node_mut(NODES[2]).stop();
    let silent = stage
        .says("rebooted", "Ready", ["Unknown", "NodesPending"])
        .await;
    assert!(
        silent.starts_with("1 of 3 nodes pending: node3: "),
        "{silent}"
    );
    println!("without power: {silent}");
    stage.cluster.node_mut(NODES[2]).reboot();
    let message = stage
        .says("rebooted", "Ready", ["Unknown", "NodesPending"])
        .await;
    assert!(
        message.starts_with("1 of 3 nodes pending: node3: "),
        "{message}"
    );
    println!("while it starts: {message}");
    stage.ready("rebooted", 3).await;
    let copies = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    copies.gets_one_of_each(&stage.cluster, 514, &EVERY);
    stage.delete("rebooted").await;
}

/// Every version of a forward, as a watch tells it.
struct Watched {
    seen: Arc<Mutex<Vec<UdpForward>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watched {
    fn start(stage: &Stage, name: &str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let api: Api<UdpForward> = stage.api();
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let versions = watcher(api, config).applied_objects();
                let told = versions.try_for_each(|forward| {
                    seen.lock().unwrap().push(forward);
                    std::future::ready(Ok(()))
                });
                told.await.unwrap();
            }
        });
        Self { seen, task }
    }

    fn take(&self) -> Vec<UdpForward> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A minute is what a steady cluster is watched for.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
