//! How long it takes from the API server to the wire. The clock starts before the request is sent, so that what is
//! printed is an upper bound.

use std::time::{Duration, Instant};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod, discovery::v1::EndpointSlice};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
    runtime::watcher::Config,
};
use serde_json::{Value, json};
use udplb_api::UdpForward;
use udplb_tests::wait::Deadline;

use crate::{
    packets::{Sender, Upstream},
    stage::{NODES, Stage},
};

/// What users are promised.
const PROMISE: Duration = Duration::from_secs(1);

/// Every node, by index.
pub(crate) const EVERY: [usize; 3] = [0, 1, 2];

/// A spec that copies a port of every node's address on its network interface.
pub(crate) fn clone_of(port: u16, upstream: &Value) -> Value {
    json!({
        "interfaces": ["eth0"],
        "match": { "ports": [{ "port": port }] },
        "action": "Clone",
        "destinations": [{ "name": "collector", "upstreams": [upstream] }],
    })
}

/// The host that takes copies, as an upstream.
pub(crate) fn at_upstream(stage: &Stage, port: u16) -> Value {
    json!({ "address": stage.cluster.address_of("upstream"), "port": port })
}

/// Prints a distribution, and holds it against the promise.
fn judge(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
    println!(
        "{what}: {} ms fastest, {} median, {} of 90 %, {} slowest of {}",
        at(0),
        at(50),
        at(90),
        at(100),
        times.len()
    );
    assert!(*times.last().unwrap() <= PROMISE, "{what}: {times:?}");
}

/// Apply, copies from all nodes, Ready; fifty times.
pub(crate) async fn fifty_forwards(stage: &Stage) {
    let (mut copied, mut ready) = (Vec::new(), Vec::new());
    for run in 0..50_u16 {
        let (port, name) = (20_000 + run, format!("run-{run}"));
        let upstream = Upstream::bind(stage.cluster.outside("upstream"), port);
        let sender = Sender::start(&stage.cluster, port);
        let spec = clone_of(port, &at_upstream(stage, port));
        let start = Instant::now();
        let _stored = stage.apply(&name, &spec).await;
        let all = tokio::task::spawn_blocking(move || upstream.all(&EVERY));
        stage.ready(&name, 3).await;
        ready.push(start.elapsed());
        copied.push(all.await.unwrap() - start);
        drop(sender);
        // Another socket: the first one may be full.
        let upstream = Upstream::bind(stage.cluster.outside("upstream"), port);
        upstream.gets_one_of_each(&stage.cluster, port, &EVERY);
        stage.delete(&name).await;
    }
    judge("apply to the first copy of every node", copied);
    judge("apply to Ready", ready);
}

/// An edit, a service that is scaled, an endpoint that dies, a label, a deletion.
pub(crate) async fn changes(stage: &Stage) {
    edit(stage).await;
    service(stage).await;
    label(stage).await;
    deletion(stage).await;
}

async fn edit(stage: &Stage) {
    let mut spec = clone_of(514, &at_upstream(stage, 5_514));
    let old = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    let new = Upstream::bind(stage.cluster.outside("upstream"), 5_515);
    let _sender = Sender::start(&stage.cluster, 514);
    let _stored = stage.apply("edited", &spec).await;
    let _first = old.all(&EVERY);
    spec["destinations"][0]["upstreams"] = json!([at_upstream(stage, 5_515)]);
    let start = Instant::now();
    let _stored = stage.apply("edited", &spec).await;
    let time = tokio::task::spawn_blocking(move || new.all(&EVERY)).await;
    judge(
        "edit to the first copy of every node",
        vec![time.unwrap() - start],
    );
    stage.ready("edited", 3).await;
    stage.delete("edited").await;
}

/// Collectors as pods behind a Service.
const COLLECTORS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: collectors}
spec:
  replicas: 1
  selector: {matchLabels: {app: collectors}}
  template:
    metadata: {labels: {app: collectors}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: pause, image: udplb-pause:0.1.0, imagePullPolicy: Never}
---
apiVersion: v1
kind: Service
metadata: {name: collectors}
spec:
  selector: {app: collectors}
  ports: [{name: syslog, port: 514, targetPort: 5514, protocol: UDP}]
";

