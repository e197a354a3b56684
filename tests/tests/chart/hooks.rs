//! The hooks, with the accounts that the chart makes for them: the test plays the controllers and kubelets, and runs
//! what the hook's pod would run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, DaemonSetSpec},
    authentication::v1::TokenRequest,
    batch::v1::Job,
    core::v1::{Node, Pod, ServiceAccount},
    rbac::v1::{ClusterRole, Role},
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::Kubeconfig,
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use udplb_tests::{
    chart::{CHART, Helm},
    operator::{NAMESPACE, Operator, program},
};

use crate::release::Release;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

impl Release {
    /// A file for a process that has only the token of an account.
    async fn kubeconfig_of(&self, account: &str) -> PathBuf {
        let request = json!({ "spec": { "audiences": [] } });
        let request: TokenRequest = serde_json::from_value(request).unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), NAMESPACE);
        let parameters = PostParams::default();
        let answer = accounts.create_token_request(account, &parameters, &request);
        let token = answer.await.unwrap().status.unwrap().token;
        let admin = Kubeconfig::read_from(self.server.kubeconfig()).unwrap();
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": admin.clusters[0].cluster }],
            "users": [{ "name": "token", "user": { "token": token } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "token" } }],
        });
        self.server.file(account, &text.to_string()).into()
    }

    /// A node, and the pod that the daemon set has there with today's arguments.
    async fn node(&self, name: &str, is_up: bool) {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let node = json!({ "metadata": { "name": name } });
        let node = serde_json::from_value(node).unwrap();
        drop(nodes.create(&PostParams::default(), &node).await.unwrap());
        let ready = if is_up { "True" } else { "Unknown" };
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        report(&nodes, name, status).await;
        self.pod(name, "agent").await;
    }

    async fn pod(&self, node: &str, name: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let set = self.agents().await;
        let template = set.spec.unwrap().template;
        let mut pod = Pod {
            metadata: template.metadata.unwrap(),
            spec: template.spec,
            ..Pod::default()
        };
        let name = format!("{name}-{node}");
        pod.metadata.name = Some(name.clone());
        pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
        drop(pods.create(&PostParams::default(), &pod).await.unwrap());
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        report(&pods, &name, status).await;
    }

    async fn delete_pod(&self, name: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let now = kube::api::DeleteParams::default().grace_period(0);
        drop(pods.delete(name, &now).await.unwrap());
    }

    async fn agents(&self) -> DaemonSet {
        let sets: Api<DaemonSet> = Api::namespaced(self.client.clone(), NAMESPACE);
        sets.get("udplb-agent").await.unwrap()
    }

    /// What the controller of daemon sets writes.
    async fn scheduled(&self, nodes: usize, ready: usize) {
        let sets: Api<DaemonSet> = Api::namespaced(self.client.clone(), NAMESPACE);
        let generation = self.agents().await.metadata.generation;
        let status = json!({ "status": {
            "observedGeneration": generation, "desiredNumberScheduled": nodes,
            "currentNumberScheduled": nodes, "updatedNumberScheduled": nodes,
            "numberReady": ready, "numberMisscheduled": 0,
        } });
        report(&sets, "udplb-agent", status).await;
    }
}

/// Writes a status as a controller or a kubelet does.
async fn report<K>(api: &Api<K>, name: &str, status: Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let patch = Patch::Merge(status);
    let patched = api
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    drop(patched.unwrap());
}

/// Runs a command beside the test, until it ends.
async fn output(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    awaited("a command to end", run).await.unwrap()
}

/// The operator's program with these arguments and rights.
fn operator(kubeconfig: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program());
    let _: &mut Command = command.args(arguments).env("KUBECONFIG", kubeconfig);
    command
}

/// The arguments of the first container of a pod.
fn arguments(spec: Option<&k8s_openapi::api::core::v1::PodSpec>) -> Vec<String> {
    spec.unwrap().containers[0].args.clone().unwrap()
}

async fn awaited<T>(what: &str, future: impl Future<Output = T>) -> T {
    let message = || panic!("waited in vain for {what}");
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| message())
}

/// A node that is up and does not clean up has the hook fail, with its name; and who then stays gets the agents back.
async fn given_up(release: &Release) {
    let before = release.agents().await.spec.unwrap();
    let given = ["cleanup", "--timeout=1", "--", "cleanup"].map(str::to_owned);
    let process = tokio::spawn(output(operator(&release.server.kubeconfig(), &given)));
    let ended = process.await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let first = "udplb-operator: not done after 1 s: ";
    assert!(said.starts_with(first), "{said}");
    assert!(said.contains("kubectl logs -n udplb-system"), "{said}");
    let switched = release.agents().await.spec.unwrap();
    assert_eq!(arguments(switched.template.spec.as_ref()), ["cleanup"]);

    let upgrade: &[&str] = match release.helm {
        Helm::Three => &[],
        // Somebody else has written what the chart says otherwise.
        Helm::Four => &["--force-conflicts"],
    };
    drop(release.helm(&["upgrade", "udplb", CHART], upgrade));
    let after = release.agents().await.spec.unwrap();
    assert_eq!(
        arguments(after.template.spec.as_ref()),
        arguments(before.template.spec.as_ref())
    );
    let unavailable = |spec: DaemonSetSpec| {
        let strategy = serde_json::to_value(spec.update_strategy).unwrap();
        strategy["rollingUpdate"]["maxUnavailable"].clone()
    };
    assert_eq!(unavailable(after), unavailable(before));
}

