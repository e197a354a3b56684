//! The operator at work with nothing but the token of its pod.

use std::time::Duration;

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    events::v1::Event,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_tests::operator::{NAMESPACE, Operator};

use crate::cast::{BOOT, Cast, NODES, create};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pod of the agent.
const AGENT: &str = "agent-a";

/// The pods of the operator.
const PODS: [&str; 2] = ["operator-0", "operator-1"];

/// Waits until an object is as it should be.
async fn until<K>(
    api: &Api<K>,
    name: &str,
    operators: &[&Operator],
    is: impl Fn(Option<&K>) -> bool + Send,
) -> Option<K>
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + DeserializeOwned + 'static,
{
    let waited = tokio::time::timeout(PATIENCE, await_condition(api.clone(), name, is)).await;
    let Ok(found) = waited else {
        let logs: Vec<String> = operators.iter().map(|it| it.log()).collect();
        let logs = logs.join("\n---\n");
        panic!("{name} is {:#?}\n{logs}", api.get_opt(name).await)
    };
    found.unwrap()
}

async fn set<K>(api: &Api<K>, name: &str, status: Value)
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let patch = Patch::Merge(json!({ "status": status }));
    let patched = api
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    drop(patched.unwrap());
}

fn is_ready(forward: &UdpForward) -> bool {
    let status = forward.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
    conditions.any(|it| it.type_ == "Ready" && it.status == "True")
}

fn of<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

/// A node whose agent is ready, and a service in a namespace that may hold forwards.
async fn furnish(cast: &Cast, node: &str) {
    let admin = &cast.admin;
    let nodes: Api<Node> = Api::all(admin.clone());
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    let info = json!({
        "bootID": BOOT, "architecture": "", "containerRuntimeVersion": "", "kernelVersion": "",
        "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "",
        "osImage": "", "systemUUID": "",
    });
    set(
        &nodes,
        node,
        json!({ "nodeInfo": info, "conditions": ready }),
    )
    .await;
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    set(&pods, AGENT, json!({ "conditions": ready })).await;
    let namespace: Namespace =
        of(json!({ "metadata": { "name": "telemetry", "labels": { "udplb": "yes" } } }));
    create(admin, namespace, false).await.unwrap();
    let service: Service = of(json!({
        "metadata": { "name": "collector", "namespace": "telemetry" },
        "spec": { "ports": [{ "name": "syslog", "port": 514, "protocol": "UDP" }] },
    }));
    create(admin, service, false).await.unwrap();
    let slice: EndpointSlice = of(json!({
        "metadata": {
            "name": "collector-1", "namespace": "telemetry",
            "labels": { "kubernetes.io/service-name": "collector" },
        },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["192.0.2.20"], "conditions": { "ready": true } }],
        "ports": [{ "name": "syslog", "port": 5514, "protocol": "UDP" }],
    }));
    create(admin, slice, false).await.unwrap();
}

/// A forward to that service.
fn syslog() -> UdpForward {
    let upstream = json!({ "service": { "name": "collector", "port": "syslog" } });
    of(json!({
        "metadata": { "name": "syslog", "namespace": "telemetry" },
        "spec": {
            "match": { "ports": [{ "port": 514 }] }, "action": "Clone",
            "destinations": [{ "name": "siem", "upstreams": [upstream] }],
        },
    }))
}

/// An agent says that all is well with its node.
async fn report(agent: &Client, config: &NodeForwardConfig) {
    let name = config.name_any();
    let report = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "NodeForwardConfig",
        "metadata": { "name": name, "uid": config.metadata.uid },
        "status": {
            "bootID": BOOT, "appliedRevision": 1_000, "failedCount": 0,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "observedGeneration": config.metadata.generation,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        },
    });
    let own: Api<NodeForwardConfig> = Api::all(agent.clone());
    let parameters = PatchParams::apply("udplb-agent").force();
    let patched = own
        .patch_status(&name, &parameters, &Patch::Apply(report))
        .await;
    drop(patched.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_needs_no_more_than_its_rights() {
    let cast = Cast::start("work").await;
    let admin = &cast.admin;
    let [node, _] = NODES;
    let agent = cast.client(&cast.pod("agent", AGENT, node).await).await;
    furnish(&cast, node).await;
    let mut operators = Vec::new();
    for name in PODS {
        let token = cast.pod("operator", name, node).await;
        let kubeconfig = cast.kubeconfig(&format!("{name}.yaml"), &token);
        let arguments = ["--namespace-selector", "udplb=yes", "--lease-duration", "3"];
        operators.push(Operator::start(&kubeconfig, name, &arguments));
    }
    let all: Vec<&Operator> = operators.iter().collect();

    create(admin, syslog(), false).await.unwrap();
    let resolved: Api<ResolvedForward> = Api::namespaced(admin.clone(), "telemetry");
    let has_upstream = |it: Option<&ResolvedForward>| {
        it.is_some_and(|it| !it.spec.destinations[0].upstreams.is_empty())
    };
    drop(until(&resolved, "syslog", &all, has_upstream).await);
    let configs: Api<NodeForwardConfig> = Api::all(admin.clone());
    let is_told = |it: Option<&NodeForwardConfig>| it.is_some_and(|it| it.spec.forwards.len() == 1);
    let config = until(&configs, node, &all, is_told).await.unwrap();
    report(&agent, &config).await;
    let forwards: Api<UdpForward> = Api::namespaced(admin.clone(), "telemetry");
    let is = |it: Option<&UdpForward>| it.is_some_and(is_ready);
    let status = until(&forwards, "syslog", &all, is).await.unwrap().status;
    assert_eq!(status.unwrap().ready_nodes, Some(1));
    is_told_of(&Api::namespaced(admin.clone(), "telemetry"), &all).await;

    // The leader ends, and the next one has the same rights.
    let leases: Api<Lease> = Api::namespaced(admin.clone(), NAMESPACE);
    let lease = leases.get("udplb-operator").await.unwrap();
    let leader = lease.spec.unwrap().holder_identity.unwrap();
    let leader = usize::from(leader == PODS[1]);
    let first = operators.remove(leader);
    assert_speaks_of_no_right(&first.log());
    first.stop();
    let deleted = forwards.delete("syslog", &DeleteParams::default()).await;
    drop(deleted.unwrap());
    drop(until(&resolved, "syslog", &[&operators[0]], |it| it.is_none()).await);
    assert_speaks_of_no_right(&operators[0].log());
    operators.remove(0).stop();
}

/// The server has not refused anything for want of a right. The policy of the Lease is no such thing: it may not have
/// heard yet who leads now.
fn assert_speaks_of_no_right(log: &str) {
    let refused = |line: &&str| line.to_lowercase().contains("forbidden");
    let is_late = |line: &&str| line.contains("udplb-leader-only");
    let said: Vec<&str> = log
        .lines()
        .filter(refused)
        .filter(|line| !is_late(line))
        .collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// Waits until an event of the operator is there.
async fn is_told_of(events: &Api<Event>, operators: &[&Operator]) {
    let deadline = udplb_tests::wait::Deadline::after(PATIENCE);
    loop {
        let found = events.list(&ListParams::default()).await.unwrap();
        let is_ours = |it: &Event| it.reporting_controller.as_deref() == Some("udplb-operator");
        if found.iter().any(is_ours) {
            return;
        }
        let logs = || operators.iter().map(|it| it.log()).collect::<String>();
        assert!(!deadline.passed(), "{found:#?}\n{}", logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
