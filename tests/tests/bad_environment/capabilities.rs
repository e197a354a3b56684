//! The capabilities that the chart gives to the agent suffice, and the kernel insists on each.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::DaemonSet;
use nix::sys::signal::Signal;
use udplb_tests::{
    chart::{CHART, read},
    manifests::{KUBERNETES, objects},
};

use super::situation::{PATIENCE, Situation};

/// Those of the daemon set, as `setpriv` writes them.
fn documented() -> Vec<String> {
    let mut sets = objects(KUBERNETES);
    sets.retain(|object| object.types.as_ref().unwrap().kind == "DaemonSet");
    let set = serde_json::to_value(&sets[0]).unwrap();
    let set: DaemonSet = serde_json::from_value(set).unwrap();
    let pod = set.spec.unwrap().template.spec.unwrap();
    let context = pod.containers[0].security_context.clone().unwrap();
    let added = context.capabilities.unwrap().add.unwrap();
    added.iter().map(|name| name.to_lowercase()).collect()
}

impl Situation {
    /// Root with nothing but these, as a container runtime starts it.
    fn with_only(self, capabilities: &[String]) -> Self {
        let kept = capabilities.iter().map(|one| format!(",+{one}"));
        let sets = format!("-all{}", kept.collect::<String>());
        self.through(&[
            &format!("--bounding-set={sets}"),
            &format!("--inh-caps={sets}"),
        ])
    }

    /// The agent believes that it has every capability, so that the kernel itself has to refuse.
    fn deceived(self) -> Self {
        let folder = self.node().folder().display().to_string();
        self.script(&format!(
            "sed 's/^CapEff:.*/CapEff:\\t000001ffffffffff/' /proc/$$/status >{folder}/status\n\
             mount --bind {folder}/status /proc/$$/status"
        ))
    }
}

#[test]
fn the_readme_names_those_of_the_manifest() {
    let readme = read(&format!("{CHART}/README.md"));
    let named: BTreeSet<String> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| capability |"))
        .skip(2)
        .map_while(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_lowercase()))
        .collect();
    assert_eq!(named, documented().into_iter().collect());
}

#[test]
fn those_of_the_manifest_suffice() {
    for hook in ["tcx", "clsact"] {
        let situation = Situation::new(&format!("caps-all-{hook}")).with_only(&documented());
        // It starts, and its copies arrive.
        let mut agent = situation.run(&["--hook", hook]);
        agent.signal(Signal::SIGTERM);
        let ended = agent.wait(PATIENCE);
        assert!(ended.success(), "{ended}: {}", agent.log());
    }
}

/// Deceived, the agent takes what the kernel refuses for a kernel that lacks it; what matters is that it is refused.
#[test]
fn the_kernel_insists_on_each() {
    let refusals = BTreeMap::from([
        ("bpf", "bpf() is not permitted although CAP_BPF is there"),
        ("net_admin", "does not keep neighbour entries for us"),
        ("perfmon", "pointer arithmetic with it prohibited"),
    ]);
    for missing in documented() {
        let mut others = documented();
        others.retain(|one| *one != missing);
        let name = format!("caps-no-{}", missing.replace('_', "-"));
        let situation = Situation::new(&name).with_only(&others).deceived();
        let output = situation.output("run", &["--hook", "clsact"]);
        assert_eq!(output.status.code(), Some(1), "without {missing}");
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = refusals[missing.as_str()];
        assert!(said.contains(expected), "without {missing}: {said}");
    }
}
