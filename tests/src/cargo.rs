//! Has cargo build things, and finds out where they are. IO.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::sources::root;

/// What cargo tells of each part of a workspace that it builds.
pub(crate) fn cargo(workspace: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    let _: &mut Command = command
        .args(arguments)
        .arg("--message-format=json")
        .current_dir(workspace)
        // Two workspaces share what they have in common.
        .env("CARGO_TARGET_DIR", root().join("target"));
    if !cfg!(debug_assertions) {
        let _: &mut Command = command.arg("--release");
    }
    // What cargo tells of the package whose test this is: build scripts that look at it would run again, and what is
    // behind them would be built again.
    let told = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in told.filter(|name| {
        let kinds = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        kinds.iter().any(|kind| name.starts_with(kind))
    }) {
        let _: &mut Command = command.env_remove(name);
    }
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.expect("cargo does not run");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        output.status
    );
    // Every package says where it is; those of others are elsewhere.
    let own = |message: &Value| {
        let place = message["manifest_path"]
            .as_str()
            .or(message["package_id"].as_str());
        place.is_some_and(|place| place.contains(workspace.to_str().unwrap()))
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|message: &Value| {
            let reasons = ["compiler-artifact", "build-script-executed"];
            reasons.iter().any(|reason| message["reason"] == *reason) && own(message)
        })
        .collect()
}

/// Where the build script of a package leaves its output.
pub(crate) fn output(messages: &[Value], package: &str) -> PathBuf {
    let found = messages.iter().find(|message| {
        let id = message["package_id"].as_str().unwrap_or_default();
        message["reason"] == "build-script-executed" && id.contains(package)
    });
    let message = found.unwrap_or_else(|| panic!("cargo tells of no build script of {package}"));
    PathBuf::from(message["out_dir"].as_str().unwrap())
}

/// Where a part of it is.
pub(crate) fn find(artifacts: &[Value], kind: &str, name: &str) -> PathBuf {
    let found = artifacts.iter().find(|artifact| {
        artifact["target"]["kind"][0] == kind && artifact["target"]["name"] == name
    });
    let artifact = found.unwrap_or_else(|| panic!("cargo tells of no {kind} {name}"));
    PathBuf::from(artifact["filenames"][0].as_str().unwrap())
}
