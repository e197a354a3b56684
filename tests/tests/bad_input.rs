//! Every mistake that a file of forwards or a command line can hold, and what is said about it, word for word;
//! and what goes on running meanwhile.

#[path = "bad_input/ancestor.rs"]
mod ancestor;
#[path = "bad_input/command_line.rs"]
mod command_line;
#[path = "bad_input/fields.rs"]
mod fields;
#[path = "bad_input/runtime.rs"]
mod runtime;
#[path = "bad_input/yaml.rs"]
mod yaml;

use std::process::Command;

use udplb_tests::agent;

/// A forward as it should be.
const GOOD: &str = "\
apiVersion: udplb.dev/v1alpha1
kind: UdpForward
metadata:
  name: syslog
spec:
  interfaces: [eth0]
  match:
    addresses: [192.0.2.10]
    ports:
    - port: 514
  action: Clone
  destinations:
  - name: siem
    upstreams:
    - address: 203.0.113.5
      port: 5514
";

/// The good forward with one thing changed.
fn with(good: &str, changed: &str) -> String {
    assert!(GOOD.contains(good), "{good}");
    GOOD.replacen(good, changed, 1)
}

/// Checks files, each with what `udplb-agent check -c f.yaml` has to say, line by line.
fn check(cases: &[(String, &[&str])]) {
    let folder = std::env::temp_dir().join(format!(
        "udplb-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::create_dir(&folder).unwrap();
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        std::fs::write(folder.join("f.yaml"), text).unwrap();
        // Somebody without privileges: the host is another matter.
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(agent::binary())
            .args(["check", "-c", "f.yaml"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<_> = said
            .lines()
            .filter_map(|line| line.strip_prefix("  FAIL  "))
            .collect();
        let count = expected.len();
        let error = format!("udplb-agent: `run` would not work: {count} of these failed\n");
        if said != *expected || String::from_utf8_lossy(&output.stderr) != error {
            let excerpt: String = text.chars().take(600).collect();
            wrong.push(format!(
                "{excerpt}\n     said: {said:#?}\n expected: {expected:#?}"
            ));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}
