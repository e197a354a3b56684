//! The packet suite, played against an agent with a given program. IO.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::scratch::root;
use crate::rows::RED;

/// Themes wait for the kernel more than they compute.
const THREADS: &str = "8";

/// The agent's word for a program that the verifier does not take.
const REFUSED: &str = "the kernel refused the eBPF program";

/// What came of it.
pub(super) enum Played {
    Green,
    /// Every row that is red.
    Red(Vec<String>),
    /// No statement about rows: what happened instead.
    Useless(String),
}

pub(super) struct Suite {
    build_script: PathBuf,
    agent: PathBuf,
    tests: PathBuf,
}

impl Suite {
    /// Builds what is needed and finds out where it is.
    pub(super) fn build() -> Self {
        let agent = artifacts(&[
            "build",
            "--package",
            "udplb-agent",
            "--example",
            "other_program",
        ]);
        let tests = artifacts(&[
            "test",
            "--no-run",
            "--package",
            "udplb-tests",
            "--test",
            "packets",
        ]);
        let find = |artifacts: &[Value], kind: &str, name: &str| {
            let found = artifacts.iter().find(|artifact| {
                artifact["target"]["kind"][0] == kind
                    && artifact["target"]["name"] == name
                    && artifact["package_id"].as_str().is_some_and(|package| {
                        package.contains("/agent#") || package.contains("/tests#")
                    })
            });
            let artifact = found.unwrap_or_else(|| panic!("cargo tells of no {kind} {name}"));
            PathBuf::from(artifact["filenames"][0].as_str().unwrap())
        };
        Self {
            build_script: find(&agent, "custom-build", "build-script-build"),
            agent: find(&agent, "example", "other_program"),
            tests: find(&tests, "test", "packets"),
        }
    }

    /// The one that builds the program.
    pub(super) fn build_script(&self) -> &Path {
        &self.build_script
    }

    /// Plays all rows against an agent with this program.
    pub(super) fn play(&self, program: &Path) -> Played {
        let output = Command::new(&self.tests)
            .args(["--test-threads", THREADS])
            .current_dir(root().join("tests"))
            .env("UDPLB_AGENT", &self.agent)
            .env("UDPLB_PROGRAM", program)
            .output()
            .expect("the packet suite does not run");
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let red: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix(RED))
            .map(str::to_owned)
            .collect();
        if text.contains(REFUSED) {
            return Played::Useless(REFUSED.to_owned());
        }
        match (output.status.success(), red.is_empty()) {
            (true, _) => Played::Green,
            (false, false) => Played::Red(red),
            (false, true) => {
                Played::Useless(format!("no row is red, but the suite failed:\n{text}"))
            }
        }
    }
}

impl fmt::Display for Played {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Green => formatter.write_str("no row is red"),
            Self::Useless(what) => formatter.write_str(what),
            Self::Red(rows) => {
                write!(formatter, "{} rows are red", rows.len())?;
                for row in rows {
                    write!(formatter, "\n  {row}")?;
                }
                Ok(())
            }
        }
    }
}

/// Has cargo build something, and returns what it tells of each part.
fn artifacts(arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    let _: &mut Command = command
        .args(arguments)
        .arg("--message-format=json")
        .current_dir(root());
    if !cfg!(debug_assertions) {
        let _: &mut Command = command.arg("--release");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo does not run");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|message: &Value| message["reason"] == "compiler-artifact")
        .collect()
}
