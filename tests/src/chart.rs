//! The Helm chart, the programs that take it, and the files that are generated with it. IO.

mod plain;
pub mod table;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    api_server::built,
    manifests::{DEFINITIONS, files},
    operator::NAMESPACE,
};

/// Where the chart is, below the root of the repository.
pub const CHART: &str = "charts/udplb";
/// Where the same is as plain manifests.
const PLAIN: &str = "deploy/kubernetes";
/// Where the manifests are that clean up before these are deleted.
const UNINSTALL: &str = "deploy/uninstall";

/// A major version of Helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helm {
    /// The oldest that is still kept up.
    Three,
    /// Today's.
    Four,
}

impl Helm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Three, Self::Four];

    /// The program, built once.
    pub fn program(self) -> PathBuf {
        let name = match self {
            Self::Three => "helm-3",
            Self::Four => "helm",
        };
        let mut folders = built(&[name]);
        let folder = folders.pop().expect("tests/cluster/build names no folder");
        folder.join(name)
    }

    /// What it prints, or what it complains about. It keeps nothing on this machine.
    pub fn run(self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr) + &text(&output.stdout))
        }
    }

    /// A command in the root of the repository.
    pub fn command(self, arguments: &[&str]) -> Command {
        let nowhere = std::env::temp_dir().join("udplb-no-helm");
        let mut command = Command::new(self.program());
        let _: &mut Command = command
            .args(arguments)
            .current_dir(root())
            .env("HELM_CACHE_HOME", &nowhere)
            .env("HELM_CONFIG_HOME", &nowhere)
            .env("HELM_DATA_HOME", &nowhere);
        command
    }

    /// The chart's manifests with these values (`-f FILE`, `--set NAME=VALUE`), those of hooks among them.
    pub fn template(self, values: &[&str]) -> Result<String, String> {
        let arguments = ["template", "udplb", CHART, "--namespace", NAMESPACE];
        // Helm 3 would take some old version, where there is no cluster to ask.
        self.run(&[&arguments, values, &["--kube-version", "1.33.0"]].concat())
    }
}

/// A program that checks objects against the schemas of a version of Kubernetes, installed once.
pub fn validator() -> PathBuf {
    let mut folders = built(&["kubernetes-validate"]);
    let folder = folders.pop().expect("tests/cluster/build names no folder");
    folder.join("kubernetes-validate")
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files of values that the chart has to work with, as arguments; the defaults first.
pub fn matrix() -> Vec<Vec<String>> {
    let mut matrix = vec![Vec::new()];
    for path in files(&format!("{CHART}/ci")) {
        matrix.push(vec!["-f".to_owned(), path.to_str().unwrap().to_owned()]);
    }
    matrix
}

/// What every generated file has to say, by its path below the root of the repository.
pub fn generated() -> BTreeMap<String, String> {
    let rendered = Helm::Four.template(&[]).unwrap();
    let mut all = BTreeMap::new();
    for path in files(DEFINITIONS) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        drop(all.insert(format!("{CHART}/files/crds/{name}"), text));
    }
    for (name, text) in plain::manifests(&rendered) {
        let folder = match name.as_str() {
            "cleanup.yaml" => UNINSTALL,
            _ => PLAIN,
        };
        drop(all.insert(format!("{folder}/{name}"), text));
    }
    let values = read(&format!("{CHART}/values.yaml"));
    let readme = format!("{CHART}/README.md");
    let text = table::insert(&read(&readme), &values);
    drop(all.insert(readme, text));
    all
}

/// A file below the root of the repository; empty where there is none.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}
