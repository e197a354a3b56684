//! The examples for a cluster, as a server takes them, and as a file on one host would.

use std::{path::PathBuf, process::Command};

use udplb_tests::{agent, api_server::ApiServer, manifests::files};

/// Those that are for a cluster: one use a file.
fn examples() -> Vec<PathBuf> {
    let mut files = files("deploy/examples");
    // That of the standalone agent.
    files.retain(|path| !path.ends_with("forwards.yaml"));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_every_example() {
    let server = ApiServer::start("chart-examples").await;
    drop(server.defined().await);
    for namespace in ["telemetry", "metrics", "dns", "games"] {
        drop(server.kubectl(&["create", "namespace", namespace]).unwrap());
    }
    let mut names = Vec::new();
    for path in examples() {
        let path = path.to_str().unwrap();
        let apply = [
            "apply",
            "--server-side",
            "--validate=strict",
            "-o",
            "name",
            "-f",
            path,
        ];
        names.push(server.kubectl(&apply).unwrap().trim().to_owned());
    }
    names.sort();
    let expected = [
        "dns-mirror",
        "game",
        "netflow",
        "statsd",
        "syslog",
        "syslog",
    ];
    assert_eq!(
        names,
        expected.map(|name| format!("udpforward.udplb.dev/{name}"))
    );
}

#[test]
fn the_agent_takes_every_example() {
    for path in examples() {
        let mut check = Command::new(agent::binary());
        let output = check.arg("check").arg("-c").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains("ok    1 forward\n"),
            "{}: {said}",
            path.display()
        );
    }
}
