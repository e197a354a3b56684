//! Values that the chart has to work with, and those that it has to refuse.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

use kube::api::DynamicObject;
use udplb_tests::chart::{CHART, Helm, matrix, validator};

fn arguments(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

#[test]
fn both_helms_find_nothing_wrong() {
    for (helm, values) in Helm::ALL.into_iter().flat_map(|it| {
        let all = matrix().into_iter();
        all.map(move |values| (it, values))
    }) {
        let lint = ["lint", "--strict", CHART, "--kube-version", "1.33.0"];
        let said = helm.run(&[&lint, &arguments(&values)[..]].concat());
        let said = said.unwrap_or_else(|error| panic!("{helm:?} {values:?}: {error}"));
        assert!(said.contains("0 chart(s) failed"), "{said}");
    }
}

/// Objects without the order and the blank lines of either Helm.
fn objects(rendered: &str) -> Vec<String> {
    let objects: Vec<DynamicObject> = serde_saphyr::from_multiple(rendered).unwrap();
    let mut texts: Vec<String> = objects
        .iter()
        .map(|object| serde_json::to_string(object).unwrap())
        .collect();
    texts.sort();
    texts
}

#[test]
fn both_helms_make_the_same_of_it() {
    for values in matrix() {
        let [three, four] =
            Helm::ALL.map(|helm| objects(&helm.template(&arguments(&values)).unwrap()));
        assert_eq!(three, four, "{values:?}");
        assert_ne!(three, [""; 0]);
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    for (value, expected) in [
        (
            "operator.replicas=0",
            "/operator/replicas': minimum: got 0, want 1",
        ),
        (
            "operator.replicas=two",
            "/operator/replicas': got string, want integer",
        ),
        (
            "operator.leaseDurationSeconds=2",
            "/operator/leaseDurationSeconds': minimum",
        ),
        (
            "operator.podDisruptionBudget.maxUnavailable=0",
            "/operator/podDisruptionBudget/maxUnavailable'",
        ),
        ("agnet.port=1", "additional properties 'agnet' not allowed"),
        (
            "agent.resource.requests.cpu=1",
            "additional properties 'resource' not allowed",
        ),
        (
            "agent.port=70000",
            "/agent/port': maximum: got 70,000, want 65,535",
        ),
        (
            "agent.hook=xdp",
            "/agent/hook': value must be one of 'auto', 'tcx', 'clsact'",
        ),
        ("agent.address=localhost", "'localhost' is not valid ipv4"),
        (
            "agent.image.digest=sha256:12",
            "'sha256:12' does not match pattern",
        ),
        (
            "agent.image.repository=",
            "/agent/image/repository': minLength",
        ),
        (
            "agent.image.pullPolicy=Sometimes",
            "must be one of 'Always', 'IfNotPresent', 'Never'",
        ),
        (
            "agent.stateDir=var/lib",
            "/agent/stateDir': 'var/lib' does not match pattern",
        ),
        (
            "agent.updateStrategy.type=Recreate",
            "must be one of 'RollingUpdate', 'OnDelete'",
        ),
        (
            "cleanup.timeoutSeconds=1",
            "/cleanup/timeoutSeconds': minimum: got 1, want 10",
        ),
        ("crds.keep=maybe", "/crds/keep': got string, want boolean"),
        (
            "metrics.podMonitor.interval=30",
            "/metrics/podMonitor/interval': got number, want string",
        ),
        (
            "metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true",
            "would count everything twice: enable one of them",
        ),
    ] {
        for helm in Helm::ALL {
            let refused = helm.template(&["--set", value]);
            let said = refused.expect_err(value);
            assert!(said.contains(expected), "{helm:?} {value}: {said}");
        }
    }
}

/// By the schemas of the oldest and the newest Kubernetes that this is for.
#[test]
fn every_object_fits_the_oldest_and_the_newest_kubernetes() {
    let mut objects = BTreeSet::new();
    for values in matrix() {
        let rendered = Helm::Four.template(&arguments(&values)).unwrap();
        let rendered = format!("\n{rendered}");
        let all = rendered.split("\n---\n").map(str::to_owned);
        // Kinds of the Prometheus operator are not Kubernetes'.
        let ours = all.filter(|text| !text.contains("apiVersion: monitoring.coreos.com/"));
        objects.extend(ours);
    }
    let objects = Vec::from_iter(objects).join("\n---\n");
    for version in ["1.33.0", "1.37.0"] {
        let mut process = Command::new(validator())
            .args(["-k", version, "--strict", "--quiet", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(objects.as_bytes()).unwrap();
        drop(input);
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
    }
}
