//! Has cargo build things, and finds out where they are. IO.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::scratch::{folder, root};

/// What a run of the suite needs.
pub(super) struct Artifacts {
    /// The agent's build script, which builds the program.
    pub(super) script: PathBuf,
    /// The agent that takes another program.
    pub(super) agent: PathBuf,
    /// The packet suite.
    pub(super) tests: PathBuf,
}

impl Artifacts {
    pub(super) fn build() -> Self {
        let agent = cargo("udplb-agent", &["build", "--example", "other_program"]);
        let tests = cargo("udplb-tests", &["test", "--no-run", "--test", "packets"]);
        Self {
            script: keep(&find(&agent, "custom-build", "build-script-build")),
            agent: keep(&find(&agent, "example", "other_program")),
            tests: keep(&find(&tests, "test", "packets")),
        }
    }
}

/// A copy that stays as it is while somebody builds again.
fn keep(built: &Path) -> PathBuf {
    let folder = folder().join("binaries");
    fs::create_dir_all(&folder).unwrap();
    let kept = folder.join(built.file_name().unwrap());
    let _: u64 = fs::copy(built, &kept).unwrap();
    kept
}

/// What cargo tells of each part of a package that it builds.
fn cargo(package: &str, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    let _: &mut Command = command
        .args(arguments)
        .args(["--package", package, "--message-format=json"])
        .current_dir(root());
    if !cfg!(debug_assertions) {
        let _: &mut Command = command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.expect("cargo does not run");
    assert!(
        output.status.success(),
        "cargo {arguments:?} of {package}: {}",
        output.status
    );
    // Every package says where it is; those of others are elsewhere.
    let own = |message: &Value| {
        let manifest = message["manifest_path"].as_str();
        manifest.is_some_and(|path| path.starts_with(root().to_str().unwrap()))
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|message: &Value| message["reason"] == "compiler-artifact" && own(message))
        .collect()
}

fn find(artifacts: &[Value], kind: &str, name: &str) -> PathBuf {
    let found = artifacts.iter().find(|artifact| {
        artifact["target"]["kind"][0] == kind && artifact["target"]["name"] == name
    });
    let artifact = found.unwrap_or_else(|| panic!("cargo tells of no {kind} {name}"));
    PathBuf::from(artifact["filenames"][0].as_str().unwrap())
}
