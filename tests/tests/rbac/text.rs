//! What the manifests say: reasons for every right, the version of this workspace, and no more power than needed.

use std::fs;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{Container, PodSpec},
};
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use udplb_agent::preflight::privilege::Capability;
use udplb_tests::manifests::{DEFINITIONS, KUBERNETES, files, objects};

/// The only object of this kind.
fn the<K: DeserializeOwned>(kind: &str) -> K {
    let mut found = objects(KUBERNETES);
    found.retain(|object| object.types.as_ref().unwrap().kind == kind);
    let [object] = found.as_slice() else {
        panic!("{} of kind {kind}", found.len());
    };
    serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
}

/// Both pods, by component, each with its only container.
fn pods() -> [(&'static str, PodSpec, Container); 2] {
    let agent: DaemonSet = the("DaemonSet");
    let operator: Deployment = the("Deployment");
    let agent = agent.spec.unwrap().template.spec.unwrap();
    let operator = operator.spec.unwrap().template.spec.unwrap();
    [("agent", agent), ("operator", operator)].map(|(name, spec)| {
        let [container] = spec.containers.as_slice() else {
            panic!("{:?}", spec.containers);
        };
        let container = container.clone();
        (name, spec, container)
    })
}

#[test]
fn every_right_says_why_it_is_there() {
    let (mut rights, mut silent) = (0, Vec::new());
    for path in files(KUBERNETES) {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut in_rules = false;
        for (number, line) in lines.iter().enumerate() {
            if *line == "---" || !line.starts_with([' ', '-', '#']) {
                in_rules = *line == "rules:";
            } else if in_rules && line.starts_with("- ") {
                rights += 1;
                if !lines[number - 1].starts_with("# ") {
                    silent.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(rights > 10, "only {rights} rules are found");
    assert!(
        silent.is_empty(),
        "rules without a reason:\n{}",
        silent.join("\n")
    );
}

#[test]
fn images_are_of_this_version() {
    for (name, _, container) in pods() {
        let expected = format!("udplb-{name}:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(container.image.as_deref(), Some(&*expected));
        assert_eq!(container.image_pull_policy.as_deref(), Some("IfNotPresent"));
    }
}

#[test]
fn the_agent_has_the_capabilities_that_it_asks_for() {
    let [(_, _, agent), (_, spec, operator)] = pods();
    let agent = agent.security_context.unwrap();
    let capabilities = agent.capabilities.unwrap();
    let mut added = capabilities.add.unwrap();
    added.sort();
    let asked = Capability::OF_RUN.map(|it| it.name().strip_prefix("CAP_").unwrap());
    assert_eq!(added, asked);
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert_eq!(agent.privileged, Some(false));

    let operator = operator.security_context.unwrap();
    let capabilities = operator.capabilities.unwrap();
    assert_eq!(
        (capabilities.add, capabilities.drop),
        (None, Some(vec!["ALL".to_owned()]))
    );
    let pod = spec.security_context.unwrap();
    assert_eq!(
        (pod.run_as_non_root, pod.run_as_user),
        (Some(true), Some(65_532))
    );
    assert_eq!(pod.seccomp_profile.unwrap().type_, "RuntimeDefault");
    for context in [
        agent.read_only_root_filesystem,
        operator.read_only_root_filesystem,
    ] {
        assert_eq!(context, Some(true));
    }
    for context in [
        agent.allow_privilege_escalation,
        operator.allow_privilege_escalation,
    ] {
        assert_eq!(context, Some(false));
    }
}

/// `kubectl apply -k` leaves nothing out that `kubectl apply -f` takes.
#[test]
fn both_ways_to_apply_take_the_same_files() {
    for folder in [KUBERNETES, DEFINITIONS] {
        let files = files(folder);
        let list = files[0].with_file_name("Kustomization");
        let text = fs::read_to_string(list).unwrap();
        let listed: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("- "))
            .filter(|name| *name != "../../crds")
            .collect();
        let there: Vec<_> = files
            .iter()
            .map(|it| it.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(listed, there);
        assert_eq!(text.contains("- ../../crds"), folder == KUBERNETES);
    }
}

#[test]
fn every_object_is_labelled_as_ours() {
    for object in objects(KUBERNETES) {
        let label = object.labels().get("app.kubernetes.io/name");
        assert_eq!(
            label.map(String::as_str),
            Some("udplb"),
            "{}",
            object.name_any()
        );
    }
}
