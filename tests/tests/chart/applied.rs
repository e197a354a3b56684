//! The chart on a real API server: installed, upgraded, removed.

use std::{fs, path::Path, process::Command};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    batch::v1::Job,
    coordination::v1::Lease,
    core::v1::{Namespace, Pod, PodSpec},
    scheduling::v1::PriorityClass,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::json;
use udplb_api::UdpForward;
use udplb_tests::{
    chart::{CHART, Helm, matrix, root},
    manifests::{KUBERNETES, objects},
    operator::NAMESPACE,
};

use crate::release::Release;

/// Every file of values, one after the other as upgrades of one release.
async fn all_values(helm: Helm) {
    let release = Release::new("chart-values", helm).await;
    release.prometheus_operator().await;
    let notes = release.install(CHART, &[]);
    assert!(notes.contains("helm test udplb -n udplb-system"), "{notes}");
    let leases: Api<Lease> = Api::namespaced(release.client.clone(), NAMESPACE);
    let leads = json!({ "spec": { "holderIdentity": "operator-0" } });
    let parameters = PatchParams::default();
    let patch = Patch::Merge(leads);
    let patched = leases.patch("udplb-operator", &parameters, &patch).await;
    drop(patched.unwrap());
    for values in matrix().into_iter().skip(1) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        drop(release.helm(&["upgrade", "udplb", CHART, "--reset-values"], &values));
    }
    // An upgrade does not depose who leads.
    let lease = leases.get("udplb-operator").await.unwrap();
    let holder = lease.spec.unwrap().holder_identity;
    assert_eq!(holder.as_deref(), Some("operator-0"));
    drop(release.helm(&["uninstall", "udplb", "--no-hooks"], &[]));
    let sets: Api<DaemonSet> = Api::namespaced(release.client.clone(), NAMESPACE);
    assert!(sets.get_opt("udplb-agent").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_3_applies_every_file_of_values() {
    all_values(Helm::Three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_4_applies_every_file_of_values() {
    all_values(Helm::Four).await;
}

/// A copy of the chart whose definition of `UdpForward` does not know a state, as an older one would not.
fn older_chart(folder: &Path) -> String {
    let copy = folder.join("udplb");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join(CHART))
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    let path = copy.join("files/crds/udpforwards.udplb.dev.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| line.trim() != "- Paused");
    let older: String = lines.map(|line| format!("{line}\n")).collect();
    assert_ne!(older, text);
    fs::write(&path, older).unwrap();
    copy.to_str().unwrap().to_owned()
}

/// Whether the definition knows the state `Paused`.
async fn knows_it(release: &Release) -> bool {
    let definition = release.definition("udpforwards").await.unwrap();
    serde_json::to_string(&definition)
        .unwrap()
        .contains("\"Paused\"")
}

async fn definitions(helm: Helm) {
    let release = Release::new("chart-crds", helm).await;
    let folder = release.server.kubeconfig().with_file_name("charts");
    fs::create_dir(&folder).unwrap();
    drop(release.install(&older_chart(&folder), &[]));
    assert!(!knows_it(&release).await);
    drop(release.helm(&["upgrade", "udplb", CHART], &[]));
    assert!(knows_it(&release).await);
    // The API server serves the definition a moment after it has taken it.
    let forward = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "UdpForward",
        "metadata": { "name": "syslog", "namespace": "default" },
        "spec": {
            "match": { "ports": [{ "port": 514 }] }, "action": "Clone", "state": "Paused",
            "destinations": [{ "name": "siem", "upstreams": [{ "address": "192.0.2.1" }] }],
        },
    });
    let file = release.server.file("forward.yaml", &forward.to_string());
    drop(release.server.kubectl(&["apply", "-f", &file]).unwrap());

    drop(release.helm(&["uninstall", "udplb", "--no-hooks"], &[]));
    let forwards: Api<UdpForward> = Api::namespaced(release.client.clone(), "default");
    assert!(forwards.get("syslog").await.is_ok());

    // What was kept is taken up again; unless asked otherwise, it goes.
    drop(release.install(CHART, &["--set", "crds.keep=false"]));
    assert!(forwards.get("syslog").await.is_ok());
    drop(release.helm(&["uninstall", "udplb", "--no-hooks", "--wait"], &[]));
    for plural in ["udpforwards", "resolvedforwards", "nodeforwardconfigs"] {
        let deleted = release.definition(plural).await.is_none_or(|definition| {
            // Its objects go first.
            definition.metadata.deletion_timestamp.is_some()
        });
        assert!(deleted, "{plural}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_3_upgrades_definitions_and_keeps_them() {
    definitions(Helm::Three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_4_upgrades_definitions_and_keeps_them() {
    definitions(Helm::Four).await;
}

/// The API server's own pod security admission judges.
#[tokio::test(flavor = "multi_thread")]
async fn all_pods_but_the_agents_pass_as_restricted() {
    let release = Release::new("chart-restricted", Helm::Four).await;
    let namespaces: Api<Namespace> = Api::all(release.client.clone());
    let label = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let object = json!({ "metadata": { "name": "strict", "labels": label } });
    let object = serde_json::from_value(object).unwrap();
    drop(
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .unwrap(),
    );
    // The server makes these by itself, a moment after it is ready.
    let classes: Api<PriorityClass> = Api::all(release.client.clone());
    for name in ["system-node-critical", "system-cluster-critical"] {
        let there = await_condition(classes.clone(), name, |it: Option<&_>| it.is_some());
        drop(there.await.unwrap());
    }
    let rendered = Helm::Four.template(&[]).unwrap();
    let all: Vec<kube::api::DynamicObject> = serde_saphyr::from_multiple(&rendered).unwrap();
    let mut judged = Vec::new();
    for object in all {
        let kind = object.types.as_ref().unwrap().kind.clone();
        let value = serde_json::to_value(&object).unwrap();
        let spec: PodSpec = match kind.as_str() {
            "Deployment" => {
                let it: Deployment = serde_json::from_value(value).unwrap();
                it.spec.unwrap().template.spec.unwrap()
            }
            "DaemonSet" => {
                let it: DaemonSet = serde_json::from_value(value).unwrap();
                it.spec.unwrap().template.spec.unwrap()
            }
            "Job" => {
                let it: Job = serde_json::from_value(value).unwrap();
                it.spec.unwrap().template.spec.unwrap()
            }
            "Pod" => serde_json::from_value::<Pod>(value).unwrap().spec.unwrap(),
            _ => continue,
        };
        let name = kind.to_lowercase();
        let pod = Pod {
            metadata: serde_json::from_value(json!({ "name": name })).unwrap(),
            spec: Some(spec),
            ..Pod::default()
        };
        let pods: Api<Pod> = Api::namespaced(release.client.clone(), "strict");
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let allowed = pods.create(&parameters, &pod).await;
        if let Err(error) = &allowed {
            assert!(
                error.to_string().contains("violates PodSecurity"),
                "{error}"
            );
        }
        judged.push((kind, allowed.is_ok()));
    }
    judged.sort();
    let expected = [
        ("DaemonSet", false),
        ("Deployment", true),
        ("Job", true),
        ("Pod", true),
    ];
    assert_eq!(
        judged,
        expected.map(|(kind, allowed)| (kind.to_owned(), allowed))
    );
}

/// What the plain manifests say can be applied as the chart can.
#[tokio::test(flavor = "multi_thread")]
async fn plain_manifests_are_applied_with_kustomize() {
    let release = Release::new("chart-plain", Helm::Four).await;
    for folder in [KUBERNETES, "deploy/uninstall"] {
        let path = root().join(folder);
        let apply = ["apply", "--server-side", "-k", path.to_str().unwrap()];
        // A first time, the definitions and the namespace may be known a moment too late.
        let applied = release.server.kubectl(&apply);
        let said = applied.or_else(|_| release.server.kubectl(&apply)).unwrap();
        for object in objects(folder) {
            let name = object.metadata.name.unwrap();
            assert!(
                said.contains(&format!("/{name} serverside-applied")),
                "{name}: {said}"
            );
        }
    }
}
