//! A host in a situation, and the agent's commands in it.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use nix::errno::Errno;
use serde_json::Value;
use udplb_tests::{
    agent::{self, forward},
    lab::{BPFFS, Host, Lab, Process, shapes},
    scrape,
    traffic::use_it,
    wait,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const SPEC: &str = "
  match: {ports: [{port: 514}]}
  interfaces: [eth0]
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
";

/// A lab whose node is in a situation.
pub(crate) struct Situation {
    pub(crate) lab: Lab,
    /// Shell commands that make the situation, in a mount namespace of their own.
    script: String,
    /// What runs the command: `setpriv` with arguments.
    through: Vec<String>,
    /// A system call that fails.
    forbidden: Option<(libc::c_long, Errno)>,
    /// Where maps and links go.
    pub(crate) pins: PathBuf,
}

impl Situation {
    pub(crate) fn new(name: &str) -> Self {
        let lab = shapes::two_collectors(name);
        let node = lab.host("node");
        std::fs::write(node.folder().join("node.yaml"), forward("syslog", SPEC)).unwrap();
        let pins = PathBuf::from(format!("{BPFFS}/{}-pins", lab.id()));
        Self {
            lab,
            script: String::new(),
            through: Vec::new(),
            forbidden: None,
            pins,
        }
    }

    pub(crate) fn script(mut self, script: &str) -> Self {
        script.clone_into(&mut self.script);
        self
    }

    /// Without these capabilities of root, and without the one that stands for all.
    pub(crate) fn without(self, capabilities: &str) -> Self {
        let sets = capabilities
            .split(',')
            .map(|one| format!("-{one}"))
            .collect::<Vec<_>>()
            .join(",");
        self.through(&[
            &format!("--bounding-set={sets}"),
            &format!("--inh-caps={sets}"),
        ])
    }

    pub(crate) fn through(mut self, setpriv: &[&str]) -> Self {
        self.through = setpriv.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn forbid(mut self, call: libc::c_long, errno: Errno) -> Self {
        self.forbidden = Some((call, errno));
        self
    }

    pub(crate) fn pins(mut self, path: impl Into<PathBuf>) -> Self {
        self.pins = path.into();
        self
    }

    pub(crate) fn node(&self) -> &Host {
        self.lab.host("node")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.node().folder().join("node.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.node().folder().join("state")
    }

    /// A command of the agent in the situation, with its folders.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = match self.forbidden {
            None => self.node().command("unshare"),
            Some((call, errno)) => self.node().command_without("unshare", call, errno),
        };
        let script = format!("set -e\n{}\nexec \"$@\"", self.script);
        let _: &mut Command = command
            .args(["--mount", "--", "sh", "-c", &script, "sh", "setpriv"])
            .args(&self.through)
            .args(["--", "env", "RUST_LOG=info,udplb_agent::reconcile=trace"])
            .arg(agent::binary())
            .arg(subcommand)
            .arg("--pin-dir")
            .arg(&self.pins);
        if subcommand == "run" || subcommand == "check" {
            let _: &mut Command = command
                .arg("-c")
                .arg(self.config())
                .arg("--state-dir")
                .arg(self.state())
                .args(["--http-address", agent::ADDRESS]);
        }
        command
    }

    pub(crate) fn output(&self, subcommand: &str, arguments: &[&str]) -> Output {
        self.command(subcommand).args(arguments).output().unwrap()
    }

    /// What `check` finds wrong, and what it notes.
    pub(crate) fn checked(&self) -> (Vec<String>, Vec<String>) {
        let output = self.output("check", &["--output", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(report["ok"].as_bool(), Some(output.status.success()));
        let findings = report["host"]["findings"].as_array().unwrap();
        let of = |result: &str| {
            let all = findings
                .iter()
                .filter(|finding| finding["result"] == result);
            all.map(|finding| finding["message"].as_str().unwrap().to_owned())
                .collect()
        };
        (of("failed"), of("note"))
    }

    /// `run` and `check` refuse with these messages; `run` says the first one, and how many follow.
    pub(crate) fn refused(&self, expected: &[&str]) {
        let output = self.output("run", &[]);
        assert_eq!(output.status.code(), Some(1));
        let more = match expected.len() {
            1 => String::new(),
            count => format!(" ({} more: see `udplb-agent check`)", count - 1),
        };
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!("udplb-agent: {}{more}\n", expected[0])
        );
        assert_eq!(self.checked().0, expected);
    }

    /// Starts an agent and returns when it clones.
    pub(crate) fn run(&self, arguments: &[&str]) -> Process {
        let mut process = self
            .node()
            .spawn("agent", self.command("run").args(arguments));
        wait::until(PATIENCE, "the agent to be ready", || {
            if let Some(status) = process.ended() {
                panic!("the agent ended with {status}:\n{}", process.log());
            }
            scrape::get(self.node(), agent::ADDRESS, "/readyz")
                .ok()
                .filter(|answer| answer.status == 200)
        });
        wait::until(PATIENCE, "the upstream to be reachable", || {
            let metrics = scrape::scrape(self.node(), agent::ADDRESS);
            let mut reachable = metrics
                .matching("udplb_upstream_reachable", &[])
                .map(|(_, value)| value);
            reachable.all(|value| value > 0.5).then_some(())
        });
        self.use_it();
        process
    }

    /// Sends a datagram and waits for its copy.
    pub(crate) fn use_it(&self) {
        use_it(&self.lab);
    }
}
