//! The agent against a real kernel: it keeps things as they should be while somebody changes them, one at a
//! time, writes nothing when there is nothing to write, and says what is wrong in one line.

use std::{process::Command, time::Duration};

use udplb_tests::{
    agent::{self, Agent, forward},
    foreign,
    lab::{Host, shapes},
    traffic::use_it,
    wait,
};

/// Longer than the agent's looks for damage are apart.
const PATIENCE: Duration = Duration::from_secs(20);

const SPEC: &str = "
  match: {ports: [{port: 514}]}
  interfaces: ['eth0', 'late*']
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
";

fn config() -> String {
    forward("syslog", SPEC)
}

/// How many changes of the kernel the agent has logged.
fn changes(agent: &Agent) -> usize {
    agent.log().matches("kernel changed").count()
}

fn attached_interfaces(agent: &Agent) -> Vec<String> {
    let status = agent.status();
    let attachments = status["attachments"].as_array().unwrap().iter();
    attachments
        .map(|one| one["interface"].as_str().unwrap().to_owned())
        .collect()
}

fn managed(node: &Host) -> String {
    node.run("ip -d neigh show | grep managed || true")
}

#[test]
fn an_interface_that_comes_and_goes_is_attached_while_it_is_there() {
    for hook in ["tcx", "clsact"] {
        let lab = shapes::two_collectors(&format!("agent-late-{hook}"));
        let node = lab.host("node");
        let mut agent = Agent::new(node, &["--keep", "--hook", hook]);
        agent.write(&config());
        agent.run();
        for round in 0..3 {
            drop(node.ip("link add late0 type veth peer name peer0"));
            drop(node.ip("link set late0 up"));
            wait::until(PATIENCE, "the new interface to be attached", || {
                (attached_interfaces(&agent) == ["eth0", "late0"]).then_some(())
            });
            if round == 2 {
                agent.kill();
            }
            drop(node.ip("link del late0"));
            if round == 2 {
                agent.run();
            }
            wait::until(PATIENCE, "the old interface to be forgotten", || {
                (attached_interfaces(&agent) == ["eth0"]).then_some(())
            });
        }
        use_it(&lab);
        assert!(!agent.log().contains("failed"), "{}", agent.log());
    }
}

#[test]
fn what_somebody_removed_comes_back() {
    for hook in ["tcx", "clsact"] {
        let lab = shapes::two_collectors(&format!("agent-removed-{hook}"));
        let node = lab.host("node");
        let mut agent = Agent::new(node, &["--keep", "--hook", hook, "--look-every", "3"]);
        agent.write(&config());
        agent.run();
        use_it(&lab);
        if hook == "tcx" {
            // Nobody can take a link off but who holds it: the pin is all there is to remove.
            let pin = agent.pins().join("links");
            for link in std::fs::read_dir(pin).unwrap() {
                std::fs::remove_file(link.unwrap().path()).unwrap();
            }
            wait::until(PATIENCE, "the link to come back", || {
                (foreign::attached(node, "eth0") == 1).then_some(())
            });
        } else {
            drop(node.run("tc qdisc del dev eth0 clsact"));
            wait::until(PATIENCE, "the filter to come back", || {
                node.run("tc filter show dev eth0 ingress")
                    .contains("udplb")
                    .then_some(())
            });
        }
        drop(node.ip("neigh del 10.0.2.2 dev eth1"));
        wait::until(PATIENCE, "the neighbour to be managed again", || {
            managed(node).contains("10.0.2.2").then_some(())
        });
        agent.settle();
        use_it(&lab);
        agent.stop();
        agent.cleanup();
        assert_eq!(managed(node), "");
        assert!(!node.run("tc qdisc show dev eth0").contains("clsact"));
    }
}

#[test]
fn equal_input_changes_nothing() {
    let lab = shapes::two_collectors("agent-equal");
    let mut agent = Agent::start(lab.host("node"), &config());
    use_it(&lab);
    agent.settle();
    let before = changes(&agent);
    for _ in 0..5 {
        agent.reload(&config());
    }
    assert_eq!(changes(&agent), before, "{}", agent.log());
    // A new process puts its own program in place of the old one, and finds everything else as it should be.
    agent.stop();
    agent.run();
    agent.settle();
    let log = agent.log();
    let last = log
        .lines()
        .rfind(|line| line.contains("kernel changed"))
        .unwrap();
    assert!(last.contains("attachments=1"), "{last}");
    assert!(last.contains("changes=1"), "{last}");
    assert_eq!(changes(&agent), before + 1, "{log}");
    use_it(&lab);
}

