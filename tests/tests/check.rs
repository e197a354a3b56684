//! `udplb-agent check` against a real kernel: what it finds, and that it leaves nothing behind.

use std::process::{Command, Output};

use serde_json::Value;
use udplb_tests::{
    agent::{self, Agent, forward},
    lab::{Host, Lab, shapes},
};

const SPEC: &str = "
  match: {ports: [{port: 514}]}
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
";

/// `check` on a host, with folders that nobody has.
fn check(host: &Host, arguments: &[&str]) -> Command {
    let mut command = host.command(agent::binary());
    let pins = format!("/sys/fs/bpf/{}-checked", host.lab());
    let _: &mut Command = command
        .arg("check")
        .args(["--pin-dir", &pins])
        .arg("--state-dir")
        .arg(host.folder().join("checked"))
        .args(["--http-address", agent::ADDRESS])
        .args(arguments);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Everything in the kernel and on disk that a command could have left in a lab.
fn state(lab: &Lab) -> String {
    let node = lab.host("node");
    let mut state = node.run("tc qdisc show; ip neigh; ip link");
    for residue in udplb_tests::lab::residue(lab.id()) {
        state += &format!("{}\n", residue.display());
    }
    state + &node.run(&format!("ls -R {}", lab.folder().display()))
}

#[test]
fn a_host_that_has_everything_passes_and_is_not_changed() {
    let lab = shapes::two_collectors("check-good");
    let node = lab.host("node");
    let file = node.folder().join("forwards.yaml");
    std::fs::write(&file, forward("syslog", SPEC)).unwrap();
    let before = state(&lab);
    for hook in ["auto", "tcx", "clsact"] {
        let output = check(node, &["--hook", hook, "-c", file.to_str().unwrap()])
            .output()
            .unwrap();
        let text = text(&output);
        assert!(output.status.success(), "{text}");
        assert!(!text.contains("FAIL") && !text.contains("note"), "{text}");
        assert!(text.contains("  ok    program "), "{text}");
        assert!(text.ends_with("  ok    1 forward\n"), "{text}");
        assert_eq!(text.contains("clsact"), hook == "clsact", "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
    assert_eq!(state(&lab), before);
}

#[test]
fn json_has_the_documented_shape() {
    let lab = shapes::two_collectors("check-json");
    let node = lab.host("node");
    let file = node.folder().join("forwards.yaml");
    let spec = SPEC
        .replace("514}", "0}")
        .replace("  match", "  interfaces: [nowhere0]\n  match");
    std::fs::write(&file, forward("syslog", &spec)).unwrap();
    let output = check(node, &["--output", "json", "-c", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let report = json(&output);
    assert_eq!(report["version"], 1);
    assert_eq!(report["ok"], false);
    let finding = &report["host"]["findings"][0];
    assert_eq!(finding["name"], "CAP_BPF");
    assert_eq!(finding["neededFor"], "loads programs and creates maps");
    assert_eq!(finding["result"], "ok");
    assert_eq!(finding["message"], Value::Null);
    let problem = &report["file"]["problems"][0];
    assert_eq!(problem["line"], 7);
    assert_eq!(problem["column"], 20);
    assert_eq!(problem["field"], "spec.match.ports[0].port");
    assert_eq!(
        problem["message"],
        "0 is out of range: write a number from 1 to 65535"
    );
    assert_eq!(report["file"]["forwards"], 0);

    std::fs::write(
        &file,
        forward("syslog", &spec.replace("port: 0", "port: 514")),
    )
    .unwrap();
    let output = check(node, &["--output", "json", "-c", file.to_str().unwrap()])
        .output()
        .unwrap();
    let report = json(&output);
    assert!(output.status.success(), "{report}");
    assert_eq!(report["ok"], true);
    assert_eq!(
        report["file"]["notes"][0],
        "forward default/syslog: no interface matches nowhere0; it waits for one"
    );

    let output = check(node, &["--output", "json"]).output().unwrap();
    assert_eq!(json(&output)["file"], Value::Null);
}

#[test]
fn a_terminal_gets_lines_that_fit() {
    let lab = shapes::two_collectors("check-terminal");
    let node = lab.host("node");
    let file = node.folder().join("forwards.yaml");
    let spec = SPEC.replace("10.0.2.2", "127.0.0.1");
    std::fs::write(&file, forward("syslog", &spec)).unwrap();
    let binary = agent::binary();
    let typed = format!(
        "stty cols 80; {} check -c {}",
        binary.display(),
        file.display()
    );
    let mut terminal = node.command("script");
    let output = terminal
        .args(["-qec", &typed, "/dev/null"])
        .output()
        .unwrap();
    let text = text(&output).replace('\r', "");
    let words: Vec<&str> = text.split_whitespace().collect();
    let message = "address: an upstream is one host that routing leads to: write no unspecified,";
    assert!(words.join(" ").contains(message), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
}

/// A file is checked before it takes the place of the one that runs.
#[test]
fn an_agent_that_runs_does_not_make_a_check_fail() {
    let lab = shapes::two_collectors("check-beside");
    let node = lab.host("node");
    let agent = Agent::start(node, &forward("syslog", SPEC));
    let mut command = node.command(agent::binary());
    let output = command
        .args(["check", "--http-address", agent::ADDRESS, "--pin-dir"])
        .arg(agent.pins())
        .output()
        .unwrap();
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("  note  pin directory       forwarding that outlives the process\n        an agent that runs uses"),
        "{text}"
    );
}

#[test]
fn a_file_is_checked_for_any_user() {
    let lab = shapes::two_collectors("check-nobody");
    let node = lab.host("node");
    let file = node.folder().join("forwards.yaml");
    let as_nobody = |arguments: &[&str]| {
        let mut command = node.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(agent::binary())
            .arg("check")
            .args(arguments)
            .output()
            .unwrap()
    };
    std::fs::write(&file, forward("syslog", SPEC)).unwrap();
    let output = as_nobody(&["-c", file.to_str().unwrap()]);
    assert_eq!(
        text(&output),
        format!(
            "host: not checked, that takes root (sudo)\nfile {}\n  ok    1 forward\n",
            file.display()
        )
    );
    assert!(output.status.success());
    std::fs::write(&file, "]").unwrap();
    assert!(!as_nobody(&["-c", file.to_str().unwrap()]).status.success());
    // Without a file the host is what is asked about.
    let output = as_nobody(&[]);
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("  FAIL  CAP_BPF "), "{text}");
}
