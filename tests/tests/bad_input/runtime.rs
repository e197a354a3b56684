//! Files that go bad while an agent runs, and what a good file meets on a host: what ran before goes on, and the
//! log says what is wrong.

use std::{fs, fs::File, io::Write as _, time::Duration};

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Lab, shapes},
    traffic::use_it,
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);

const SPEC: &str = "
  match: {ports: [{port: 514}]}
  interfaces: [eth0]
  action: Clone
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5514}]}
";

fn wait_for(agent: &Agent, line: &str) {
    wait::until(PATIENCE, line, || agent.log().contains(line).then_some(()));
}

/// The most memory that a process has had, KiB.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lets a file go bad, and asserts what is said, that what ran before goes on, and that a good file is taken again.
fn goes_bad(name: &str, go_bad: impl FnOnce(&Agent), expected: impl Fn(&str) -> String) {
    let lab = shapes::two_collectors(name);
    let agent = Agent::start(lab.host("node"), &forward("syslog", SPEC));
    use_it(&lab);
    let memory = most_memory(agent.id());
    go_bad(&agent);
    let path = agent.config().display().to_string();
    wait_for(
        &agent,
        &format!(
            "the file is not taken; what ran before goes on error={}\n",
            expected(&path)
        ),
    );
    use_it(&lab);
    assert_eq!(agent.generation(), 1);
    let grown = most_memory(agent.id()) - memory;
    assert!(grown < 8 << 10, "{grown} KiB more");
    if agent.config().is_dir() {
        fs::remove_dir(agent.config()).unwrap();
    }
    agent.reload(&forward("syslog", SPEC));
    use_it(&lab);
    // Said once, and not at every look.
    assert_eq!(agent.log().matches("the file is not taken").count(), 1);
}

#[test]
fn a_file_that_vanishes_changes_nothing() {
    goes_bad("input-vanishes", Agent::remove_file, |path| {
        format!("there is no file {path}: write one, or name another with -c")
    });
}

#[test]
fn a_directory_in_its_place_changes_nothing() {
    let go_bad = |agent: &Agent| {
        agent.remove_file();
        fs::create_dir(agent.config()).unwrap();
    };
    goes_bad("input-directory", go_bad, |path| {
        format!("{path} is a directory: name a file with -c")
    });
}

#[test]
fn a_file_that_is_half_written_changes_nothing() {
    let text = forward("syslog", SPEC);
    // Everything in front of the destinations, and whoever writes keeps it open.
    let half = &text[..text.find("  destinations").unwrap()];
    let mut writer = None;
    let go_bad = |agent: &Agent| {
        let mut file = File::create(agent.config()).unwrap();
        file.write_all(half.as_bytes()).unwrap();
        writer = Some(file);
    };
    goes_bad("input-half", go_bad, |path| {
        format!("{path}:5:1: spec.destinations: is missing: write a list of at least one item")
    });
}

#[test]
fn a_file_of_100_mb_changes_nothing() {
    let go_bad = |agent: &Agent| {
        let file = File::options().write(true).open(agent.config()).unwrap();
        file.set_len(100 << 20).unwrap();
    };
    goes_bad("input-large", go_bad, |path| {
        format!(
            "{path} is larger than 8 MiB, which is read at most: write fewer forwards, at most 10000 fit in a file"
        )
    });
}

/// What a good file meets on a host is said when it is read, and when it is over.
fn meets(name: &str, spec: &str, expected: &str) -> (Lab, Agent) {
    let lab = shapes::two_collectors(name);
    let mut agent = Agent::new(lab.host("node"), &["--keep"]);
    agent.write(&forward("syslog", spec));
    agent.run();
    wait_for(
        &agent,
        &format!(" WARN udplb_agent::reconcile: {expected}\n"),
    );
    (lab, agent)
}

#[test]
fn a_missing_interface_is_waited_for() {
    let expected = "forward default/syslog: no interface matches late0; it waits for one";
    let spec = SPEC.replace("[eth0]", "[eth0, late0]");
    let (lab, agent) = meets("input-interface", &spec, expected);
    agent.settle();
    use_it(&lab);
    drop(
        lab.host("node")
            .ip("link add late0 type veth peer name peer0"),
    );
    wait_for(&agent, &format!("no longer: {expected}\n"));
}

#[test]
fn an_upstream_that_is_the_listener_is_left_out() {
    let expected = "destination default/syslog/one: upstream 10.0.1.1 is left out, what is sent there would come back to a listener of this host and go round; write another address or port";
    let upstreams = "[{address: 10.0.2.2, port: 5514}, {address: 10.0.1.1, port: 514}]";
    let spec = SPEC.replace("[{address: 10.0.2.2, port: 5514}]", upstreams);
    let (lab, agent) = meets("input-loop", &spec, expected);
    agent.settle();
    use_it(&lab);
}

#[test]
fn an_address_family_that_nobody_serves_or_hears_is_named() {
    let spec = SPEC.replace("ports:", "addresses: [10.0.1.1, '2001:db8:1::1'], ports:");
    let unserved = "destination default/syslog/one has no IPv6 upstream: packets to 2001:db8:1::1 are not sent there (no_upstream); add one, or take the address out";
    let (lab, agent) = meets("input-family", &spec, unserved);
    agent.settle();
    use_it(&lab);
    let upstreams = "[{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]";
    let spec = SPEC
        .replace("ports:", "addresses: [10.0.1.1], ports:")
        .replace("[{address: 10.0.2.2, port: 5514}]", upstreams);
    agent.reload(&forward("syslog", &spec));
    wait_for(&agent, &format!("no longer: {unserved}\n"));
    let unheard = "destination default/syslog/one: its IPv6 upstreams get nothing, the forward listens on no IPv6 address; add one to match.addresses, or take the upstreams out";
    wait_for(
        &agent,
        &format!(" WARN udplb_agent::reconcile: {unheard}\n"),
    );
    use_it(&lab);
}

#[test]
fn a_conflict_leaves_the_first_forward_running() {
    let lab = shapes::two_collectors("input-conflict");
    let other = SPEC.replace("5514", "5515");
    let config = forward("syslog", SPEC) + &forward("other", &other);
    let agent = Agent::start(lab.host("node"), &config);
    wait_for(
        &agent,
        "forward default/other in line 14 does not run: default/syslog in line 4 is older and listens on port 514 too: change the ports, addresses or interfaces of one of them\n",
    );
    use_it(&lab);
}