#[test]
fn status_works_without_an_agent() {
    let lab = shapes::two_collectors("agent-status");
    let mut agent = Agent::start(lab.host("node"), &config());
    use_it(&lab);
    agent.kill();
    let status = agent.status();
    assert_eq!(status["attachments"][0]["interface"], "eth0");
    let forward = &status["forwards"][0];
    assert_eq!(forward["name"], "syslog");
    assert_eq!(forward["matched"]["packets"], 1);
    assert_eq!(forward["listeners"][0]["ports"][0], "514");
    let upstream = &forward["destinations"][0]["upstreams"][0];
    assert_eq!(upstream["upstream"], "10.0.2.2:5514");
    assert_eq!(upstream["reachable"], true);
    assert_eq!(upstream["sent"]["packets"], 1);
    assert_eq!(upstream["nextHop"]["interface"], "eth1");
    assert_eq!(
        upstream["nextHop"]["mac"],
        lab.host("collector1").mac("eth0").to_string()
    );
    let text = agent.ask("status", &[]);
    assert!(
        text.contains("default/syslog: Clone, matched 1 packets"),
        "{text}"
    );
    agent.cleanup();
    let error = complaint(command(lab.host("node"), &agent, "status"));
    assert!(error.contains("no agent has run"), "{error}");
}

/// The command of an agent's own state, with another address for HTTP.
fn command(host: &Host, agent: &Agent, subcommand: &str) -> Command {
    let mut command = host.command(agent::binary());
    let _: &mut Command = command.arg(subcommand).arg("--pin-dir").arg(agent.pins());
    command
}

/// What a command that fails says: one line.
fn complaint(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} succeeded");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_second_agent_is_refused() {
    let lab = shapes::two_collectors("agent-second");
    let node = lab.host("node");
    let agent = Agent::start(node, &config());
    let file = node.folder().join("node.yaml");
    let mut second = command(node, &agent, "run");
    let _: &mut Command = second
        .arg("-c")
        .arg(&file)
        .args(["--http-address", "127.0.0.1:9466"]);
    let _: &mut Command = second.arg("--state-dir").arg(node.folder().join("second"));
    let error = complaint(second);
    assert!(error.contains("another udplb-agent uses"), "{error}");
    let error = complaint(command(node, &agent, "cleanup"));
    assert!(error.contains("another udplb-agent uses"), "{error}");
    use_it(&lab);
}

#[test]
fn a_start_that_cannot_succeed_says_why_in_one_line() {
    let lab = shapes::two_collectors("agent-start");
    let node = lab.host("node");
    let agent = Agent::new(node, &[]);
    let run = |arguments: &[&str]| {
        let mut run = command(node, &agent, "run");
        let state = node.folder().join("state");
        let _: &mut Command = run.arg("--state-dir").arg(state).args(arguments);
        complaint(run)
    };
    let error = run(&["-c", "/nowhere/config.yaml"]);
    assert!(
        error.contains("there is no file /nowhere/config.yaml"),
        "{error}"
    );
    agent.write("]");
    let file = node.folder().join("node.yaml");
    let error = run(&["-c", file.to_str().unwrap()]);
    assert!(error.contains("node.yaml"), "{error}");
    agent.write(&config());
    let mut elsewhere = node.command(agent::binary());
    let _: &mut Command = elsewhere.arg("run").arg("-c").arg(&file);
    let _: &mut Command = elsewhere.arg("--pin-dir").arg(node.folder().join("pins"));
    let _: &mut Command = elsewhere
        .arg("--state-dir")
        .arg(node.folder().join("state"));
    let error = complaint(elsewhere);
    assert!(error.contains("not on a BPF file system"), "{error}");
    let mut nobody = Command::new("setpriv");
    let _: &mut Command = nobody
        .args(["--reuid=65534", "--clear-groups", "--"])
        .arg(agent::binary())
        .arg("run")
        .arg("-c")
        .arg(&file);
    let error = complaint(nobody);
    assert!(error.contains("CAP_BPF is missing"), "{error}");
}