async fn uninstall(helm: Helm) {
    let release = Release::new("chart-uninstall", helm).await;
    drop(release.install(CHART, &[]));
    release.node("up", true).await;
    release.node("down", false).await;
    release.scheduled(2, 1).await;
    given_up(&release).await;
    let roles: Api<ClusterRole> = Api::all(release.client.clone());
    assert!(roles.get_opt("udplb-cleanup").await.unwrap().is_none());

    let command = release.arguments(&["uninstall", "udplb", "--timeout", "5m"], &[]);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let helm = tokio::spawn(output(release.helm.command(&command)));
    let jobs: Api<Job> = Api::namespaced(release.client.clone(), NAMESPACE);
    let there = await_condition(jobs.clone(), "udplb-cleanup", |job: Option<&Job>| {
        job.is_some()
    });
    let job = awaited("the hook's Job", Box::pin(there))
        .await
        .unwrap()
        .unwrap();
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref();
    assert_eq!(
        pod.unwrap().service_account_name.as_deref(),
        Some("udplb-cleanup")
    );

    // What its pod does, with the rights that it has.
    let kubeconfig = release.kubeconfig_of("udplb-cleanup").await;
    let process = tokio::spawn(output(operator(&kubeconfig, &arguments(pod))));
    let sets: Api<DaemonSet> = Api::namespaced(release.client.clone(), NAMESPACE);
    let cleans = |set: Option<&DaemonSet>| {
        let spec = set.and_then(|set| set.spec.as_ref()?.template.spec.as_ref());
        arguments(spec) == ["cleanup", "--serve=0.0.0.0:9465"]
    };
    let set = awaited(
        "the switch",
        Box::pin(await_condition(sets, "udplb-agent", cleans)),
    )
    .await;
    let strategy = set.unwrap().unwrap().spec.unwrap().update_strategy.unwrap();
    let strategy = serde_json::to_value(strategy).unwrap();
    assert_eq!(strategy["rollingUpdate"]["maxUnavailable"], "100%");
    // The controller replaces the pod of the node that is up; nobody ends the other one.
    release.delete_pod("agent-up").await;
    release.pod("up", "cleanup").await;
    release.scheduled(2, 1).await;
    let ended = process.await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}{error}");
    let last = "1 of 2 nodes are clean; 1 is down and keeps nothing when started again: down\n";
    assert!(said.ends_with(last), "{said}");

    let now = "2026-11-23T09:00:00Z";
    let condition = |name| json!({ "type": name, "status": "True", "lastTransitionTime": now });
    let conditions = [condition("SuccessCriteriaMet"), condition("Complete")];
    let status: Value = json!({ "status": {
        "conditions": conditions, "startTime": now, "completionTime": now, "succeeded": 1,
        "uncountedTerminatedPods": {},
    } });
    report(&jobs, "udplb-cleanup", status).await;
    let ended = helm.await.unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{error}");
    // Nothing of the hook stays, and nothing of the chart but the definitions.
    let accounts: Api<ServiceAccount> = Api::namespaced(release.client.clone(), NAMESPACE);
    let rights: Api<Role> = Api::namespaced(release.client.clone(), NAMESPACE);
    assert!(accounts.get_opt("udplb-cleanup").await.unwrap().is_none());
    assert!(rights.get_opt("udplb-cleanup").await.unwrap().is_none());
    let ours = |name: &str| name.starts_with("udplb");
    let left = roles.list(&kube::api::ListParams::default()).await.unwrap();
    assert!(!left.items.iter().any(|role| ours(&role.name_any())));
    assert!(release.definition("udpforwards").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_3_takes_udplb_off_every_node_or_stays() {
    Box::pin(uninstall(Helm::Three)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_4_takes_udplb_off_every_node_or_stays() {
    Box::pin(uninstall(Helm::Four)).await;
}

/// `helm test`, while nothing works, and once it does.
#[tokio::test(flavor = "multi_thread")]
async fn the_test_hook_proves_an_installation() {
    let release = Release::new("chart-verify", Helm::Four).await;
    drop(release.install(CHART, &[]));
    release.node("one", true).await;
    release.scheduled(1, 0).await;
    // The account of the hook, which Helm makes for its time only.
    let hooks = Helm::Four
        .template(&["--show-only", "templates/tests/verify.yaml"])
        .unwrap();
    let file = release.server.file("verify.yaml", &hooks);
    drop(release.server.kubectl(&["apply", "-f", &file]).unwrap());
    let pods: Api<Pod> = Api::namespaced(release.client.clone(), NAMESPACE);
    let pod = pods.get("udplb-verify").await.unwrap();
    let kubeconfig = release.kubeconfig_of("udplb-verify").await;
    let verify = |patience: &str| {
        let mut command = operator(&kubeconfig, &arguments(pod.spec.as_ref()));
        let _: &mut Command = command.args(["--timeout", patience]);
        output(command)
    };
    let output = verify("1").await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "ok: UdpForward is served\nok: ResolvedForward is served\nok: NodeForwardConfig is served\n\
                    failed: no operator leads\nfailed: agents are ready on 0 of 1 nodes\n";
    assert_eq!(said, expected);

    let _operator = Operator::start(&release.server.kubeconfig(), "operator-0", &[]);
    release.scheduled(1, 1).await;
    let output = verify("60").await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let expected = "ok: operator operator-0 leads\nok: agents are ready on all 1 nodes\n";
    assert!(said.ends_with(expected), "{said}");
}