async fn service(stage: &Stage) {
    let mut spec = clone_of(
        514,
        &json!({ "service": { "name": "collectors", "port": "syslog" } }),
    );
    // Every datagram has a chance to reach the new pod.
    spec["destinations"][0]["strategy"] = json!("Random");
    let _stored = stage.apply("served", &spec).await;
    stage
        .says("served", "Resolved", ["False", "NotResolved"])
        .await;
    stage.cluster.apply(COLLECTORS);
    let first = stage
        .cluster
        .ready_pods("default", "app=collectors", 1)
        .await;
    let at_first = Upstream::bind(&stage.cluster.pod_host(&first[0]), 5_514);
    let _sender = Sender::start(&stage.cluster, 514);
    let at_first = tokio::task::spawn_blocking(move || (at_first.all(&EVERY), at_first).1);
    let at_first = at_first.await.unwrap();
    stage.ready("served", 3).await;

    // The clock starts when the new endpoint is stored: pods take their own time to start.
    scale(stage, 2).await;
    let stored = endpoints(stage, 2).await;
    let pods = stage
        .cluster
        .ready_pods("default", "app=collectors", 2)
        .await;
    let second = pods
        .iter()
        .find(|pod| pod.name_any() != first[0].name_any())
        .unwrap();
    let at_second = Upstream::bind(&stage.cluster.pod_host(second), 5_514);
    let reached = tokio::task::spawn_blocking(move || at_second.all(&EVERY))
        .await
        .unwrap();
    judge(
        "a new endpoint to copies of every node",
        vec![reached - stored],
    );

    let pods: Api<Pod> = stage.api();
    let parameters = DeleteParams::default().grace_period(0);
    let start = Instant::now();
    drop(
        pods.delete(&first[0].name_any(), &parameters)
            .await
            .unwrap(),
    );
    let last = tokio::task::spawn_blocking(move || at_first.last(&EVERY))
        .await
        .unwrap();
    judge(
        "a dead endpoint to its last copy",
        vec![last.saturating_duration_since(start)],
    );
    drop(
        stage
            .cluster
            .kubectl(&["delete", "deployment,service", "collectors"], ""),
    );
    stage.delete("served").await;
}

async fn scale(stage: &Stage, replicas: u32) {
    let deployments: Api<Deployment> = stage.api();
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let parameters = PatchParams::default();
    drop(
        deployments
            .patch("collectors", &parameters, &patch)
            .await
            .unwrap(),
    );
}

/// Waits until so many endpoints are ready; when that was told.
async fn endpoints(stage: &Stage, count: usize) -> Instant {
    let slices: Api<EndpointSlice> = stage.api();
    let config = Config::default().labels("kubernetes.io/service-name=collectors");
    let what = format!("{count} endpoints");
    let is_ready = |slice: &EndpointSlice| {
        let endpoints = slice.endpoints.iter();
        let conditions = endpoints.filter_map(|it| it.conditions.as_ref());
        conditions.filter(|it| it.ready == Some(true)).count()
    };
    stage
        .cluster
        .until(&slices, config, &what, |slices| {
            let ready: usize = slices.values().map(is_ready).sum();
            (ready == count).then(Instant::now)
        })
        .await
}

async fn label(stage: &Stage) {
    let mut spec = clone_of(514, &at_upstream(stage, 5_514));
    spec["nodeSelector"] = json!({ "matchLabels": { "role": "edge" } });
    let upstream = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    let _sender = Sender::start(&stage.cluster, 514);
    stage.cluster.label(NODES[0], "role", Some("edge")).await;
    let _stored = stage.apply("labelled", &spec).await;
    stage.ready("labelled", 1).await;
    let start = Instant::now();
    stage.cluster.label(NODES[1], "role", Some("edge")).await;
    let reached = tokio::task::spawn_blocking(move || (upstream.all(&[0, 1]), upstream));
    let (reached, upstream) = reached.await.unwrap();
    judge(
        "a label to the first copy of the node",
        vec![reached - start],
    );
    stage.ready("labelled", 2).await;

    let start = Instant::now();
    stage.cluster.label(NODES[1], "role", None).await;
    let last = tokio::task::spawn_blocking(move || upstream.last(&[1]))
        .await
        .unwrap();
    judge(
        "a label that goes to the last copy of the node",
        vec![last - start],
    );
    stage.ready("labelled", 1).await;
    nothing_is_left(stage, NODES[1]).await;
    stage.cluster.label(NODES[0], "role", None).await;
    stage.delete("labelled").await;
}

async fn deletion(stage: &Stage) {
    let spec = clone_of(514, &at_upstream(stage, 5_514));
    let upstream = Upstream::bind(stage.cluster.outside("upstream"), 5_514);
    let _sender = Sender::start(&stage.cluster, 514);
    let _stored = stage.apply("deleted", &spec).await;
    let upstream = tokio::task::spawn_blocking(move || (upstream.all(&EVERY), upstream).1);
    let upstream = upstream.await.unwrap();
    stage.ready("deleted", 3).await;
    let start = Instant::now();
    stage.delete("deleted").await;
    let last = tokio::task::spawn_blocking(move || upstream.last(&EVERY))
        .await
        .unwrap();
    judge(
        "a deletion to the last copy",
        vec![last.saturating_duration_since(start)],
    );
    for node in NODES {
        nothing_is_left(stage, node).await;
    }
    let forwards: Api<UdpForward> = stage.api();
    assert!(forwards.get_opt("deleted").await.unwrap().is_none());
}

/// The kernel of a node holds no forward, and no program on an interface.
pub(crate) async fn nothing_is_left(stage: &Stage, node: &str) {
    let deadline = Deadline::after(PROMISE * 10);
    loop {
        let text = stage.cluster.agent(node, &["status", "--output", "json"]);
        let status: Value = serde_json::from_str(&text.await).unwrap();
        let is_empty = |list: &str| status[list].as_array().is_some_and(Vec::is_empty);
        if is_empty("forwards") && is_empty("attachments") {
            return;
        }
        assert!(!deadline.passed(), "{node} still holds {status:#}");
    }
}
